//! The little world of the self-test: a clean package, and one whose dependency is malicious, in each ecosystem.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use scfw_core::env;
use scfw_core::files::create_private;
use scfw_core::manager::{ALL, Servers};
use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist, Wheel, World};

use crate::gate::files::GATES_NAME;
use crate::process::Process;
use crate::record::sender;

/// The name of the clean package.
pub(super) const CLEAN: &str = "scfw-selftest-clean";
/// The name of the package that brings malware along.
pub(super) const CARRIER: &str = "scfw-selftest-carrier";
/// The name of the malware.
pub(super) const MALWARE: &str = "scfw-selftest-malware";

/// Servers on the loopback interface, and a folder that goes with the test.
pub(super) struct LittleWorld {
    world: World,
    place: PathBuf,
    canary: PathBuf,
}

impl LittleWorld {
    pub(super) fn start(place: &Path) -> io::Result<Self> {
        let world = World::start()?;
        let home = place.join("scfw");
        create_private(&home)?;
        // Also where the system's file or a locked setting names a sink: what is blocked here is news to nobody.
        sender::keep_from_delivering(&home)?;
        let canary = place.join("canary");
        world.add_wheel(Wheel::new(CLEAN, "1.0"));
        world.add_wheel(Wheel::new(CARRIER, "1.0").requires(MALWARE));
        world.add_sdist(Sdist::new(MALWARE, "6.6.6").canary(&canary));
        world.malicious(Ecosystem::PyPi, MALWARE, Some("6.6.6"));
        world.add_npm(NpmPackage::new(CLEAN, "1.0.0"));
        world.add_npm(NpmPackage::new(CARRIER, "1.0.0").dependency(MALWARE, "*"));
        world.add_npm(NpmPackage::new(MALWARE, "6.6.6").canary(&canary));
        world.malicious(Ecosystem::Npm, MALWARE, Some("6.6.6"));
        Ok(Self { world, place: place.to_owned(), canary })
    }

    /// Makes the malware known by a findings list as well, for feeds that a policy has locked are not ours.
    pub(super) fn list_malware(&self) -> io::Result<()> {
        let lists = self.home().join("lists");
        create_private(&lists)?;
        let packages: Vec<_> = Ecosystem::ALL
            .iter()
            .map(|ecosystem| serde_json::json!({"ecosystem": ecosystem.osv_name(), "name": MALWARE}))
            .collect();
        // JSON is YAML too.
        let list = serde_json::json!({"findings": [
            {"severity": "CRITICAL", "finding": "It stands for malware in scfw's self-test", "packages": packages}]});
        std::fs::write(lists.join("selftest.yaml"), list.to_string())
    }

    /// Has the gates of this world come from `gates`, the user's own directory of them.
    pub(super) fn use_gates(&self, gates: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(std::path::absolute(gates)?, self.home().join(GATES_NAME))
    }

    /// The place in which scfw keeps its things in this world.
    pub(super) fn home(&self) -> PathBuf {
        self.place.join("scfw")
    }

    /// The log of this world.
    pub(super) fn log(&self) -> PathBuf {
        self.home().join("scfw.log")
    }

    /// A new folder to install into.
    pub(super) fn folder(&self) -> io::Result<PathBuf> {
        // Kept until the whole place goes.
        Ok(tempfile::tempdir_in(&self.place)?.keep())
    }

    /// Whether any code of the malware has run since this was asked last.
    pub(super) fn malware_has_run(&self) -> bool {
        std::fs::remove_file(&self.canary).is_ok()
    }

    /// Gives `command` this world, and takes the user's settings of the managers, scfw and its telemetry away. `PATH`,
    /// `HOME` and everything else stay as they are: they are what is tested.
    pub(super) fn surround(&self, process: &Process, command: &mut Command, folder: &Path) {
        for (name, _) in process.variables() {
            let is_setting = name.to_str().is_none_or(|name| {
                let lower = name.to_ascii_lowercase();
                let of_managers = ALL.into_iter().flat_map(|manager| manager.self_test().variables);
                ["scfw_", "dd_", "otel_", "node_options", "pythonpath"]
                    .iter()
                    .chain(of_managers)
                    .any(|prefix| lower.starts_with(prefix))
                    || lower.ends_with("_proxy")
            });
            if is_setting {
                command.env_remove(name);
            }
        }
        command
            .current_dir(folder)
            .env(env::SCFW_HOME, self.home())
            // The system's file may name another, for everybody.
            .env(env::SCFW_LOG_FILE, self.log())
            .env(env::SCFW_OSV_API_URL, self.world.osv_url())
            .env(env::SCFW_OSV_BULK_URL, self.world.osv_bulk_url())
            .env(env::SCFW_DD_DATASET_URL, self.world.datadog_url());
        let [index, registry] = [self.world.index_url(), self.world.registry_url()];
        let servers = Servers { index: &index, registry: &registry, place: &self.place };
        for manager in ALL {
            command.envs((manager.self_test().settings)(&servers));
        }
    }
}
