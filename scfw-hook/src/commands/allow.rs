//! `scfw allow`: exemptions, given, listed and taken back.

use std::path::Path;

use clap::Args;
use scfw_core::config::{Exemptible, Policy, Settings};
use scfw_core::ecosystem::is_same_version;
use scfw_core::exemption::permitted;
use scfw_core::package::{Package, shown_query};
use scfw_core::store::{Exemption, NewExemption, Store, StoreError, now};
use scfw_core::telemetry::{Event, ExemptionChange, username};
use scfw_core::text::{escape_json, sanitise, without_user_information};
use scfw_core::time::{self, local, rfc3339};
use serde_json::{Value, json};

use super::exit::{fail, misuse};
use crate::exit::Exit;
use crate::process::Process;
use crate::record::record;
use crate::terminal::output;

/// The life of an exemption if no other is given, in seconds: 30 days.
const DEFAULT_DURATION: i64 = 30 * 24 * 3600;
/// The longest that one can last, in seconds: a leap year.
const LONGEST: i64 = 366 * 24 * 3600;
/// The longest reason and advisory id that are taken, in bytes.
const LONGEST_TEXT: usize = 1000;

pub(super) const EXAMPLES: &str = "Examples:\n  scfw allow npm:left-pad --reason \"reviewed by hand\"\n  \
    scfw allow pypi:requests@2.31.0 --advisory GHSA-xxxx-yyyy-zzzz --reason \"we do not use it so\" --expires 12w\n  \
    scfw allow npm:honeypot@1.0.0 --malicious --reason \"a sample to study\" --expires 2h\n  \
    scfw allow --list\n  scfw allow --remove 3\n\n\
    An exemption covers the warnings about a package: of every version or of the one named, and all of them or the \
    one of that advisory, by the id that reports show. What is critical, malware above all, it covers only with \
    --malicious. What could not be verified it does not cover, but for where a package comes from, if --advisory names \
    that address. It ends after 30 days, or when --expires says, which is a year at most; a date means the end of that \
    day. Each use is shown and written to the ledger.\n\n\
    Exit status: 0, 1 if there is nothing to remove or the store cannot be used, 2 if the command line is wrong.";

/// Options of `scfw allow`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// pypi:NAME[@VERSION], npm:NAME[@VERSION] or a purl
    #[arg(required_unless_present_any = ["list", "remove"], requires = "reason")]
    package: Option<String>,
    /// Why it may be installed all the same
    #[arg(long, value_name = "TEXT", requires = "package")]
    reason: Option<String>,
    /// When the exemption ends: a duration (12h, 7d, 4w) or a date (2026-01-31); after 30 days if nothing is said
    #[arg(long, value_name = "TIME", requires = "package")]
    expires: Option<String>,
    /// Only what this advisory says
    #[arg(long, value_name = "ID", requires = "package")]
    advisory: Option<String>,
    /// What is critical too: known malware, and what your lists and verifiers call so
    #[arg(long, requires = "package")]
    malicious: bool,
    /// Show all exemptions, the expired ones too
    #[arg(long, conflicts_with_all = ["package", "remove"])]
    list: bool,
    /// With --list: print a list of objects for scripts
    #[arg(long, requires = "list")]
    json: bool,
    /// Remove the exemption of that number, or all of that package
    #[arg(long, value_name = "NUMBER|PACKAGE", conflicts_with = "package")]
    remove: Option<String>,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    let settings = match process.settings() {
        Ok(settings) => settings,
        Err(error) => return fail(&error, Exit::Configuration),
    };
    let path = Store::path_in(&settings.directories.data);
    let done = if options.list {
        list(&path, options.json, &settings.policy)
    } else if let Some(which) = &options.remove {
        remove(process, &path, which, &settings)
    } else {
        let refused = |refusal: String| {
            output::say(&refusal);
            record(process, &Event::Policy { rule: &refusal, command: None }, &settings);
            Exit::Failed
        };
        // If no exemption is allowed, no date could be right, whatever the terms are.
        if let Some(refusal) = refusal_of_all(&settings.policy) {
            return refused(refusal);
        }
        let terms = match terms(process, options, &settings.policy) {
            Ok(terms) => terms,
            Err(message) => return misuse(&message),
        };
        if let Some(refusal) = refusal(&terms, &settings.policy) {
            return refused(refusal);
        }
        give(process, &path, terms, &settings)
    };
    done.unwrap_or_else(|error| fail(&error, Exit::Failed))
}

/// The request of the command line, or the mistake in it.
fn terms(process: &Process, options: &Options, policy: &Policy) -> Result<NewExemption, String> {
    let (query, reason) = (options.package.as_deref(), options.reason.as_deref());
    let package = Package::from_query(query.unwrap_or_default()).map_err(|error| error.to_string())?;
    let bounded = |what: &str, text: &str| {
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("{what} is empty"));
        }
        if text.len() > LONGEST_TEXT {
            return Err(format!("{what} is longer than {LONGEST_TEXT} bytes"));
        }
        // The reason is shown, recorded and sent on wherever it counts.
        Ok(without_user_information(text).into_owned())
    };
    let reason = bounded("--reason", reason.unwrap_or_default())?;
    let advisory = options.advisory.as_deref().map(|id| bounded("--advisory", id)).transpose()?;
    let advisory = advisory.map(|advisory| as_it_is_known(process, advisory));
    let created = now();
    let expires = match &options.expires {
        Some(text) => time::until(text, created).map_err(|error| error.to_string())?,
        // If no end is given, the longest that the policy allows is fine.
        None => created + longest(policy).map_or(DEFAULT_DURATION, |longest| longest.min(DEFAULT_DURATION)),
    };
    if expires <= created {
        return Err(format!("--expires: {} has passed", local(expires)));
    }
    if expires - created > LONGEST {
        return Err("an exemption lasts a year at most; --expires says how long".to_owned());
    }
    Ok(NewExemption {
        ecosystem: package.ecosystem,
        name: package.name,
        version: package.version,
        advisory,
        reason,
        malicious: options.malicious,
        created,
        expires: Some(expires),
        author: username(),
    })
}

/// An address as its package has it, of one that was taken from a report, which has `~` for the home directory.
fn as_it_is_known(process: &Process, advisory: String) -> String {
    match process.text("HOME") {
        Some(home) if home.starts_with('/') => {
            advisory.replacen("://~/", &format!("://{}/", home.trim_end_matches('/')), 1)
        }
        _ => advisory,
    }
}

/// The longest life of an exemption by `policy`, in seconds.
fn longest(policy: &Policy) -> Option<i64> {
    policy.longest_exemption().map(|longest| i64::try_from(longest.as_secs()).unwrap_or(i64::MAX))
}

/// The reason why `policy` allows none at all.
fn refusal_of_all(policy: &Policy) -> Option<String> {
    let is_refused = policy.exemptible() == Exemptible::None || longest(policy) == Some(0);
    is_refused.then(|| format!("policy: exemptions are not allowed ({})", policy.file()))
}

/// The reason why `policy` does not allow this one.
fn refusal(terms: &NewExemption, policy: &Policy) -> Option<String> {
    let lasts = terms.expires.map_or(i64::MAX, |expires| expires - terms.created);
    let what = match (policy.exemptible(), longest(policy)) {
        (Exemptible::NoMalicious, _) if terms.malicious => {
            "what is critical cannot be exempted (--malicious)".to_owned()
        }
        (_, Some(longest)) if lasts > longest => {
            format!("an exemption lasts {} days at most", longest / (24 * 3600))
        }
        _ => return None,
    };
    Some(format!("policy: {what} ({})", policy.file()))
}

fn give(
    process: &Process,
    path: &Path,
    terms: NewExemption,
    settings: &Settings,
) -> Result<Exit, StoreError> {
    let number = Store::open(path)?.add_exemption(&terms)?;
    let exemption = Exemption { number, terms };
    output::print(&describe(&exemption, &settings.policy, exemption.terms.created));
    record(process, &Event::Exemption { change: ExemptionChange::Made, exemption: &exemption }, settings);
    Ok(Exit::Success)
}

fn list(path: &Path, as_json: bool, policy: &Policy) -> Result<Exit, StoreError> {
    let exemptions = match Store::open_existing(path)? {
        Some(store) => store.exemptions()?,
        None => Vec::new(),
    };
    let now = now();
    if as_json {
        let list: Vec<Value> = exemptions.iter().map(|exemption| to_json(exemption, policy, now)).collect();
        output::print(&format!("{}\n", escape_json(&format!("{:#}", Value::Array(list)))));
    } else if exemptions.is_empty() {
        output::print("There are no exemptions.\n");
    } else {
        output::print(
            &exemptions.iter().map(|exemption| describe(exemption, policy, now)).collect::<String>(),
        );
    }
    Ok(Exit::Success)
}

fn remove(process: &Process, path: &Path, which: &str, settings: &Settings) -> Result<Exit, StoreError> {
    let is_meant: Box<dyn Fn(&Exemption) -> bool> = match which.parse::<i64>() {
        Ok(number) => Box::new(move |exemption| exemption.number == number),
        Err(_) => match Package::from_query(which) {
            Ok(package) => Box::new(move |exemption| is_about(exemption, &package)),
            Err(error) => return Ok(fail(&error, Exit::Usage)),
        },
    };
    let mut removed = false;
    if let Some(mut store) = Store::open_existing(path)? {
        for exemption in store.exemptions()?.iter().filter(|exemption| is_meant(exemption)) {
            if store.remove_exemption(exemption.number)? {
                removed = true;
                output::print(&format!("Removed: {}", describe(exemption, &settings.policy, now())));
                record(process, &Event::Exemption { change: ExemptionChange::Removed, exemption }, settings);
            }
        }
    }
    if removed {
        return Ok(Exit::Success);
    }
    output::say(&format!(
        "there is no exemption {}; \"scfw allow --list\" shows them",
        sanitise(&shown_query(which))
    ));
    Ok(Exit::Failed)
}

/// Whether it is one of `package`: of that version if one is named.
fn is_about(exemption: &Exemption, package: &Package) -> bool {
    let terms = &exemption.terms;
    let is_version = |version: &String| {
        terms.version.as_ref().is_some_and(|of| is_same_version(package.ecosystem, of, version))
    };
    terms.ecosystem == package.ecosystem
        && terms.ecosystem.normalise(&terms.name) == package.key()
        && package.version.as_ref().is_none_or(is_version)
}

/// A line about it: `3  npm:left-pad@1.3.0, warnings, until 2026-01-31 15:04, by me: reviewed`.
fn describe(exemption: &Exemption, policy: &Policy, now: i64) -> String {
    let Exemption { number, terms } = exemption;
    let package = query(terms);
    let what = match (&terms.advisory, terms.malicious) {
        (None, false) => "warnings".to_owned(),
        (None, true) => "every finding, malicious or not".to_owned(),
        (Some(id), false) => format!("the warning {id}"),
        (Some(id), true) => format!("the finding {id}, malicious or not"),
    };
    let end = match terms.expires {
        Some(expires) if terms.is_expired(now) => format!("expired {}", local(expires)),
        _ if permitted(terms, policy, now).is_none() => {
            format!("without effect by the policy ({})", policy.file())
        }
        Some(expires) => format!("until {}", local(expires)),
        None => "for good".to_owned(),
    };
    let (author, reason) = (sanitise(&terms.author), sanitise(&terms.reason));
    format!("{number}  {}, {}, {end}, by {author}: {reason}\n", sanitise(&package), sanitise(&what))
}

/// The package as it is asked for.
fn query(terms: &NewExemption) -> String {
    let version = terms.version.as_deref().map(|version| format!("@{version}")).unwrap_or_default();
    format!("{}:{}{version}", terms.ecosystem.purl_type(), terms.name)
}

fn to_json(exemption: &Exemption, policy: &Policy, now: i64) -> Value {
    let terms = &exemption.terms;
    json!({
        "number": exemption.number,
        "ecosystem": terms.ecosystem.osv_name(),
        "name": terms.name,
        "version": terms.version,
        "advisory": terms.advisory,
        "malicious": terms.malicious,
        "reason": terms.reason,
        "created": rfc3339(terms.created),
        "expires": terms.expires.and_then(rfc3339),
        "expired": terms.is_expired(now),
        "permitted": terms.is_expired(now) || permitted(terms, policy, now).is_some(),
        "author": terms.author,
    })
}
