//! Arming: the gates are written where the manager will load them, and the environment says so. With them goes
//! the switch that keeps a manager harmless whose gate does not attach. Both managers' gates are armed each
//! time, for an install script of one may call the other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Cursor, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use scfw_core::armed::{NPM_GATE_NAME, PIP_GATE_NAME};
use scfw_core::env;
pub use scfw_core::files::create_private;
use scfw_core::files::{Kept, read_kept};
use scfw_core::manager::{Runs, Runtime, manager, switches};
use scfw_programs::NAMES;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::route::exec::c_string;
use crate::shells::shims::link_one;

/// The files of pip's gate, the one that Python loads first.
const PIP_GATE: [(&str, &str); 5] = [
    (PIP_GATE_NAME, include_str!("../../gates/python/sitecustomize.py")),
    ("points_pip.py", include_str!("../../gates/python/points_pip.py")),
    ("pip_targets.py", include_str!("../../gates/python/pip_targets.py")),
    ("pip_unpacked.py", include_str!("../../gates/python/pip_unpacked.py")),
    ("verifier.py", include_str!("../../gates/python/verifier.py")),
];
/// The archive of these files. Python keeps bytecode beside files and below `PYTHONPYCACHEPREFIX`, and believes it later; of what
/// it loads from an archive it keeps none.
const PIP_ARCHIVE_NAME: &str = "pip-gate.zip";
const NPM_GATE: &str = include_str!("../../gates/node/npm.cjs");

/// Runs `pip` as `-m pip` would, in an interpreter that would not load the gate by itself. Python itself runs `-m` by the same
/// function, which ends with a sentence where there is no pip.
pub const PYTHON_BOOTSTRAP: &str = "import os,runpy,sys,types,zipimport;\
    gate=sys.modules['scfw_gate']=types.ModuleType('scfw_gate');gate.__file__=os.environ['SCFW_GATE_PIP'];\
    archive=zipimport.zipimporter(os.path.dirname(gate.__file__));\
    exec(archive.get_code('sitecustomize'),gate.__dict__);\
    runpy._run_module_as_main('pip')";

/// The directory of the gates below the data directory.
pub const GATES_NAME: &str = "gates";

/// The gates' files.
#[derive(Debug)]
pub struct Gates {
    /// The file of pip's that Python loads, in its archive.
    pub pip: PathBuf,
    /// npm's.
    pub npm: PathBuf,
    /// A folder with npm's commands, which lead to scfw-hook.
    pub commands: PathBuf,
}

impl Gates {
    /// Writes the gates below `data` where they are not there yet, each under the hash of its content. `hook` is
    /// scfw-hook.
    pub fn install(data: &Path, hook: &Path) -> io::Result<Self> {
        let gates = data.join(GATES_NAME);
        let archive = archive(&PIP_GATE)?;
        // PYTHONPATH and PATH are cut at a colon.
        let listed = if gates.as_os_str().as_bytes().contains(&b':') {
            Cow::Owned(own_temporary_directory()?.join(GATES_NAME))
        } else {
            Cow::Borrowed(&gates)
        };
        Ok(Self {
            pip: install_gate(&listed, PIP_ARCHIVE_NAME, &archive)?.join(PIP_GATE_NAME),
            npm: install_gate(&gates, NPM_GATE_NAME, NPM_GATE.as_bytes())?,
            commands: install_commands(&listed, hook)?,
        })
    }

    /// The gates of an armed environment.
    #[must_use]
    pub fn present() -> Option<Self> {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        let gates = Self {
            pip: path(env::SCFW_GATE_PIP)?,
            npm: path(env::SCFW_GATE_NPM)?,
            commands: path(env::SCFW_GATE_COMMANDS)?,
        };
        gates.npm.is_file().then_some(gates)
    }
}

/// Links the managers on Node to scfw-hook, for what an armed one starts by name with another `NODE_OPTIONS`.
fn install_commands(gates: &Path, hook: &Path) -> io::Result<PathBuf> {
    let directory = gates.join("commands");
    for name in NAMES {
        if matches!(name.runs, Runs::Manager(id) if manager(id).hold().runtime == Runtime::Node) {
            link_one(&directory, name.stem, hook)?;
        }
    }
    Ok(directory)
}

fn install_gate(gates: &Path, name: &str, content: &[u8]) -> io::Result<PathBuf> {
    let digest = Sha256::digest(content);
    let hash = digest.iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    let directory = gates.join(format!("{hash:016x}"));
    let path = directory.join(name);
    for directory in [gates, &directory] {
        create_private(directory)?;
    }
    // What is not as it should be is written again.
    if read_kept(&path, Kept::Privately, content.len() as u64)
        .is_ok_and(|present| present.as_deref() == Some(content))
    {
        return Ok(path);
    }
    let mut file = tempfile::NamedTempFile::new_in(&directory)?;
    file.write_all(content)?;
    file.persist(&path)?;
    Ok(path)
}

/// A zip archive of `files`, the same for the same files. It is not compressed: a Python may have been built without zlib.
fn archive(files: &[(&str, &str)]) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, content) in files {
        archive.start_file(*name, options)?;
        archive.write_all(content.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

/// A directory of this user's alone whose path has no colon, below the first directory for passing things that is there.
fn own_temporary_directory() -> io::Result<PathBuf> {
    let user = nix::unistd::geteuid();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let above = [runtime, Some(std::env::temp_dir()), Some(PathBuf::from("/tmp"))]
        .into_iter()
        .flatten()
        .find(|above| above.is_absolute() && !above.as_os_str().as_bytes().contains(&b':') && above.is_dir())
        .ok_or_else(|| io::Error::other("no temporary directory has a path without a colon"))?;
    let directory = above.join(format!("scfw-{user}"));
    create_private(&directory)?;
    // Somebody else's link could lead elsewhere by the time that Python follows it.
    let metadata = std::fs::symlink_metadata(&directory)?;
    if metadata.is_dir() && metadata.uid() == user.as_raw() {
        Ok(directory)
    } else {
        Err(io::Error::other(format!("{} is not a directory of this user's alone", directory.display())))
    }
}

/// What the armed manager is told.
#[derive(Debug)]
pub struct Arming<'a> {
    /// The gates' files.
    pub gates: &'a Gates,
    /// The program that verifies: scfw-hook.
    pub verifier: &'a Path,
    /// The run's note, where one could be written.
    pub run: Option<&'a Path>,
    /// The manager's own file, for the log.
    pub executable: &'a Path,
    /// Variables with secrets of scfw's, which the manager and what it runs have no use for.
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
            // The switch of an outer run is no value of the user's: what that run kept stays.
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
        // What the manager starts may run elsewhere.
        if let Some(home) = variables.get_mut(OsStr::new(env::SCFW_HOME))
            && !home.is_empty()
            && let Ok(absolute) = std::path::absolute(&*home)
        {
            *home = absolute.into_os_string();
        }
        let mut set = |name: &str, value: &OsStr| variables.insert(OsString::from(name), value.to_owned());
        set(env::SCFW_GATE_VERIFIER, self.verifier.as_os_str());
        set(env::SCFW_GATE_PIP, self.gates.pip.as_os_str());
        set(env::SCFW_GATE_NPM, self.gates.npm.as_os_str());
        set(env::SCFW_GATE_COMMANDS, self.gates.commands.as_os_str());
        set(env::SCFW_GATE_EXECUTABLE, self.executable.as_os_str());
        match self.run {
            Some(run) => set(env::SCFW_GATE_RUN, run.as_os_str()),
            None => variables.remove(OsStr::new(env::SCFW_GATE_RUN)),
        };
        let python_path = with_gate_first(variables.get(OsStr::new("PYTHONPATH")), &self.gates.pip);
        variables.insert(OsString::from("PYTHONPATH"), python_path);
        let node_options = with_require(variables.get(OsStr::new("NODE_OPTIONS")), &self.gates.npm);
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

/// Variables as `execve` takes them.
fn encode(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<CString> {
    let encode = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        c_string(&name)
    };
    variables.into_iter().map(encode).collect()
}

/// Takes every variable out whose name is `wanted`; the last of their values counts.
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

/// `NODE_OPTIONS` with the gate required before anything else. node splits it at spaces outside double quotes;
/// before version 12 it knew no quotes, so there are none without need.
fn with_require(options: Option<&OsString>, gate: &Path) -> OsString {
    let path = gate.as_os_str().as_bytes();
    let mut require = b"--require ".to_vec();
    if path.iter().any(|byte| matches!(byte, b' ' | b'"' | b'\\')) {
        require.push(b'"');
        for byte in path {
            if matches!(byte, b'"' | b'\\') {
                require.push(b'\\');
            }
            require.push(*byte);
        }
        require.push(b'"');
    } else {
        require.extend_from_slice(path);
    }
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
    use std::fs;

    use super::*;

    fn value_of(variable: &str) -> &'static str {
        switches().find(|switch| switch.variable == variable).unwrap().value
    }

    fn arm(environment: &[(&str, &str)]) -> BTreeMap<String, String> {
        let gates = Gates {
            pip: PathBuf::from("/g/p q/sitecustomize.py"),
            npm: PathBuf::from("/g/n \"q/npm-gate.cjs"),
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
        assert_eq!(armed["NODE_OPTIONS"], r#"--require "/g/n \"q/npm-gate.cjs" --max-old-space-size=100"#);
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
            let disarmed = scfw_core::armed::disarmed(armed);
            let expected: BTreeMap<OsString, OsString> =
                own.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
            assert_eq!(disarmed, expected);
            assert_eq!(scfw_core::armed::disarmed(expected.clone().into_iter()), expected);
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
        let disarmed = scfw_core::armed::disarmed(armed.into_iter());
        assert_eq!(disarmed[OsStr::new("NODE_OPTIONS")], "--require /p.cjs --x \"a b\"");
        assert_eq!(disarmed[OsStr::new("PATH")], "/bin");
    }

    #[test]
    fn a_changed_gate_is_written_again() {
        let data = tempfile::tempdir().unwrap();
        let hook = Path::new("/bin/scfw-hook");
        let gates = Gates::install(data.path(), hook).unwrap();
        assert_eq!(fs::read_link(gates.commands.join("npx")).unwrap(), hook);
        let archive = gates.pip.parent().unwrap();
        let written = fs::read(archive).unwrap();
        for content in [&written[..written.len() - 1], b"PK", b""] {
            fs::write(archive, content).unwrap();
            let again = Gates::install(data.path(), Path::new("/opt/scfw-hook")).unwrap();
            assert_eq!(fs::read_link(again.commands.join("npx")).unwrap(), Path::new("/opt/scfw-hook"));
            assert_eq!(again.pip, gates.pip);
            assert_eq!(fs::read(archive).unwrap(), written);
        }
    }
}
