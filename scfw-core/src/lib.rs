//! The firewall as functions of values: what a command line means, what it would install, what is known about
//! it and what follows. Nothing here looks at `argv[0]`, replaces the process or talks to a terminal; the
//! binaries in `scfw-hook` do.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests read and make what is their own"))]

pub mod advisory;
pub mod after_the_fact;
pub mod armed;
pub mod config;
pub mod env;
pub mod exemption;
pub mod feed;
pub mod files;
pub mod gate;
pub mod inventory;
pub mod manager;
pub mod moment;
pub mod package;
pub mod policy;
pub mod rc_file;
pub mod redact;
pub mod report;
pub mod screen;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod unread;
pub mod verify;
