//! The Datadog Agent's side of logging to it: `scfw.d/conf.yaml` in its directory of integrations, where the
//! predecessor puts it too. The Agent itself says where that directory is.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read, Seek};
use std::num::NonZeroU16;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::locate::locate;
use crate::replace::Transaction;

/// Where the Agent keeps it, for one that is installed and does not answer.
const USUAL: [&str; 2] = ["/etc/datadog-agent/conf.d", "/opt/datadog-agent/etc/conf.d"];
/// How long the Agent may think about its status, and the most that it may say, in bytes.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_STATUS: u64 = 16 * 1024 * 1024;
/// The Agent runs as another user.
const MODE: u32 = 0o644;

/// What `conf.yaml` holds: the Agent takes logs on that port.
#[must_use]
pub fn content(port: NonZeroU16) -> String {
    format!("logs:\n  - type: tcp\n    port: {port}\n    service: \"scfw\"\n    source: \"scfw\"\n")
}

/// Where `conf.yaml` belongs; nothing where no Agent is installed.
#[must_use]
pub fn config_file() -> Option<PathBuf> {
    let agent = locate(OsStr::new("datadog-agent"))?.path;
    let directory = directory_by_status(&agent)
        .or_else(|| USUAL.into_iter().map(PathBuf::from).find(|directory| directory.is_dir()))?;
    Some(directory.join("scfw.d").join("conf.yaml"))
}

/// Writes `conf.yaml`; whether that changed anything.
pub fn write(path: &Path, port: NonZeroU16) -> Result<bool> {
    let content = content(port);
    if fs::read(path).is_ok_and(|present| present == content.as_bytes()) {
        return Ok(false);
    }
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
            let _left_empty = fs::remove_dir(directory);
        }
    })?;
    Ok(true)
}

/// Removes `conf.yaml`, and its directory where that is empty then; whether there was one. A file that says anything
/// else than scfw and its predecessor write is somebody's own and stays.
pub fn remove(path: &Path) -> Result<bool> {
    let Ok(present) = fs::read_to_string(path) else { return Ok(false) };
    let port = present.lines().find_map(|line| line.trim().strip_prefix("port: ")?.parse().ok());
    if port.map(content) != Some(present) {
        return Ok(false);
    }
    fs::remove_file(path).with_context(|| format!("{} could not be removed", path.display()))?;
    let _others_are_there = path.parent().map(fs::remove_dir);
    Ok(true)
}

/// What the Agent says about itself: `{"config": {"confd_path": "…"}}`.
fn directory_by_status(agent: &Path) -> Option<PathBuf> {
    let mut answer = tempfile::tempfile().ok()?;
    let mut command = Command::new(agent);
    command.args(["status", "--json"]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdout(answer.try_clone().ok()?).spawn().ok()?;
    let start = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if start.elapsed() > PATIENCE {
            let _ended_meanwhile = child.kill();
            let _reaped = child.wait();
            return None;
        }
        sleep(Duration::from_millis(10));
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
        assert!(remove(&path).unwrap() && !remove(&path).unwrap());
        assert!(path.with_file_name("other.yaml").exists());
        fs::remove_file(path.with_file_name("other.yaml")).unwrap();
        let own = format!("{}# mine\n", content(port));
        fs::write(&path, &own).unwrap();
        assert!(!remove(&path).unwrap() && fs::read_to_string(&path).unwrap() == own);
        write(&path, port).unwrap();
        assert!(remove(&path).unwrap() && !path.parent().unwrap().exists());
        assert!(write(&place.path().join("missing/scfw.d/conf.yaml"), port).is_err());
    }
}
