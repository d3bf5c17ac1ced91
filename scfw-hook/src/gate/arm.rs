//! Arming: the environment makes the manager load its gate. A switch goes with it that keeps a manager harmless if
//! its gate does not attach. The gates of every runtime are armed each time, because an install script of one may
//! call another.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use scfw_core::disarm::require_option;
use scfw_core::env;
use scfw_core::manager::switches;

use crate::gate::files::Gates;
use crate::process::exec::c_string;

/// A Python program that runs `module` as `-m` would, in an interpreter that would not load the gate by itself.
/// Python itself runs `-m` by the same function, which ends with a sentence if there is no such module.
#[must_use]
pub fn python_bootstrap(module: &str) -> String {
    format!(
        "import os,runpy,sys,types,zipimport;\
         gate=sys.modules['scfw_gate']=types.ModuleType('scfw_gate');gate.__file__=os.environ['SCFW_GATE_PYTHON'];\
         archive=zipimport.zipimporter(os.path.dirname(gate.__file__));\
         exec(archive.get_code('sitecustomize'),gate.__dict__);\
         runpy._run_module_as_main('{module}')"
    )
}

/// The values that the armed manager is given.
#[derive(Debug)]
pub struct Arming<'a> {
    /// The gates' files.
    pub gates: &'a Gates,
    /// The program that verifies: scfw-hook.
    pub verifier: &'a Path,
    /// The run's note, if one could be written.
    pub run: Option<&'a Path>,
    /// The manager's own file, for the log.
    pub executable: &'a Path,
    /// The variables with secrets of scfw's, which the manager and its children have no use for.
    pub withheld: &'a [&'a str],
}

impl Arming<'_> {
    /// `environment` with the gates armed. Arming an armed environment changes nothing but the run.
    #[must_use]
    pub fn environment(&self, environment: impl Iterator<Item = (OsString, OsString)>) -> Vec<CString> {
        let mut variables: BTreeMap<OsString, OsString> = environment.collect();
        withhold(self.withheld, &mut variables);
        let is_armed = variables.contains_key(OsStr::new(env::SCFW_GATE_VERIFIER));
        for switch in switches() {
            let value = take_all(&mut variables, switch.is_spelling);
            // The switch of an outer run is no value of the user's: the value that that run kept stays.
            let is_ours = is_armed && value.as_deref().is_some_and(|value| value == switch.value);
            if !is_ours {
                let mut own = OsString::new();
                if let Some(value) = value {
                    own.push("=");
                    own.push(value);
                }
                variables.insert(OsString::from(switch.keeper), own);
            }
            variables.insert(OsString::from(switch.variable), OsString::from(switch.value));
        }
        // The manager's children may run elsewhere.
        if let Some(home) = variables.get_mut(OsStr::new(env::SCFW_HOME))
            && !home.is_empty()
            && let Ok(absolute) = std::path::absolute(&*home)
        {
            *home = absolute.into_os_string();
        }
        let mut set = |name: &str, value: &OsStr| variables.insert(OsString::from(name), value.to_owned());
        set(env::SCFW_GATE_VERIFIER, self.verifier.as_os_str());
        set(env::SCFW_GATE_PYTHON, self.gates.python.as_os_str());
        set(env::SCFW_GATE_NODE, self.gates.node.as_os_str());
        set(env::SCFW_GATE_COMMANDS, self.gates.commands.as_os_str());
        set(env::SCFW_GATE_EXECUTABLE, self.executable.as_os_str());
        match self.run {
            Some(run) => set(env::SCFW_GATE_RUN, run.as_os_str()),
            None => variables.remove(OsStr::new(env::SCFW_GATE_RUN)),
        };
        let python_path = with_gate_first(variables.get(OsStr::new("PYTHONPATH")), &self.gates.python);
        variables.insert(OsString::from("PYTHONPATH"), python_path);
        let node_options = with_require(variables.get(OsStr::new("NODE_OPTIONS")), &self.gates.node);
        variables.insert(OsString::from("NODE_OPTIONS"), node_options);
        encode(variables)
    }
}

/// `environment` without the variables in `withheld`, and otherwise as it is.
#[must_use]
pub fn without(withheld: &[&str], environment: impl Iterator<Item = (OsString, OsString)>) -> Vec<CString> {
    let mut variables = environment.collect();
    withhold(withheld, &mut variables);
    encode(variables)
}

/// Takes the variables in `withheld` out of `variables`, which say so from then on.
fn withhold(withheld: &[&str], variables: &mut BTreeMap<OsString, OsString>) {
    let is_there = |name: &&&str| variables.remove(OsStr::new(name)).is_some();
    let mut gone: Vec<&str> = withheld.iter().filter(is_there).copied().collect();
    let before = variables.remove(OsStr::new(env::SCFW_WITHHELD)).unwrap_or_default();
    gone.extend(before.to_str().filter(|before| !before.is_empty()));
    if !gone.is_empty() {
        variables.insert(env::SCFW_WITHHELD.into(), gone.join(",").into());
    }
}

/// The variables as `execve` takes them.
fn encode(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<CString> {
    let encode = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        c_string(&name)
    };
    variables.into_iter().map(encode).collect()
}

/// Takes out every variable whose name is `wanted`; the last of their values counts.
fn take_all(variables: &mut BTreeMap<OsString, OsString>, wanted: impl Fn(&str) -> bool) -> Option<OsString> {
    let names: Vec<OsString> =
        variables.keys().filter(|name| name.to_str().is_some_and(&wanted)).cloned().collect();
    names.into_iter().filter_map(|name| variables.remove(&name)).next_back()
}

fn with_gate_first(python_path: Option<&OsString>, gate: &Path) -> OsString {
    let directory = gate.parent().unwrap_or(gate).as_os_str();
    let mut joined = directory.to_owned();
    let rest = python_path.map(|path| path.as_bytes()).unwrap_or_default();
    for entry in rest.split(|byte| *byte == b':').filter(|entry| *entry != directory.as_bytes()) {
        if !rest.is_empty() {
            joined.push(":");
            joined.push(OsStr::from_bytes(entry));
        }
    }
    joined
}

/// `NODE_OPTIONS` with the gate required before anything else.
fn with_require(options: Option<&OsString>, gate: &Path) -> OsString {
    let mut require = require_option(gate);
    let rest = options.map(|options| options.as_bytes()).unwrap_or_default();
    if rest.starts_with(&require) {
        return OsString::from_vec(rest.to_vec());
    }
    if !rest.is_empty() {
        require.push(b' ');
        require.extend_from_slice(rest);
    }
    OsString::from_vec(require)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn value_of(variable: &str) -> &'static str {
        switches().find(|switch| switch.variable == variable).unwrap().value
    }

    fn arm(environment: &[(&str, &str)]) -> BTreeMap<String, String> {
        let gates = Gates {
            python: PathBuf::from("/g/p q/sitecustomize.py"),
            node: PathBuf::from("/g/n \"q/gate.cjs"),
            commands: PathBuf::from("/g/commands"),
        };
        let arming = Arming {
            gates: &gates,
            verifier: Path::new("/bin/scfw-hook"),
            run: Some(Path::new("/runs/run-1-1")),
            executable: Path::new("/bin/pip"),
            withheld: &["DD_API_KEY"],
        };
        let variables = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        arming
            .environment(variables)
            .into_iter()
            .map(|variable| {
                let text = variable.into_string().unwrap();
                let (name, value) = text.split_once('=').unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect()
    }

    #[test]
    fn the_users_own_values_are_kept_beside_the_switches() {
        let armed = arm(&[
            ("PIP_EXISTS_ACTION", "w"),
            ("npm_config_workspace", "a"),
            ("Npm_Config_Workspaces", "true"),
            ("PYTHONPATH", "/a:/b"),
            ("NODE_OPTIONS", "--max-old-space-size=100"),
            ("EMPTY", ""),
            ("DD_API_KEY", "secret"),
        ]);
        assert_eq!(armed["PIP_EXISTS_ACTION"], value_of("PIP_EXISTS_ACTION"));
        assert_eq!(armed["SCFW_GATE_PIP_EXISTS_ACTION"], "=w");
        assert_eq!(armed["NPM_CONFIG_WORKSPACES"], "false");
        assert_eq!(armed["NPM_CONFIG_WORKSPACE"], value_of("NPM_CONFIG_WORKSPACE"));
        assert!(!armed.contains_key("npm_config_workspace") && !armed.contains_key("Npm_Config_Workspaces"));
        assert_eq!(armed["SCFW_GATE_NPM_WORKSPACE"], "=a");
        assert_eq!(armed["SCFW_GATE_NPM_WORKSPACES"], "=true");
        assert_eq!(armed["PYTHONPATH"], "/g/p q:/a:/b");
        assert_eq!(armed["NODE_OPTIONS"], r#"--require "/g/n \"q/gate.cjs" --max-old-space-size=100"#);
        assert_eq!(armed["EMPTY"], "");
        assert!(!armed.contains_key("DD_API_KEY"));
        assert_eq!(armed["SCFW_WITHHELD"], "DD_API_KEY");
    }

    #[test]
    fn a_variable_that_was_not_set_is_kept_as_unset() {
        let armed = arm(&[]);
        assert_eq!(armed["SCFW_GATE_PIP_EXISTS_ACTION"], "");
        assert_eq!(armed["SCFW_GATE_NPM_WORKSPACE"], "");
        assert_eq!(armed["PYTHONPATH"], "/g/p q");
    }

    #[test]
    fn a_relative_home_is_made_absolute() {
        let armed = arm(&[("SCFW_HOME", "own/scfw")]);
        let expected = std::env::current_dir().unwrap().join("own/scfw");
        assert_eq!(Path::new(&armed["SCFW_HOME"]), expected);
        assert_eq!(arm(&[("SCFW_HOME", "")])["SCFW_HOME"], "");
        assert!(!arm(&[]).contains_key("SCFW_HOME"));
    }

    #[test]
    fn arming_twice_is_arming_once() {
        let once = arm(&[("PIP_EXISTS_ACTION", "w"), ("npm_config_workspace", "a"), ("PYTHONPATH", "/a")]);
        let pairs: Vec<(&str, &str)> =
            once.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(arm(&pairs), once);
    }

    #[test]
    fn disarming_gives_back_what_was_there() {
        let own = [
            ("NODE_OPTIONS", "--max-old-space-size=100 --require \"/a b.js\""),
            ("PATH", "/bin"),
            ("PIP_EXISTS_ACTION", "w"),
            ("PYTHONPATH", "/a::/b"),
            ("npm_config_workspaces", "true"),
        ];
        for kept in 0..=own.len() {
            let own = &own[..kept];
            let armed = arm(own).into_iter().map(|(name, value)| (name.into(), value.into()));
            let disarmed = scfw_core::disarm::disarmed(armed);
            let expected: BTreeMap<OsString, OsString> =
                own.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
            assert_eq!(disarmed, expected);
            assert_eq!(scfw_core::disarm::disarmed(expected.clone().into_iter()), expected);
        }
    }

    #[test]
    fn disarming_finds_the_gate_behind_other_options() {
        let armed = arm(&[("PATH", "/bin"), ("NODE_OPTIONS", "--x \"a b\"")]).into_iter();
        let mut armed: BTreeMap<OsString, OsString> =
            armed.map(|(name, value)| (name.into(), value.into())).collect();
        for (name, first) in [("NODE_OPTIONS", "--require /p.cjs "), ("PATH", "/g/commands:")] {
            let value = armed.get_mut(OsStr::new(name)).unwrap();
            *value = format!("{first}{}", value.to_str().unwrap()).into();
        }
        let disarmed = scfw_core::disarm::disarmed(armed.into_iter());
        assert_eq!(disarmed[OsStr::new("NODE_OPTIONS")], "--require /p.cjs --x \"a b\"");
        assert_eq!(disarmed[OsStr::new("PATH")], "/bin");
    }
}
