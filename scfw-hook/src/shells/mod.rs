//! The routes that bring calls here: start-up files, functions, shims, the preload library, and those that an
//! administrator requires.

pub mod coverage;
pub mod names;
pub mod rc_files;
pub mod required_routes;
pub mod shell;
pub mod shield;
pub mod shims;
