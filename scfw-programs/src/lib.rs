//! The names of the programs that scfw looks at, each written here and nowhere else, and how the words of an
//! interpreter lead to a manager.
//!
//! This crate is linked into everything, the preload library included: it has no dependency, allocates nothing,
//! never panics, and works on bytes, for a path need not be UTF-8. What a manager's own words mean is not decided
//! here but by the manager, in scfw-core.
#![no_std]

mod commands;
mod names;
mod node;
mod path;
mod python;
mod recognise;

pub use commands::{Harmless, NPM_HARMLESS, PIP_INSTALLING, certainly_installs_nothing};
pub use names::{
    ManagerId, NAMES, NODE_FOLDERS, NODE_SCRIPTS, Name, PYTHON_MODULES, PYTHON_SCRIPTS, Presence, Runs,
    Suffix, UNCOVERED, uncovered,
};
pub use node::script as node_script;
pub use path::{base_name, named, program};
pub use python::{PythonCall, Start, call as python_call};
pub use recognise::recognise;

/// The first word of a command line that scfw-hook hands over to scfw. The whole of its own follows.
pub const HANDED_OVER: &core::ffi::CStr = c"scfw:hook";

/// The words of a command line. Nothing here asks for a word before it has asked for the one in front of it.
pub trait Words {
    /// The word at `index`; none behind the last.
    fn get(&self, index: usize) -> Option<&[u8]>;
}
