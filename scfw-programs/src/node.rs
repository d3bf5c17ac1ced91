//! Node runs a manager when the script that it is given is one.

use crate::Words;
use crate::names::Runs;
use crate::path::program;

/// Where the script of a manager stands that Node runs whose own words begin at `start`; none for any other script. Which
/// of its options take the next word changes with every version, so a word behind an option counts as its value only
/// if it is no script of a manager's.
#[must_use]
pub fn script<W: Words>(words: &W, start: usize) -> Option<usize> {
    let mut index = start;
    let mut may_be_value = false;
    loop {
        let word = words.get(index)?;
        let is_option = matches!(word, [b'-', _, ..]) && word != b"--";
        if !is_option && word != b"--" {
            let is_ours = program(word).is_some_and(|name| matches!(name.runs, Runs::Manager(_)));
            if is_ours || !may_be_value {
                return is_ours.then_some(index);
            }
        }
        may_be_value = is_option && !word.contains(&b'=');
        index += 1;
    }
}
