//! The firewall as a library, in layers: the meaning of a command line, what it would install, what is known about
//! that and what follows. Nothing here looks at `argv[0]`, replaces the process or talks to a terminal; the binaries
//! in `scfw-hook` do.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests read and make what is their own"))]

pub mod action;
pub mod advisory;
pub mod child;
pub mod config;
pub mod disarm;
pub mod ecosystem;
pub mod env;
pub mod exemption;
pub mod feed;
pub mod files;
pub mod finding;
pub mod format;
pub mod gate;
pub mod inventory;
pub mod lockfile;
pub mod manager;
pub(crate) mod net;
pub mod package;
pub mod policy;
pub mod rc_file;
pub mod recall;
pub mod redact;
pub mod report;
pub mod screen;
pub mod skipped;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod time;
pub mod update;
pub mod verify;
