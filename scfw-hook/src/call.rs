//! How one of ours was called: under which name, with which arguments.

use std::borrow::Cow;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use scfw_core::invocation::Program;

/// A call of a program that is to be routed.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The name that the user typed, or the absolute path that another program gave.
    pub name: &'a CStr,
    /// The arguments behind it.
    pub arguments: &'a [&'a CStr],
    /// The program to run instead of the one on `PATH`.
    pub executable: Option<&'a Path>,
    /// Whether the user asked for scfw by name, and not for a manager that is routed here.
    pub is_explicit: bool,
}

impl<'a> Call<'a> {
    /// The name as the system has it.
    #[must_use]
    pub fn name(&self) -> &'a OsStr {
        OsStr::from_bytes(self.name.to_bytes())
    }

    /// Which program that is, by the file name.
    #[must_use]
    pub fn program(&self) -> Option<Program> {
        Program::from_name(Path::new(self.name()).file_name()?.to_str()?)
    }

    /// The arguments as text, for classifying; invalid UTF-8 is replaced there and there only.
    #[must_use]
    pub fn texts(&self) -> Vec<Cow<'a, str>> {
        self.arguments.iter().map(|argument| argument.to_string_lossy()).collect()
    }

    /// The whole command line as text, for messages.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut line = self.name.to_string_lossy().into_owned();
        for argument in self.texts() {
            line.push(' ');
            line.push_str(&argument);
        }
        line
    }
}
