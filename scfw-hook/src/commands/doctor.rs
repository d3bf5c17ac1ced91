//! `scfw doctor`: each manager that is found installs a clean package and is stopped at a malicious one, for real,
//! from an index, a registry and feeds that this process serves on the loopback interface.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use scfw_core::env;
use scfw_core::package::Ecosystem;
use scfw_core::report::BLOCKED;
use scfw_core::text::sanitise;
use scfw_world::{NpmPackage, Sdist, Wheel, World};

use super::fail;
use crate::locate::locate;
use crate::router::own_program;
use crate::{output, status};

/// What a clean package is called, and what one that brings malware with it.
const CLEAN: &str = "scfw-selftest-clean";
const CARRIER: &str = "scfw-selftest-carrier";
const MALWARE: &str = "scfw-selftest-malware";
/// Exit status where something is not as it should be.
const BROKEN: i32 = 1;

/// One manager to test, by the words of a command.
struct Subject {
    name: &'static str,
    install: &'static [&'static str],
    /// The file that shows that the clean package was installed.
    installed: &'static str,
}

const SUBJECTS: [Subject; 2] = [
    Subject {
        name: "pip",
        install: &["install", "--no-cache-dir", "--target", "packages"],
        installed: "packages/scfw_selftest_clean.py",
    },
    Subject {
        name: "npm",
        install: &["install"],
        installed: "node_modules/scfw-selftest-clean/package.json",
    },
];

/// Other names under which pip is found where there is no `pip`.
const PIP_NAMES: [&str; 2] = ["pip", "pip3"];

pub(super) fn run() -> i32 {
    let place = match tempfile::tempdir() {
        Ok(place) => place,
        Err(error) => return fail(&error, BROKEN),
    };
    let canary = place.path().join("canary");
    let world = match little_world(&canary) {
        Ok(world) => world,
        Err(error) => return fail(&error, BROKEN),
    };
    let Some(hook) = own_program() else {
        output::say("scfw-hook is not beside scfw; install scfw again");
        return BROKEN;
    };
    let mut all_protected = true;
    let mut found_any = false;
    for subject in SUBJECTS {
        let names: &[&str] = if subject.name == "pip" { &PIP_NAMES } else { &["npm"] };
        let Some((name, path)) =
            names.iter().find_map(|name| Some((*name, locate(OsString::from(*name).as_os_str())?.path)))
        else {
            output::print(&format!("{}: not found on PATH, so there is nothing to protect\n", subject.name));
            continue;
        };
        found_any = true;
        output::print(&format!("{} ({})\n", subject.name, sanitise(&path.to_string_lossy())));
        let test = Test { subject: &subject, name, hook: &hook, world: &world, canary: &canary };
        all_protected &= test.run(&place.path().join(subject.name));
    }
    if all_protected && found_any { status::OK } else { BROKEN }
}

/// A clean package, and one whose dependency is malicious and would write to `canary` if any of it ran.
fn little_world(canary: &Path) -> std::io::Result<World> {
    let world = World::start()?;
    world.add_wheel(Wheel::new(CLEAN, "1.0"));
    world.add_wheel(Wheel::new(CARRIER, "1.0").requires(MALWARE));
    world.add_sdist(Sdist::new(MALWARE, "6.6.6").canary(canary));
    world.malicious(Ecosystem::PyPi, MALWARE, Some("6.6.6"));
    world.add_npm(NpmPackage::new(CLEAN, "1.0.0"));
    world.add_npm(NpmPackage::new(CARRIER, "1.0.0").dependency(MALWARE, "*"));
    world.add_npm(NpmPackage::new(MALWARE, "6.6.6").canary(canary));
    world.malicious(Ecosystem::Npm, MALWARE, Some("6.6.6"));
    Ok(world)
}

struct Test<'a> {
    subject: &'a Subject,
    name: &'a str,
    hook: &'a Path,
    world: &'a World,
    canary: &'a Path,
}

impl Test<'_> {
    /// Both installs; what happened is printed. Whether the manager is protected.
    fn run(&self, place: &Path) -> bool {
        let clean = self.install(place, CLEAN).is_some_and(|output| {
            let is_installed = output.status.success() && place.join(self.subject.installed).is_file();
            self.tell(CLEAN, &output, is_installed, "installed", "a clean package could not be installed")
        });
        let malicious = self.install(place, CARRIER).is_some_and(|output| {
            let report = String::from_utf8_lossy(&output.stderr);
            // Only our own word counts, not that the command failed somehow.
            let is_stopped = output.status.code() == Some(status::BLOCKED)
                && report.contains(BLOCKED)
                && report.contains(&format!("Installation target {MALWARE}"))
                && !self.canary.exists();
            self.tell(
                CARRIER, &output, is_stopped, "stopped, and nothing of it has run", "malware was NOT stopped",
            )
        });
        clean && malicious
    }

    fn install(&self, place: &Path, package: &str) -> Option<Output> {
        let run = || -> std::io::Result<Output> {
            fs::create_dir_all(place)?;
            self.command(place).args(self.subject.install).arg(package).output()
        };
        match run() {
            Ok(output) => Some(output),
            Err(error) => {
                output::say(&format!("{} could not be run ({error})", self.name));
                None
            }
        }
    }

    /// The manager behind scfw-hook, with the user's PATH and nothing else of the user's settings.
    fn command(&self, place: &Path) -> Command {
        let mut command = Command::new(self.hook);
        command.arg(self.name).current_dir(place);
        for (name, _) in std::env::vars_os() {
            let is_setting = name.to_str().is_none_or(|name| {
                let lower = name.to_ascii_lowercase();
                ["scfw_", "pip_", "npm_config_", "node_options", "pythonpath"]
                    .iter()
                    .any(|prefix| lower.starts_with(prefix))
                    || lower.ends_with("_proxy")
            });
            if is_setting {
                command.env_remove(name);
            }
        }
        command
            .env(env::SCFW_HOME, place.join("scfw"))
            .env(env::SCFW_OSV_API_URL, self.world.osv_url())
            .env(env::SCFW_DD_DATASET_URL, self.world.datadog_url())
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env("PIP_INDEX_URL", self.world.index_url())
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("npm_config_userconfig", place.join("npmrc"))
            .env("npm_config_globalconfig", place.join("global-npmrc"))
            .env("npm_config_registry", self.world.registry_url())
            .env("npm_config_cache", place.join("cache"))
            .env("npm_config_update_notifier", "false")
            .env("npm_config_audit", "false")
            .env("npm_config_fund", "false");
        command
    }

    fn tell(&self, package: &str, output: &Output, is_good: bool, good: &str, bad: &str) -> bool {
        output::print(&format!("  $ {} {} {package}\n", self.name, self.subject.install[0]));
        let report = String::from_utf8_lossy(&output.stderr);
        if is_good {
            let ours = report.lines().skip_while(|line| !line.starts_with("Installation target"));
            let until_verdict = ours.scan(false, |is_over, line| {
                let was_over = *is_over;
                *is_over = line == BLOCKED;
                (!was_over).then_some(line)
            });
            for line in until_verdict {
                output::print(&format!("    {}\n", sanitise(line)));
            }
            output::print(&format!("  ok: {good}\n"));
        } else {
            let shown = String::from_utf8_lossy(&output.stdout);
            for line in shown.lines().chain(report.lines()) {
                output::print(&format!("    {}\n", sanitise(line)));
            }
            output::print(&format!("  FAILED: {bad}\n"));
        }
        is_good
    }
}
