//! Whether a call runs a manager, by the file's name and the words, for the preload library: scfw-hook then looks at it
//! in full.

use crate::Words;
use crate::commands::prints_only;
use crate::names::{Name, Runs};
use crate::path::{base_name, program};
use crate::{node, python};

/// Where in the words the program stands that is to be followed: 0 for the file itself, more where a loader or
/// Node runs it. None for what is none of ours, and for what only prints its version or its help.
#[must_use]
pub fn recognise<W: Words>(file: &[u8], words: &W) -> Option<usize> {
    match program(file) {
        Some(name) => follow(name, words, 0),
        None if is_loader(base_name(file)) => {
            let index = loaded_program(words)?;
            follow(program(words.get(index)?)?, words, index)
        }
        None => None,
    }
}

fn follow<W: Words>(name: &Name, words: &W, index: usize) -> Option<usize> {
    let is_ours = match name.runs {
        Runs::Manager(_) => !prints_only(name.acts_alone, words, index + 1),
        Runs::Python => python::call(words, index + 1).is_some_and(|call| {
            call.start == python::Start::Runner || !prints_only(false, words, call.arguments)
        }),
        Runs::Node => {
            let script = node::script(words, index + 1)?;
            return follow(program(words.get(script)?)?, words, script);
        }
    };
    is_ours.then_some(index)
}

/// `ld-linux-x86-64.so.2`, `ld-musl-aarch64.so.1`, `ld.so`: the loader, run as a program.
fn is_loader(name: &[u8]) -> bool {
    let stem = name.strip_prefix(b"ld64").or_else(|| name.strip_prefix(b"ld"));
    let is_named = stem.is_some_and(|stem| matches!(stem.first(), Some(b'-' | b'.')));
    is_named && name.windows(3).any(|window| window == b".so")
}

/// Where the program stands that a loader was given, behind its options. Those of musl may have a value in the next word,
/// as the GNU ones do.
fn loaded_program<W: Words>(words: &W) -> Option<usize> {
    let mut index = 1;
    loop {
        match words.get(index)? {
            b"--" => return words.get(index + 1).map(|_| index + 1),
            b"--library-path"
            | b"--preload"
            | b"--audit"
            | b"--argv0"
            | b"--inhibit-rpath"
            | b"--glibc-hwcaps-prepend"
            | b"--glibc-hwcaps-mask" => {
                words.get(index + 1)?;
                index += 2;
            }
            [b'-', b'-', ..] => index += 1,
            _ => return Some(index),
        }
    }
}
