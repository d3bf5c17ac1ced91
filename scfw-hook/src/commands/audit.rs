//! `scfw audit`: everything that is installed, verified. The package managers are not run for it: what is installed is
//! read from the files that they leave.

mod interpreter;

use std::ffi::{OsStr, OsString};
use std::io::stdout;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use scfw_core::inventory::{self, Inventory};
use scfw_core::manager::{ALL, Audit, Layout, ManagerId, manager};
use scfw_core::report;
use scfw_core::screen::node_root;
use scfw_core::telemetry::Event;
use scfw_core::text::sanitise;
use scfw_core::verify::{verifiers, verify};

use super::exit::{concluded, fail, misuse};
use crate::exit::Exit;
use crate::process::Process;
use crate::process::answer::ask;
use crate::process::locate::locate;
use crate::record::record;
use crate::terminal::output;
use crate::terminal::spinner::Spinner;

/// The number of unreadable things that are named on standard error; the reports name more of them.
const SHOWN_UNREAD: usize = 20;

/// What the help shows below the options.
pub(super) fn examples() -> String {
    let mut examples = "Examples:
"
    .to_owned();
    for manager in ALL {
        let (name, Some(audit)) = (manager.id().name(), manager.audit()) else { continue };
        let of_one = match audit.layout {
            Layout::SitePackages => format!(
                "  scfw audit {name} --executable .venv/bin/python
"
            ),
            Layout::NodeModules => format!(
                "  scfw audit {name} --format json
"
            ),
        };
        examples.push_str(&of_one);
        if audit.global.is_some() {
            let of_all = format!("  scfw audit {name} --global --format sarif > audit.sarif\n");
            examples.push_str(&of_all);
        }
    }
    examples
        + "
Exit status: 0 nothing found, 1 warnings only, 77 critical findings. What could not be read or verified \
                is a warning."
}

/// Options of `scfw audit`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Whose packages
    #[arg(value_parser = auditable())]
    manager: ManagerId,
    /// The manager or interpreter whose packages are meant, instead of the first on PATH
    #[arg(long, value_name = "PATH")]
    executable: Option<PathBuf>,
    /// The packages that are installed globally, instead of the project's
    #[arg(short, long)]
    global: bool,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The names of the managers whose packages can be audited, each with what that is.
fn auditable() -> impl TypedValueParser<Value = ManagerId> {
    let values = ALL.into_iter().filter_map(|manager| Some((manager.id().name(), manager.audit()?)));
    PossibleValuesParser::new(values.map(|(name, audit)| PossibleValue::new(name).help(audit.about)))
        .try_map(|name| ManagerId::from_name(&name).ok_or("there is no such manager"))
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For scripts: a list with one object per package
    Json,
    /// SARIF 2.1.0, for code scanning services
    Sarif,
    /// `CycloneDX` 1.6: a bill of materials with vulnerabilities
    #[value(name = "cyclonedx")]
    CycloneDx,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    let settings = match process.settings() {
        Ok(settings) => settings,
        Err(error) => return fail(&error, Exit::Configuration),
    };
    output::say_without_effect(&settings);
    let verifiers = match verifiers(&settings, Some(options.manager)) {
        Ok(verifiers) => verifiers,
        Err(error) => return fail(&error, Exit::Configuration),
    };
    let Some(audit) = manager(options.manager).audit() else {
        return misuse("its packages cannot be audited");
    };
    let found = match audit.layout {
        Layout::SitePackages if options.global => {
            return misuse(&format!(
                "{} has no global place of its own; name a program with --executable",
                options.manager.name()
            ));
        }
        Layout::SitePackages => site_packages(process, options, &audit),
        Layout::NodeModules => node_modules(process, options, &audit),
    };
    let inventory = match found {
        Ok(inventory) => inventory,
        Err(status) => return status,
    };
    name_unread(&inventory);
    let spinner = Spinner::start(format!("Verifying {} packages", inventory.packages.len()));
    let verification = verify(&settings, &verifiers, inventory.targets());
    drop(spinner);
    output::say_trouble(&verification);
    record(
        process,
        &Event::Audit {
            manager: options.manager,
            executable: &audited_program(process, options, &audit),
            verification: &verification,
        },
        &settings,
    );
    let audited = inventory.audit(verification);
    let redactor = output::redactor();
    let printed = match options.format {
        Format::Text => output::print_report(&report::audit_text(&audited, output::has_colour_on(&stdout()))),
        Format::Json => output::print_json_report(&report::audit_json(&audited)),
        Format::Sarif => output::print_json_report(&report::sarif(&audited, &redactor)),
        Format::CycloneDx => output::print_json_report(&report::cyclonedx(&audited, &redactor)),
    };
    concluded(printed, audited.verdict())
}

/// The program whose packages are audited, for the record; empty if a project is audited and there is none.
fn audited_program(process: &Process, options: &Options, audit: &Audit) -> String {
    let named = options.executable.clone();
    let program = named.or_else(|| audit.programs.iter().find_map(|name| path_of(process, name)));
    program.unwrap_or_default().to_string_lossy().into_owned()
}

fn path_of(process: &Process, name: &str) -> Option<PathBuf> {
    locate(process, OsStr::new(name)).map(|located| located.path)
}

/// The path of the named executable, or of the first of `names` that is there; an exit status if there is none.
fn executable(process: &Process, options: &Options, names: &[&str]) -> Result<PathBuf, Exit> {
    let wanted = options.executable.as_deref().map(Path::as_os_str);
    let located = match wanted {
        Some(path) => locate(process, path).filter(|located| located.path.is_file()),
        None => names.iter().find_map(|name| locate(process, OsStr::new(name))),
    };
    located.map(|located| located.path).ok_or_else(|| {
        let what = wanted.unwrap_or(OsStr::new(names[0])).to_string_lossy();
        output::say(&format!("there is no {}; name the program with --executable", sanitise(&what)));
        Exit::NotFound
    })
}

fn site_packages(process: &Process, options: &Options, audit: &Audit) -> Result<Inventory, Exit> {
    let executable = executable(process, options, audit.programs)?;
    let environment =
        interpreter::environment(process, &executable).map_err(|error| fail(&error, Exit::Unverified))?;
    Ok(inventory::site_packages::read(&environment))
}

fn node_modules(process: &Process, options: &Options, audit: &Audit) -> Result<Inventory, Exit> {
    let place = if let Some(question) = audit.global.filter(|_| options.global) {
        inventory::node_modules::Place::Global(global_modules(
            &executable(process, options, audit.programs)?,
            question,
        )?)
    } else {
        let directory = process.directory().map_err(|error| fail(&error, Exit::Unverified))?;
        inventory::node_modules::Place::Project(node_root(&directory))
    };
    let modules = match &place {
        inventory::node_modules::Place::Project(root) => root.join("node_modules"),
        inventory::node_modules::Place::Global(modules) => modules.clone(),
    };
    if !modules.exists() {
        output::say(&format!("nothing is installed: there is no {}", sanitise(&modules.to_string_lossy())));
    }
    Ok(inventory::node_modules::read(&place))
}

/// The place of `program`'s global packages, which it alone knows for sure; `question` are the words that ask it.
fn global_modules(program: &Path, question: &[&str]) -> Result<PathBuf, Exit> {
    let mut command = Command::new(program);
    command.args(question);
    let answer = ask(command).map_err(|error| {
        output::say(&format!(
            "{} could not be asked for its global folder",
            sanitise(&program.to_string_lossy())
        ));
        fail(&error, Exit::Unverified)
    })?;
    let line = answer.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    let path = PathBuf::from(OsString::from_vec(line.to_vec()));
    if path.is_absolute() && path.as_os_str().as_bytes().ends_with(b"node_modules") {
        return Ok(path);
    }
    output::say(&format!("{} did not say where its global folder is", sanitise(&program.to_string_lossy())));
    Err(Exit::Unverified)
}

/// Reports the things that could not be read.
fn name_unread(inventory: &Inventory) {
    for unread in inventory.skipped.iter().take(SHOWN_UNREAD) {
        let what = output::redacted(&unread.what);
        output::say(&format!("{} could not be verified: it {}", sanitise(&what), sanitise(&unread.why)));
    }
    let rest = inventory.skipped.len().saturating_sub(SHOWN_UNREAD);
    if rest > 0 {
        output::say(&format!("{rest} more could not be verified; --format json names them"));
    }
}
