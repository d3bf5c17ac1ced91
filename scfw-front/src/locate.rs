//! The real program: the first match on `PATH` that is not ours, told by device and inode. The rules are those of
//! scfw-hook's `process::locate`, which a test compares.

use crate::strings::Text;
use crate::system::{self, Identity};

/// Longest path of a file, in bytes, with its end.
pub(crate) const PATH_MAX: usize = 4096;
/// The path that a program gets which has none (POSIX leaves it to the system).
const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";

/// A program that was found.
pub(crate) struct Located {
    /// Its file.
    pub(crate) path: Text<PATH_MAX>,
    /// Whether an entry of ours stood before it on `PATH`.
    pub(crate) behind_ours: bool,
}

/// Finds the program of that name; none where there is none, or where finding it takes more than is done here.
pub(crate) fn locate(name: &[u8], path: Option<&[u8]>) -> Option<Located> {
    let own = system::own_identity()?;
    let mut behind_ours = false;
    for directory in path.unwrap_or(DEFAULT_PATH).split(|byte| *byte == b':') {
        // An empty entry is the working directory.
        let directory: &[u8] = if directory.is_empty() { b"." } else { directory };
        let slash: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
        let path = Text::of(&[directory, slash, name])?;
        match what_is(path.as_c_str()?, own) {
            What::Nothing => {}
            What::Ours => behind_ours = true,
            What::Program => return Some(Located { path, behind_ours }),
        }
    }
    None
}

enum What {
    Nothing,
    Ours,
    Program,
}

fn what_is(path: &core::ffi::CStr, own: Identity) -> What {
    let Some(identity) = system::regular_file(path).filter(|_| system::is_executable(path)) else {
        return What::Nothing;
    };
    if identity == own || is_of_another_scfw(path) { What::Ours } else { What::Program }
}

/// A shim of another installation: it would pass over its own, find ours, and so for ever.
fn is_of_another_scfw(path: &core::ffi::CStr) -> bool {
    let mut room = [0; PATH_MAX];
    let target = system::read_link(path, &mut room);
    target.is_some_and(|target| scfw_programs::base_name(target) == b"scfw-hook")
}
