//! External verifiers: every executable in `verifiers.d/`, the user's and the administrator's. One that is not as it
//! should be, or does not answer as it should, is a finding of its own: somebody relies on it.

mod process;
mod protocol;

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::sync::oneshot;

use self::process::Owner;
use self::protocol::{answer, document};
use super::{Outcome, Verifier, VerifierError, Verifying};
use crate::config::Settings;
use crate::feed::Client;
use crate::files::{check_named, is_absence};
use crate::finding::Finding;
use crate::package::{Pattern, Target};

/// The directory of the executables within a configuration directory.
const DIRECTORY: &str = "verifiers.d";

/// One external verifier.
pub(super) struct External {
    /// Its file name.
    name: String,
    /// Its file, or why it cannot be run.
    program: Result<PathBuf, String>,
    /// The owner, who decides in which environment it runs.
    owner: Owner,
    private: Arc<[Pattern]>,
}

impl External {
    /// Those in both directories, in the order of their names. One that the policy requires, that is not among the
    /// administrator's and none of `present`, is one that cannot be run.
    pub(super) fn load(
        settings: &Settings,
        present: &[Cow<'static, str>],
    ) -> Result<Vec<Self>, VerifierError> {
        let [of_administrator, of_user] = settings.shared_directories(DIRECTORY);
        let administrators = list(&of_administrator)?;
        let missing = settings.policy.required_verifiers().iter().filter(|required| {
            !present.iter().any(|name| name.eq_ignore_ascii_case(required))
                && !administrators.iter().any(|(name, _)| name.eq_ignore_ascii_case(required))
        });
        let missing: Vec<_> = missing
            .map(|name| {
                let reason = format!("is required by {} and is not there", settings.policy.file());
                (name.clone(), Err(reason))
            })
            .collect();
        let private: Arc<[Pattern]> = settings.private.patterns.clone().into();
        let of = |owner| {
            let private = Arc::clone(&private);
            move |(name, program)| Self { name, program, owner, private: Arc::clone(&private) }
        };
        let mut found: Vec<Self> = administrators.into_iter().map(of(Owner::Administrator)).collect();
        found.extend(list(&of_user)?.into_iter().map(of(Owner::User)));
        found.extend(missing.into_iter().map(of(Owner::Administrator)));
        Ok(found)
    }

    fn unverified(&self, reason: &str) -> Outcome {
        let finding = Finding::unverified(self.name.clone(), &format!("the verifier {} {reason}", self.name));
        Outcome { findings: Vec::new(), general: vec![finding] }
    }

    fn ask(&self, program: &Path, document: Vec<u8>, targets: usize, deadline: Instant) -> Outcome {
        let answered = process::run(&self.name, program, self.owner, document, deadline);
        match answered.and_then(|output| answer(&self.name, &output, targets)) {
            Ok(findings) => Outcome { findings, general: Vec::new() },
            Err(reason) => self.unverified(&reason),
        }
    }
}

impl Verifier for External {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone().into()
    }

    fn verify<'a>(&'a self, targets: &'a [Target], client: &'a Client) -> Verifying<'a> {
        let program = match &self.program {
            Ok(program) => program.clone(),
            Err(reason) => return Box::pin(std::future::ready(self.unverified(reason))),
        };
        let is_private =
            |target: &Target| self.private.iter().any(|pattern| pattern.matches(&target.package));
        let document = document(targets, is_private);
        let (count, deadline) = (targets.len(), client.deadline().into_std());
        // A thread of its own lets it run beside the others whatever waits for it.
        let own = Self {
            name: self.name.clone(),
            program: Ok(program.clone()),
            owner: self.owner,
            private: Arc::clone(&self.private),
        };
        let (sender, receiver) = oneshot::channel();
        let started = thread::Builder::new().spawn(move || {
            // Nobody waits any more once the deadline has passed.
            drop(sender.send(own.ask(&program, document, count, deadline)));
        });
        Box::pin(async move {
            if let Err(error) = started {
                return self.unverified(&format!("could not be started ({error})"));
            }
            receiver.await.unwrap_or_else(|_| self.unverified("ended without an answer"))
        })
    }
}

/// A name with its file, or with why it cannot be run.
type Entry = (String, Result<PathBuf, String>);

/// The verifiers in `directory`: no folders, hidden files and editors' copies.
fn list(directory: &Path) -> Result<Vec<Entry>, VerifierError> {
    let unreadable = |source| VerifierError::ExternalUnreadable { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let exposed = check_named(directory, &fs::metadata(directory).map_err(unreadable)?).err();
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with('~') || path.is_dir() {
            continue;
        }
        let program = match (&exposed, problem(&path)) {
            (Some(exposed), _) => Err(format!("is not run: {exposed}")),
            (None, Some(problem)) => Err(problem),
            (None, None) => Ok(path),
        };
        found.push((name, program));
    }
    found.sort();
    Ok(found)
}

/// Why a file must not be run, as the end of a sentence.
fn problem(path: &Path) -> Option<String> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Some(format!("could not be looked at ({error})")),
    };
    if !metadata.is_file() {
        Some("is no file".to_owned())
    } else if let Err(untrusted) = check_named(path, &metadata) {
        Some(untrusted.reason())
    } else if nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_err() {
        Some(format!("is not executable: chmod +x {}, or take it away", path.display()))
    } else {
        None
    }
}
