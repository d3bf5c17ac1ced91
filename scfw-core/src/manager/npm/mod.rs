//! npm and npx, 7 to 12.

mod command_line;
mod tables;

use std::borrow::Cow;

use scfw_programs::ManagerId;

use super::switch::option;
use super::{Audit, Hold, Invocation, Layout, Manager, Runtime, SelfTest, Switch};
use crate::env;
use crate::lockfile::{self, Format};
use crate::package::{Ecosystem, Package};

/// npm.
pub(super) struct Npm;

/// npm ends with an error if a workspace is named and workspaces are not wanted, before any command begins. The names
/// are in upper case, because pnpm and yarn rewrite the variables in lower case for their children.
const SWITCHES: [Switch; 3] = [
    Switch {
        variable: "NPM_CONFIG_WORKSPACES",
        own: "npm_config_workspaces",
        is_spelling: |name| npm_option(name).as_deref() == Some("workspaces"),
        value: "false",
        keeper: env::SCFW_GATE_NPM_WORKSPACES,
    },
    Switch {
        variable: "NPM_CONFIG_WORKSPACE",
        own: "npm_config_workspace",
        is_spelling: |name| npm_option(name).as_deref() == Some("workspace"),
        value: "refused-by-scfw-because-its-gate-did-not-attach",
        keeper: env::SCFW_GATE_NPM_WORKSPACE,
    },
    // npm's error messages begin with it.
    Switch {
        variable: "NPM_CONFIG_HEADING",
        own: "npm_config_heading",
        is_spelling: |name| npm_option(name).as_deref() == Some("heading"),
        value: "npm (nothing is done: scfw's gate did not attach)",
        keeper: env::SCFW_GATE_NPM_HEADING,
    },
];

/// The formats of its lockfiles.
static LOCKFILES: [&Format; 1] = [&lockfile::npm::FORMAT];

/// The option that a variable stands for: npm reads its variables in any case.
fn npm_option(name: &str) -> Option<String> {
    option(&name.to_ascii_lowercase(), "npm_config_")
}

impl Manager for Npm {
    fn id(&self) -> ManagerId {
        ManagerId::Npm
    }

    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Npm
    }

    fn classify(&self, name: &str, arguments: &[Cow<'_, str>]) -> Invocation {
        match name {
            "npx" => command_line::classify_npx(arguments),
            _ => command_line::classify(arguments),
        }
    }

    fn hold(&self) -> Hold {
        Hold { runtime: Runtime::Node, switches: &SWITCHES }
    }

    fn lockfiles(&self) -> &'static [&'static Format] {
        &LOCKFILES
    }

    fn example(&self) -> &'static str {
        "npm install express"
    }

    fn install_command(&self, package: &Package, version: &str) -> String {
        format!("npm install {}@{version}", package.name)
    }

    fn show_command(&self, name: &str) -> String {
        format!("npm ls {name}")
    }

    fn audit(&self) -> Option<Audit> {
        Some(Audit {
            programs: &["npm"],
            layout: Layout::NodeModules,
            global: Some(&["root", "--global"]),
            about: "Of the project here, or with --global of the machine",
        })
    }

    fn self_test(&self) -> SelfTest {
        SelfTest {
            install: &["install"],
            installed: "node_modules/scfw-selftest-clean/package.json",
            variables: &["npm_config_"],
            settings: |servers| {
                vec![
                    ("npm_config_userconfig", servers.place.join("npmrc").into()),
                    ("npm_config_globalconfig", servers.place.join("global-npmrc").into()),
                    ("npm_config_registry", servers.registry.into()),
                    ("npm_config_cache", servers.place.join("cache").into()),
                    ("npm_config_update_notifier", "false".into()),
                    ("npm_config_audit", "false".into()),
                    ("npm_config_fund", "false".into()),
                ]
            },
        }
    }
}
