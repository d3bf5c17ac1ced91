//! The Datadog Agent's side of logging to it: `scfw.d/conf.yaml` in its directory of integrations, where the
//! predecessor puts it too. The Agent itself says where that directory is.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read, Seek};
use std::num::NonZeroU16;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use scfw_core::child::wait_until;
use scfw_core::env;
use scfw_core::files::{Kept, is_absence, read_text};

use crate::files::transaction::Transaction;
use crate::process::Process;
use crate::process::locate::locate;

/// The usual places of that directory, for an Agent that is installed and does not answer.
const USUAL: [&str; 2] = ["/etc/datadog-agent/conf.d", "/opt/datadog-agent/etc/conf.d"];
/// The time that the Agent may think about its status, and the most that it may say, in bytes.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_STATUS: u64 = 16 * 1024 * 1024;
/// The Agent runs as another user.
const MODE: u32 = 0o644;
/// The largest `conf.yaml` that is read, in bytes: ours is far below.
const LARGEST: u64 = 64 * 1024;

/// The content of `conf.yaml`: the Agent takes logs on that port.
#[must_use]
pub fn content(port: NonZeroU16) -> String {
    format!("logs:\n  - type: tcp\n    port: {port}\n    service: \"scfw\"\n    source: \"scfw\"\n")
}

/// The path for `conf.yaml`; none if no Agent is installed. Fails for an Agent that does not say and does not keep it
/// in a usual place.
pub fn config_file(process: &Process) -> Result<Option<PathBuf>> {
    let Some(agent) = locate(process, OsStr::new("datadog-agent")) else { return Ok(None) };
    let usual = || USUAL.into_iter().map(PathBuf::from).find(|directory| directory.is_dir());
    let Some(directory) = directory_by_status(&agent.path).or_else(usual) else {
        bail!(
            "the Datadog Agent does not tell where it is configured ({} status --json); start it and try again",
            agent.path.display()
        );
    };
    Ok(Some(directory.join("scfw.d").join("conf.yaml")))
}

/// The present file at the path of `conf.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// No file.
    Nothing,
    /// A file of scfw's or its predecessor's.
    Ours(NonZeroU16),
    /// Anything else, a link to such a file too.
    Others,
}

impl Present {
    fn at(path: &Path) -> Self {
        match fs::symlink_metadata(path) {
            Err(error) if is_absence(&error) => Self::Nothing,
            Ok(metadata) if metadata.is_file() => {
                let text = read_text(path, Kept::Anyhow, LARGEST).ok().flatten().unwrap_or_default();
                let port = text.lines().find_map(|line| line.trim().strip_prefix("port: ")?.parse().ok());
                port.filter(|port| content(*port) == text).map_or(Self::Others, Self::Ours)
            }
            _ => Self::Others,
        }
    }
}

/// The reason why somebody else's `conf.yaml` is left alone.
#[must_use]
pub fn not_ours(path: &Path) -> anyhow::Error {
    anyhow!("{} is not as scfw writes it, so it stays as it is", path.display())
}

/// Writes `conf.yaml`; whether that changed anything. Fails if somebody else's file is there.
pub fn write(path: &Path, port: NonZeroU16) -> Result<bool> {
    match Present::at(path) {
        Present::Ours(present) if present == port => return Ok(false),
        Present::Nothing | Present::Ours(_) => {}
        Present::Others => return Err(not_ours(path)),
    }
    let content = content(port);
    let directory = path.parent().unwrap_or(Path::new("/"));
    let is_new = match fs::create_dir(directory) {
        Ok(()) => {
            // The user's mask is for the user's own files.
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
                .with_context(|| format!("{} could not be opened to the Agent", directory.display()))?;
            true
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => {
            return Err(error).with_context(|| format!("{} could not be made", directory.display()));
        }
    };
    let written = || {
        let mut transaction = Transaction::default();
        transaction.stage(path, Some(content.as_bytes()), Some(MODE))?;
        transaction.commit()
    };
    written().inspect_err(|_| {
        if is_new {
            // An empty directory that stays does no harm.
            fs::remove_dir(directory).ok();
        }
    })?;
    Ok(true)
}

/// Removes a `conf.yaml` of ours, and its directory if that is empty then. Returns the file that was found.
pub fn remove(path: &Path) -> Result<Present> {
    let present = Present::at(path);
    if let Present::Ours(_) = present {
        fs::remove_file(path).with_context(|| format!("{} could not be removed", path.display()))?;
        // The directory stays if others have put something there.
        drop(path.parent().map(fs::remove_dir));
    }
    Ok(present)
}

/// The Agent's description of itself: `{"config": {"confd_path": "…"}}`.
fn directory_by_status(agent: &Path) -> Option<PathBuf> {
    let mut answer = tempfile::tempfile().ok()?;
    let mut command = Command::new(agent);
    command.args(["status", "--json"]).stdin(Stdio::null()).stderr(Stdio::null());
    env::keep_secrets_from(&mut command);
    let mut child = command.stdout(answer.try_clone().ok()?).spawn().ok()?;
    if wait_until(&mut child, Instant::now() + PATIENCE).ok()?.is_none() {
        // The process may have ended meanwhile.
        child.kill().ok();
        child.wait().ok();
        return None;
    }
    let mut text = Vec::new();
    answer.rewind().ok()?;
    answer.take(LONGEST_STATUS).read_to_end(&mut text).ok()?;
    let status: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let directory = PathBuf::from(status.pointer("/config/confd_path")?.as_str()?);
    (directory.is_absolute() && directory.is_dir()).then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_scfw_wrote_is_replaced_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("scfw.d/conf.yaml");
        let port = NonZeroU16::new(10365).unwrap();
        assert!(write(&path, port).unwrap() && !write(&path, port).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(write(&path, NonZeroU16::MAX).unwrap());
        assert!(fs::read_to_string(&path).unwrap().contains("    port: 65535\n"));
        fs::write(path.with_file_name("other.yaml"), "").unwrap();
        assert_eq!(remove(&path).unwrap(), Present::Ours(NonZeroU16::MAX));
        assert_eq!(remove(&path).unwrap(), Present::Nothing);
        assert!(path.with_file_name("other.yaml").exists());
        fs::remove_file(path.with_file_name("other.yaml")).unwrap();
        let own = format!("{}# mine\n", content(port));
        fs::write(&path, &own).unwrap();
        assert!(write(&path, port).is_err());
        assert_eq!(remove(&path).unwrap(), Present::Others);
        assert_eq!(fs::read_to_string(&path).unwrap(), own);
        fs::write(&path, content(NonZeroU16::MIN)).unwrap();
        assert!(write(&path, port).unwrap());
        assert_eq!(remove(&path).unwrap(), Present::Ours(port));
        assert!(!path.parent().unwrap().exists());
        assert!(write(&place.path().join("missing/scfw.d/conf.yaml"), port).is_err());
    }
}
