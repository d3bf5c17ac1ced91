//! The names that shells give functions, from the table of programs.

use scfw_programs::{ManagerId, NAMES, Name, Presence, Suffix};

use crate::shells::shell::Shell;

/// The names that every shell has, in the order of the table.
#[must_use]
pub fn always() -> Vec<String> {
    let of = |name: &Name| {
        let with_version = (name.suffix == Suffix::Version).then(|| format!("{}3", name.stem));
        [Some(name.stem.to_owned()), with_version].into_iter().flatten()
    };
    NAMES.iter().filter(|name| name.presence == Presence::Always).flat_map(of).collect()
}

/// The names, without a version, that a shell has if the program is on `PATH`.
fn looked_for() -> impl Iterator<Item = &'static str> {
    NAMES.iter().filter(|name| name.presence == Presence::WhereFound).map(|name| name.stem)
}

/// The stems that a version may follow; a shell has those of them that are on `PATH`.
fn versioned() -> impl Iterator<Item = &'static str> {
    let is_versioned = |name: &&Name| name.suffix == Suffix::Version && name.presence != Presence::Untyped;
    NAMES.iter().filter(is_versioned).map(|name| name.stem)
}

/// The values of the placeholders for names in the integration of `shell`.
#[must_use]
pub(super) fn placeholders(shell: Shell) -> [(&'static str, String); 4] {
    // Names are lower-case letters and digits, which no shell takes for anything else.
    let words = |names: &mut dyn Iterator<Item = String>| {
        names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" ")
    };
    [
        ("SCFW_ALWAYS", words(&mut always().into_iter())),
        ("SCFW_LOOKED_FOR", words(&mut looked_for().map(str::to_owned))),
        ("SCFW_VERSIONED", words(&mut versioned().map(str::to_owned))),
        ("SCFW_GLOB", glob(shell)),
    ]
}

/// A pattern for the files of a directory that may be a stem with a version. It is wider than need be: its matches
/// are looked at again, and to read a directory takes longest.
fn glob(shell: Shell) -> String {
    let mut initials: Vec<&str> = versioned().filter_map(|stem| stem.get(..1)).collect();
    initials.sort_unstable();
    initials.dedup();
    let initial = match initials.as_slice() {
        [one] => (*one).to_owned(),
        several if shell == Shell::Fish => format!("{{{}}}", several.join(",")),
        several => format!("[{}]", several.concat()),
    };
    // The patterns of fish have no sets of characters.
    if shell == Shell::Fish { format!("{initial}*") } else { format!("{initial}*[0123456789]*") }
}

/// The names of all managers as a list in a sentence.
#[must_use]
pub fn managers(conjunction: &str) -> String {
    let names = ManagerId::ALL.map(ManagerId::name);
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} {conjunction} {last}", others.join(", ")),
        None => String::new(),
    }
}
