//! pip, from 20.3 on, by whichever name or interpreter it is called.

mod command_line;

use std::borrow::Cow;

use scfw_programs::ManagerId;

use super::switch::option;
use super::{Audit, Hold, Invocation, Layout, Manager, Runtime, SelfTest, Switch};
use crate::env;
use crate::package::{Ecosystem, Package};

/// pip.
pub(super) struct Pip;

/// pip ends with an error as soon as it reads this value, under every command, and no flag undoes that.
/// `PIP_NO_INDEX` would let files, folders and URLs pass.
const SWITCHES: [Switch; 1] = [Switch {
    variable: "PIP_EXISTS_ACTION",
    own: "PIP_EXISTS_ACTION",
    is_spelling: |name| option(name, "PIP_").as_deref() == Some("exists-action"),
    value: "refused-by-scfw-because-its-gate-did-not-attach",
    keeper: env::SCFW_GATE_PIP_EXISTS_ACTION,
}];

impl Manager for Pip {
    fn id(&self) -> ManagerId {
        ManagerId::Pip
    }

    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::PyPi
    }

    fn classify(&self, _name: &str, arguments: &[Cow<'_, str>]) -> Invocation {
        command_line::classify(arguments)
    }

    fn hold(&self) -> Hold {
        Hold { runtime: Runtime::Python, switches: &SWITCHES }
    }

    fn example(&self) -> &'static str {
        "pip install -r requirements.txt"
    }

    fn install_command(&self, package: &Package, version: &str) -> String {
        format!("pip install '{}=={version}'", package.key())
    }

    fn show_command(&self, name: &str) -> String {
        format!("pip show {name}")
    }

    fn audit(&self) -> Option<Audit> {
        Some(Audit {
            programs: &["pip", "pip3", "python3", "python"],
            layout: Layout::SitePackages,
            global: None,
            about: "Of a Python interpreter: an environment's, the system's",
        })
    }

    fn self_test(&self) -> SelfTest {
        SelfTest {
            install: &["install", "--no-cache-dir", "--target", "packages"],
            installed: "packages/scfw_selftest_clean.py",
            variables: &["pip_"],
            settings: |servers| {
                vec![
                    ("PIP_CONFIG_FILE", "/dev/null".into()),
                    ("PIP_INDEX_URL", servers.index.into()),
                    ("PIP_DISABLE_PIP_VERSION_CHECK", "1".into()),
                ]
            },
        }
    }
}
