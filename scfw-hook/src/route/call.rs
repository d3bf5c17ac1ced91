//! The call of a routed program: its name and its arguments.

use std::borrow::Cow;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use scfw_core::text::arguments_without_credentials;
use scfw_programs::{ManagerId, Name, Runs, program};

/// A call of a program that is to be routed.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The name that the user typed, or the absolute path that another program gave.
    pub name: &'a CStr,
    /// The arguments behind it.
    pub arguments: &'a [&'a CStr],
    /// The program to run instead of the one on `PATH`.
    pub executable: Option<&'a Path>,
    /// The words up to the program's name, `argv[0]` first, if the call comes from the preload library. They are kept
    /// as they are. They are more than one if `executable` is a loader or node.
    pub leading: &'a [&'a CStr],
    /// Whether the user asked for scfw by name, and not for a manager that is routed here.
    pub is_explicit: bool,
}

impl<'a> Call<'a> {
    /// A call of `name` as a user types it.
    #[must_use]
    pub fn typed(name: &'a CStr, arguments: &'a [&'a CStr]) -> Self {
        Self { name, arguments, executable: None, leading: &[], is_explicit: false }
    }

    /// The call that the preload library has noticed: `words` are the caller's `argv`, and `noticed` is the value of
    /// `SCFW_SHIM_CALL`. None if that is not what the library writes.
    #[must_use]
    pub fn noticed(noticed: &'a CStr, words: &'a [&'a CStr]) -> Option<Self> {
        let colon = noticed.to_bytes().iter().position(|byte| *byte == b':')?;
        let (index, path) = noticed.to_bytes_with_nul().split_at(colon);
        let index: usize = std::str::from_utf8(index).ok()?.parse().ok()?;
        let path = CStr::from_bytes_with_nul(path.get(1..)?).ok()?;
        let arguments = words.get(index.checked_add(1)?..)?;
        let name = if index == 0 { path } else { *words.get(index)? };
        let leading = words.get(..=index)?;
        let executable = Some(Path::new(OsStr::from_bytes(path.to_bytes())));
        Some(Self { name, arguments, executable, leading, is_explicit: false })
    }

    /// Whether the preload library has brought it here.
    #[must_use]
    pub fn is_noticed(&self) -> bool {
        !self.leading.is_empty()
    }

    /// The name as the system has it.
    #[must_use]
    pub fn name(&self) -> &'a OsStr {
        OsStr::from_bytes(self.name.to_bytes())
    }

    /// The program, by the file's name.
    #[must_use]
    pub fn program(&self) -> Option<&'static Name> {
        program(self.name.to_bytes())
    }

    /// The manager, unless the program is an interpreter, which may run one.
    #[must_use]
    pub fn manager(&self) -> Option<ManagerId> {
        match self.program()?.runs {
            Runs::Manager(id) => Some(id),
            Runs::Python | Runs::Node => None,
        }
    }

    /// The arguments as text, for classifying; invalid UTF-8 is replaced there and there only.
    #[must_use]
    pub fn texts(&self) -> Vec<Cow<'a, str>> {
        self.arguments.iter().map(|argument| argument.to_string_lossy()).collect()
    }

    /// The name and the arguments as text, without what must not be kept.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let arguments: Vec<String> = self.texts().into_iter().map(Cow::into_owned).collect();
        let mut words = vec![self.name.to_string_lossy().into_owned()];
        words.extend(arguments_without_credentials(&arguments));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_is_noted_holds_no_secrets() {
        let arguments = [
            c"install", c"--//host/:_authToken", c"secret", c"--proxy=u:secret@host",
            c"https://u:secret@host/a?secret",
        ];
        let command = Call::typed(c"npm", &arguments).command();
        assert_eq!(
            command,
            ["npm", "install", "--//host/:_authToken", "[…]", "--proxy=[…]", "https://host/a?[…]"]
        );
    }
}
