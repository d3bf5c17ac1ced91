//! The way of a command: classify, then either hand over to the real program at once, or screen, arm and hand
//! over. Nothing here returns but a failure, with its exit status.

pub mod call;
pub mod entry;
pub mod executable;
pub mod preload;
pub mod screening;
pub mod subshell;

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr};
use std::ops::Range;
use std::path::Path;

use scfw_core::action::Action;
use scfw_core::config::{Bypass, Settings, TelemetrySettings};
use scfw_core::env;
use scfw_core::finding::Verification;
use scfw_core::manager::{Install, Invocation, Launch, ManagerId, Runtime, classify, manager};
use scfw_core::report::{self, BLOCKED};
use scfw_core::telemetry::{Command, Event};
use scfw_core::text::sanitise;

use crate::exit::Exit;
use crate::gate::arm::{self, Arming, python_bootstrap};
use crate::gate::files::Gates;
use crate::gate::verify::{is_dry_run, purpose_of_install};
use crate::process::Process;
use crate::process::exec::{c_string, exec, pass_on_own_path};
use crate::process::locate::{Located, is_shim, locate, own_program};
use crate::record::record;
use crate::record::run_notes;
use crate::record::sender;
use crate::route::call::Call;
use crate::route::executable::{is_python, isolating_option, other_manager};
use crate::terminal::output::{self, describe};

/// Routes `call`. Returns only if the real program does not take over, with the exit status.
#[must_use]
pub fn route(process: &Process, call: &Call<'_>) -> Exit {
    let invocation =
        call.program().map_or(Invocation::Passthrough, |program| classify(program, &call.texts()));
    if becomes_manager(call, &invocation) {
        preload::let_pass(process);
    } else {
        preload::let_nothing_pass(process);
    }
    match invocation {
        Invocation::Passthrough => hand_over(process, call, None, rearmed(process, call).as_deref()),
        Invocation::Install(install) => {
            let status = route_install(process, call, &install);
            if let Err(error) = run_notes::note_stopped(process, status, std::process::id()) {
                output::say(&run_notes::unnoted(&error));
            }
            status
        }
    }
}

/// Whether this process becomes a program that the preload library would bring back here. Any other program, above
/// all a Python that runs a script, may still run a manager in its own place, and that must be seen. A typed Python
/// that only asks pip something goes through here once more.
fn becomes_manager(call: &Call<'_>, invocation: &Invocation) -> bool {
    call.is_noticed() || matches!(invocation, Invocation::Install(_)) || call.manager().is_some()
}

/// The environment of a manager on Node that installs nothing, if a script below an armed run has taken the gate out
/// of `NODE_OPTIONS`: the manager would refuse to work, and its children would be without a gate.
fn rearmed(process: &Process, call: &Call<'_>) -> Option<Vec<CString>> {
    let verifier = process.variable(env::SCFW_GATE_VERIFIER)?;
    (manager(call.manager()?).hold().runtime == Runtime::Node).then_some(())?;
    let gates = Gates::present(process)?;
    let run = process.variable(env::SCFW_GATE_RUN);
    let executable = process.variable(env::SCFW_GATE_EXECUTABLE).unwrap_or_default();
    let arming = Arming {
        gates: &gates,
        verifier: Path::new(&verifier),
        run: run.as_ref().map(Path::new),
        executable: Path::new(&executable),
        withheld: &[],
    };
    Some(arming.environment(process.variables().into_iter()))
}

fn route_install(process: &Process, call: &Call<'_>, install: &Install) -> Exit {
    let Some(located) = find(process, call) else { return not_found(call.name()) };
    pass_on_own_path(process, &located.path);
    let settings = match process.settings() {
        Ok(settings) => settings,
        Err(error) => {
            output::say(&describe(&error));
            return Exit::Configuration;
        }
    };
    if !call.is_explicit && !settings.managers.contains(&install.manager) {
        // The user has chosen the managers to route.
        return hand_over(process, call, Some(located), None);
    }
    let executable = std::path::absolute(&located.path).unwrap_or_else(|_| located.path.clone());
    let run = Run { process, call, install, settings: &settings, executable: &executable };
    output::say_without_effect(&settings);
    if let Some(verifier) = process.variable(env::SCFW_EXTERNAL_VERIFIER) {
        // The program would be asked about this installation in turn, and so for ever.
        return run.refuse(&format!(
            "nothing can be installed from within the external verifier {}",
            sanitise(&verifier.to_string_lossy())
        ));
    }
    sender::start(process, &settings);
    match settings.run.bypass {
        Bypass::Off => {}
        Bypass::On if is_dry_run(process) => {
            return run.refuse(&format!(
                "{} is set: nothing is verified, so there is no dry run",
                env::SCFW_BYPASS
            ));
        }
        Bypass::On => {
            output::say(&format!("{} is set: this installation is not verified", env::SCFW_BYPASS));
            run.record(&Ending::Bypassed);
            let environment = arm::without(&run.withheld(), process.variables().into_iter());
            return hand_over(process, call, Some(located), Some(&environment));
        }
        Bypass::Refused => {
            let refusal = format!(
                "policy: {} is not allowed, so nothing is installed with it ({})",
                env::SCFW_BYPASS,
                settings.policy.file()
            );
            output::say(&refusal);
            run.record(&Ending::Refused(&refusal));
            return Exit::Blocked;
        }
    }
    // Only a dry run of scfw's own depends on the manager's option.
    let of_dry_run = install.dry_run_refusal.filter(|_| is_dry_run(process));
    if let Some(refusal) = install.refusal.or(of_dry_run) {
        return run.refuse(refusal.0);
    }
    if let Some(other) = call.manager().and_then(|id| other_manager(id, &located.path)) {
        return run.refuse(&format!(
            "{} is {other}, which scfw does not verify, so nothing is installed by the name {}; take it off PATH, or \
             name the program that is meant: scfw run --executable PATH {1} …",
            sanitise(&located.path.to_string_lossy()),
            sanitise(&call.name().to_string_lossy())
        ));
    }
    if let Some(option) = call.manager().and_then(|id| isolating_option(id, &located.path)) {
        return run.refuse(&format!(
            "{} starts Python with {option}, which keeps scfw's gate out; run \"python -m {}\" with the same \
             interpreter instead",
            sanitise(&located.path.to_string_lossy()),
            install.manager.name()
        ));
    }
    match screening::screen(process, install, &settings) {
        Ok(screened) => {
            if let Some(verification) = screened.blocked {
                output::say_trouble(&verification);
                let report = output::redacted(&report::text(&verification, output::has_colour()));
                output::write(&format!("{report}{BLOCKED}\n"));
                run.record(&Ending::Blocked(&verification));
                return Exit::Blocked;
            }
            for unread in screened.unread {
                let unread = output::redacted(&unread);
                output::say(&format!(
                    "{} (what it names is verified once it is resolved)",
                    sanitise(&unread)
                ));
            }
        }
        Err(error) => {
            output::say(&describe(&error));
            return Exit::Configuration;
        }
    }
    run.arm(located)
}

/// The outcomes of a command without a gate.
enum Ending<'a> {
    /// The command is let pass unverified, as the user wishes.
    Bypassed,
    /// A rule of the policy, in this sentence, does not let it be run like this at all.
    Refused(&'a str),
    /// The command cannot be verified, for the reason in this sentence, and so it is not run.
    Unverified(&'a str),
    /// The command is blocked because of findings.
    Blocked(&'a Verification),
}

/// An install on its way.
struct Run<'a> {
    process: &'a Process,
    call: &'a Call<'a>,
    install: &'a Install,
    settings: &'a Settings,
    executable: &'a Path,
}

impl Run<'_> {
    fn arm(&self, located: Located) -> Exit {
        let data = &self.settings.directories.data;
        let Some(verifier) = own_program(self.process) else {
            return self.refuse(
                "scfw-hook does not find its own file, so nothing can be verified; install scfw again",
            );
        };
        let gates = match Gates::provide(self.process, data, &verifier) {
            Ok(gates) => gates,
            Err(error) => {
                return self.refuse(&format!(
                    "the gates could not be written below {} ({error}), so nothing can be verified; free the disk, \
                     mend the permissions, or set {} to another directory",
                    data.display(),
                    env::SCFW_HOME
                ));
            }
        };
        // A run without its note is as safe; only a gate that never reports would go unmentioned.
        let run = run_notes::begin(self.process, data, &self.call.command())
            .inspect_err(|error| output::say(&format!("this run could not be noted ({error})")))
            .ok();
        let arming = Arming {
            gates: &gates,
            verifier: &verifier,
            run: run.as_deref(),
            executable: self.executable,
            withheld: &self.withheld(),
        };
        let environment = arming.environment(self.process.variables().into_iter());
        let failed = match self.install.launch {
            Launch::Bootstrapped { option, arguments } => {
                let module = self.install.manager.name();
                hand_over_bootstrapped(
                    self.process,
                    self.call,
                    &located,
                    module,
                    option..arguments,
                    &environment,
                )
            }
            Launch::AsTyped => hand_over(self.process, self.call, Some(located), Some(&environment)),
        };
        // The real program did not start: no gate could have reported.
        if let Some(run) = run {
            let _named_by_the_next_command = run_notes::abandon(&run);
        }
        failed
    }

    /// The variables that the manager does not get. If scfw itself logs to Datadog's API or to a collector, the key
    /// and the headers are scfw's and no package's.
    fn withheld(&self) -> Vec<&'static str> {
        let TelemetrySettings { datadog, otlp, .. } = &self.settings.telemetry;
        let is_ours =
            |name| if name == env::DD_API_KEY { datadog.api_logger } else { otlp.logs_url.is_some() };
        env::SECRETS.into_iter().filter(|name| is_ours(*name)).collect()
    }

    /// Says why the command cannot be verified, records that, and gives the exit status.
    fn refuse(&self, reason: &str) -> Exit {
        output::say(reason);
        self.record(&Ending::Unverified(reason));
        Exit::Unverified
    }

    /// Records the outcome of the command, as it was typed, if no gate does that.
    fn record(&self, ending: &Ending<'_>) {
        let arguments: Vec<String> = self.call.texts().into_iter().map(Cow::into_owned).collect();
        let command = Command {
            manager: self.install.manager,
            program: &self.call.name().to_string_lossy(),
            executable: &self.executable.to_string_lossy(),
            arguments: &arguments,
        };
        let event = match *ending {
            Ending::Bypassed => Event::Bypass { command },
            Ending::Refused(rule) => Event::Policy { rule, command: Some(command) },
            Ending::Unverified(reason) => Event::Unverified {
                action: Action::Block,
                purpose: purpose_of_install(self.process),
                command,
                reason,
            },
            Ending::Blocked(verification) => Event::Run {
                action: Action::Block,
                purpose: purpose_of_install(self.process),
                command,
                verification,
                refusal: None,
            },
        };
        record(self.process, &event, self.settings);
    }
}

fn find(process: &Process, call: &Call<'_>) -> Option<Located> {
    match call.executable {
        // A shim that another program found is as good as its name.
        Some(path) if call.is_noticed() && is_shim(process, path) => {
            locate(process, path.file_name()?).map(|located| Located { behind_ours: true, ..located })
        }
        Some(path) => Some(Located { path: path.to_owned(), behind_ours: false }),
        None => locate(process, call.name()),
    }
}

/// The message and the status that a shell gives.
fn not_found(name: &OsStr) -> Exit {
    output::write(&format!("{}: command not found\n", sanitise(&name.to_string_lossy())));
    Exit::NotFound
}

/// Replaces this process by the real program with the same arguments. Without `environment` it keeps the environment.
fn hand_over(
    process: &Process,
    call: &Call<'_>,
    located: Option<Located>,
    environment: Option<&[CString]>,
) -> Exit {
    let Some(located) = located.or_else(|| find(process, call)) else { return not_found(call.name()) };
    if environment.is_none() {
        pass_on_own_path(process, &located.path);
    }
    let path = c_string(located.path.as_os_str());
    let mut arguments = leading_words(call, &located, &path);
    let is_chosen = call.executable.is_some() && !call.is_noticed();
    let is_on_python = |id: &ManagerId| manager(*id).hold().runtime == Runtime::Python;
    let module = call.manager().filter(is_on_python).filter(|_| is_chosen && is_python(&located.path));
    let module = module.map(|id| c_string(OsStr::new(id.name())));
    if let Some(module) = &module {
        arguments.extend([c"-m", module]);
    }
    arguments.extend(call.arguments);
    run(process, &located.path, &arguments, environment)
}

/// `argv` before the program's own arguments.
fn leading_words<'a>(call: &Call<'a>, located: &Located, path: &'a CStr) -> Vec<&'a CStr> {
    let mut words = call.leading.to_vec();
    let is_chosen = call.executable.is_some() && words.is_empty();
    if words.is_empty() {
        words.push(call.name);
    }
    // Python looks itself up on PATH by its name; behind a shim it would find the shim.
    if located.behind_ours || is_chosen {
        words[0] = path;
    }
    words.reserve(call.arguments.len() + 2);
    words
}

/// Runs `python … -m MODULE` with the gate loaded by hand, in place of the `words` that say `-m MODULE`.
fn hand_over_bootstrapped(
    process: &Process,
    call: &Call<'_>,
    located: &Located,
    module: &str,
    words: Range<usize>,
    environment: &[CString],
) -> Exit {
    let bootstrap = c_string(OsStr::new(&python_bootstrap(module)));
    let cluster = call.arguments.get(words.start).map_or("", |option| option.to_str().unwrap_or_default());
    // The word `-sEm` keeps its other letters; the text behind the `m` was the module.
    let kept = cluster.split('m').next().unwrap_or_default();
    let kept = c_string(OsStr::new(if kept == "-" { "" } else { kept }));
    let path = c_string(located.path.as_os_str());
    let mut arguments = leading_words(call, located, &path);
    arguments.extend(call.arguments.get(..words.start).unwrap_or_default());
    if !kept.is_empty() {
        arguments.push(&kept);
    }
    arguments.extend([c"-c", &bootstrap]);
    arguments.extend(call.arguments.get(words.end..).unwrap_or_default());
    run(process, &located.path, &arguments, Some(environment))
}

fn run(process: &Process, path: &Path, arguments: &[&CStr], environment: Option<&[CString]>) -> Exit {
    let (errno, status) = exec(process, path, arguments, environment);
    output::write(&format!("{}: {}\n", sanitise(&path.to_string_lossy()), errno.desc()));
    status
}

#[cfg(test)]
mod tests;
