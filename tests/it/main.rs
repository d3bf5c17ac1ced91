//! scfw end to end: the real pip and npm, held by their gates, against servers on loopback. One binary, so that
//! it links once.

mod support;

mod bypasses;
mod check;
mod feeds;
mod gates_npm;
mod gates_pip;
mod passthrough;
mod screening;
mod terminal;
mod verify;
