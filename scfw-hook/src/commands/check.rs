//! `scfw check`: packages looked up without installing anything.

use std::io::{Read, stdin, stdout};

use clap::Args;
use scfw_core::package::{Package, Publication, Target, shown_query};
use scfw_core::policy::Verdict;
use scfw_core::report;
use scfw_core::verify::{verifiers, verify};

use super::Format;
use super::exit::{concluded, fail, misuse};
use crate::exit::Exit;
use crate::process::Process;
use crate::terminal::output;

/// The largest list of packages that is read from standard input, in bytes.
const LARGEST_INPUT: u64 = 64 * 1024 * 1024;

/// Options of `scfw check`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Read further packages from standard input, one a line
    #[arg(long)]
    stdin: bool,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// pypi:NAME[@VERSION], npm:NAME[@VERSION] or a purl
    #[arg(value_name = "PACKAGE", required_unless_present = "stdin")]
    packages: Vec<String>,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    let mut queries = options.packages.clone();
    if options.stdin {
        let mut input = String::new();
        match stdin().lock().take(LARGEST_INPUT + 1).read_to_string(&mut input) {
            Ok(length) if length as u64 > LARGEST_INPUT => {
                return misuse("standard input is larger than 64 MiB");
            }
            Ok(_) => {}
            Err(error) => return fail(&error, Exit::Usage),
        }
        queries.extend(input.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let mut targets = Vec::with_capacity(queries.len());
    for query in &queries {
        match Package::from_query(query) {
            // No manager has said which registry is in use, so ages are known as far as they are remembered.
            Ok(package) => {
                targets.push(Target { publication: Publication::Remembered, ..Target::registry(package) });
            }
            Err(error) => return fail(&error, Exit::Usage),
        }
    }
    let settings = match process.settings() {
        Ok(settings) => settings,
        Err(error) => return fail(&error, Exit::Configuration),
    };
    output::say_without_effect(&settings);
    let verifiers = match verifiers(&settings, None) {
        Ok(verifiers) => verifiers,
        Err(error) => return fail(&error, Exit::Configuration),
    };
    let verification = verify(&settings, &verifiers, targets);
    output::say_trouble(&verification);
    let printed = match options.format {
        Format::Text => print_text(&report::packages_text(&verification, output::has_colour_on(&stdout()))),
        Format::Json => {
            let queries: Vec<String> = queries.iter().map(|query| shown_query(query)).collect();
            output::print_json_report(&report::json(&verification, &queries))
        }
    };
    concluded(printed, Verdict::of(&verification))
}

fn print_text(report: &str) -> std::io::Result<()> {
    // For `check` the report is the answer, so it goes to standard output.
    let report = if report.is_empty() { "No findings.\n" } else { report };
    output::print_report(report)
}
