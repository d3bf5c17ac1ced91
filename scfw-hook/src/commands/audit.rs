//! `scfw audit`: everything that is installed, verified. The package managers are not run for it: what is installed is
//! read from the files that they leave.

mod interpreter;

use std::ffi::{OsStr, OsString};
use std::io::stdout;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};
use scfw_core::config::Settings;
use scfw_core::inventory::{Inventory, npm, pip};
use scfw_core::invocation::Manager;
use scfw_core::report;
use scfw_core::screen::npm_root;
use scfw_core::telemetry::Event;
use scfw_core::text::sanitise;
use scfw_core::verify::{verifiers, verify};

use super::{concluded, fail, misuse};
use crate::record::record;
use crate::route::locate::locate;
use crate::status;
use crate::terminal::answer::ask;
use crate::terminal::output;
use crate::terminal::spinner::Spinner;

/// Things that could not be read, named on standard error; the reports name more of them.
const SHOWN_UNREAD: usize = 20;

/// What the help shows below the options.
pub(super) const EXAMPLES: &str = "Examples:\n  scfw audit npm\n  scfw audit npm --global --format json\n  \
    scfw audit pip --executable .venv/bin/python\n  scfw audit pip --format sarif > audit.sarif\n\n\
    Exit status: 0 nothing found, 1 warnings only, 77 critical findings. What could not be read or verified is a \
    warning.";

/// Options of `scfw audit`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Whose packages
    manager: Auditable,
    /// The pip, python or npm whose packages are meant, instead of the first on PATH
    #[arg(long, value_name = "PATH")]
    executable: Option<PathBuf>,
    /// npm: the packages that are installed globally, instead of the project's
    #[arg(short, long)]
    global: bool,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The managers whose packages can be audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Auditable {
    /// Of a Python interpreter: an environment's, the system's
    Pip,
    /// Of the project here, or with --global of the machine
    Npm,
}

impl Auditable {
    const fn manager(self) -> Manager {
        match self {
            Self::Pip => Manager::Pip,
            Self::Npm => Manager::Npm,
        }
    }

    /// The programs whose packages are meant, the first that is there.
    const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Pip => &["pip", "pip3", "python3", "python"],
            Self::Npm => &["npm"],
        }
    }
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

pub(super) fn run(options: &Options) -> i32 {
    let settings = match Settings::load(&|name| std::env::var_os(name)) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, status::CONFIGURATION),
    };
    output::say_without_effect(&settings);
    let verifiers = match verifiers(&settings) {
        Ok(verifiers) => verifiers,
        Err(error) => return fail(&error, status::CONFIGURATION),
    };
    let inventory = match options.manager {
        Auditable::Pip if options.global => {
            return misuse("--global is for npm; for pip, name a Python with --executable");
        }
        Auditable::Pip => pip_inventory(options),
        Auditable::Npm => npm_inventory(options),
    };
    let inventory = match inventory {
        Ok(inventory) => inventory,
        Err(status) => return status,
    };
    name_unread(&inventory);
    let spinner = Spinner::start(format!("Verifying {} packages", inventory.packages.len()));
    let verification = verify(&settings, &verifiers, inventory.targets());
    drop(spinner);
    output::say_trouble(&verification);
    record(
        &Event::Audit {
            manager: options.manager.manager(),
            executable: &audited_program(options),
            verification: &verification,
        },
        &settings,
    );
    let audit = inventory.audit(verification);
    let redactor = output::redactor();
    let printed = match options.format {
        Format::Text => output::print_report(&report::audit_text(&audit, output::has_colour_on(&stdout()))),
        Format::Json => output::print_json_report(&report::audit_json(&audit)),
        Format::Sarif => output::print_json_report(&report::sarif(&audit, &redactor)),
        Format::CycloneDx => output::print_json_report(&report::cyclonedx(&audit, &redactor)),
    };
    concluded(printed, audit.verdict())
}

/// The program whose packages are audited, for the record; empty where a project is audited and there is none.
fn audited_program(options: &Options) -> String {
    let named = options.executable.clone();
    let program = named.or_else(|| options.manager.programs().iter().find_map(|name| path_of(name)));
    program.unwrap_or_default().to_string_lossy().into_owned()
}

fn path_of(name: &str) -> Option<PathBuf> {
    locate(OsStr::new(name)).map(|located| located.path)
}

/// The path of the named executable, or of the first of `names` that is there; an exit status where there is none.
fn executable(options: &Options, names: &[&str]) -> Result<PathBuf, i32> {
    let wanted = options.executable.as_deref().map(Path::as_os_str);
    let located = match wanted {
        Some(path) => locate(path).filter(|located| located.path.is_file()),
        None => names.iter().find_map(|name| locate(OsStr::new(name))),
    };
    located.map(|located| located.path).ok_or_else(|| {
        let what = wanted.unwrap_or(OsStr::new(names[0])).to_string_lossy();
        output::say(&format!("there is no {}; name the program with --executable", sanitise(&what)));
        status::NOT_FOUND
    })
}

fn pip_inventory(options: &Options) -> Result<Inventory, i32> {
    let executable = executable(options, options.manager.programs())?;
    let environment =
        interpreter::environment(&executable).map_err(|error| fail(&error, status::UNVERIFIED))?;
    Ok(pip::read(&environment))
}

fn npm_inventory(options: &Options) -> Result<Inventory, i32> {
    let place = if options.global {
        npm::Place::Global(global_modules(&executable(options, options.manager.programs())?)?)
    } else {
        let directory = std::env::current_dir().map_err(|error| fail(&error, status::UNVERIFIED))?;
        npm::Place::Project(npm_root(&directory))
    };
    let modules = match &place {
        npm::Place::Project(root) => root.join("node_modules"),
        npm::Place::Global(modules) => modules.clone(),
    };
    if !modules.exists() {
        output::say(&format!("nothing is installed: there is no {}", sanitise(&modules.to_string_lossy())));
    }
    Ok(npm::read(&place))
}

/// Where npm keeps what is installed globally, which only npm knows for sure.
fn global_modules(npm: &Path) -> Result<PathBuf, i32> {
    let mut command = Command::new(npm);
    command.args(["root", "--global"]);
    let answer = ask(command).map_err(|error| {
        output::say(&format!(
            "{} could not be asked for its global folder",
            sanitise(&npm.to_string_lossy())
        ));
        fail(&error, status::UNVERIFIED)
    })?;
    let line = answer.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    let path = PathBuf::from(OsString::from_vec(line.to_vec()));
    if path.is_absolute() && path.as_os_str().as_bytes().ends_with(b"node_modules") {
        return Ok(path);
    }
    output::say(&format!("{} did not say where its global folder is", sanitise(&npm.to_string_lossy())));
    Err(status::UNVERIFIED)
}

/// Says what could not be read.
fn name_unread(inventory: &Inventory) {
    for unread in inventory.unread.iter().take(SHOWN_UNREAD) {
        let what = output::redacted(&unread.what);
        output::say(&format!("{} could not be verified: it {}", sanitise(&what), sanitise(&unread.why)));
    }
    let rest = inventory.unread.len().saturating_sub(SHOWN_UNREAD);
    if rest > 0 {
        output::say(&format!("{rest} more could not be verified; --format json names them"));
    }
}
