//! A policy's effect on settings, and files that it must not rely on.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::layers::read_trusted;
use super::*;
use crate::package::{Ecosystem, Package};

/// The settings under `policy`, with the system's and the user's file and these variables.
fn load_in(
    home: &Path,
    [policy, system, user]: [&str; 3],
    variables: &[(&str, &str)],
) -> Result<Settings, ConfigError> {
    let directory = home.join("etc");
    fs::create_dir_all(&directory).unwrap();
    // The mode must not depend on the umask.
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(directory.join(POLICY_NAME), policy).unwrap();
    fs::write(directory.join(FILE_NAME), system).unwrap();
    fs::write(home.join(FILE_NAME), user).unwrap();
    let system = System { directory, owner: nix::unistd::geteuid().as_raw() };
    let find = |name: &str| variables.iter().find(|(variable, _)| *variable == name);
    Settings::load_with(
        &|name| {
            if name == env::SCFW_HOME {
                Some(home.into())
            } else {
                find(name).map(|(_, value)| OsString::from(value))
            }
        },
        &system,
    )
}

fn load(files: [&str; 3], variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    load_in(tempfile::tempdir().unwrap().path(), files, variables)
}

#[test]
fn the_user_goes_before_the_system_key_by_key() {
    let system = "deadline = 3\noffline = true\n[datadog]\nsite = \"a.example\"\nagent_port = 1\n\
                  [minimum_age_exceptions]\n\"npm:a\" = 1\n\"npm:b\" = 1\n";
    let user = "deadline = 4\n[datadog]\nsite = \"b.example\"\n[minimum_age_exceptions]\n\"npm:a\" = 2\n";
    let settings = load(["", system, user], &[]).unwrap();
    assert_eq!((settings.run.deadline, settings.feeds.offline), (Duration::from_secs(4), true));
    assert_eq!(settings.telemetry.datadog.site, "b.example");
    assert_eq!(settings.telemetry.datadog.agent_port.map(std::num::NonZeroU16::get), Some(1));
    let hours = |name| settings.age.minimum_of(&Package::new(Ecosystem::Npm, name, None)).as_secs() / 3600;
    assert_eq!(["a", "b", "c"].map(hours), [2, 1, 24]);
    assert!(settings.overruled.is_empty());
}

#[test]
fn of_two_ages_the_longer_counts_for_each_package() {
    let policy = "minimum_age = 48\nminimum_age_exceptions = {\"npm:@corp/*\" = 0, \"npm:risky\" = 100}\n";
    let user = "minimum_age = 72\nminimum_age_exceptions = {\"npm:@corp/*\" = 5, \"npm:*\" = 0}\n";
    let settings = load([policy, "", user], &[]).unwrap();
    let hours = |name| settings.age.minimum_of(&Package::new(Ecosystem::Npm, name, None)).as_secs() / 3600;
    assert_eq!(["@corp/a", "risky", "other"].map(hours), [5, 100, 48]);
    assert_eq!(settings.age.minimum_of(&Package::new(Ecosystem::PyPi, "x", None)), Duration::from_hours(72));
    assert_eq!(settings.overruled.len(), 1, "{:?}", settings.overruled);
    assert!(settings.overruled[0].contains("\"npm:*\""), "{:?}", settings.overruled);
}

#[test]
fn settings_are_never_looser_than_the_policy_and_stay_stricter_than_it() {
    let policy = "on_warning = \"ask\"\nminimum_severity = \"medium\"\nminimum_age = 10\nunknown_age = \"warn\"\n\
                  allow_bypass = false\nallow_unsupported = false\n";
    let loose =
        "on_warning = \"allow\"\nminimum_severity = \"high\"\nminimum_age = 1\nunknown_age = \"allow\"\n";
    let on = [(env::SCFW_BYPASS, "1"), (env::SCFW_ALLOW_UNSUPPORTED, "yes"), (env::SCFW_ON_WARNING, "allow")];
    let any = Package::new(Ecosystem::Npm, "any", None);
    for settings in [load([policy, "", loose], &on).unwrap(), load([policy, loose, ""], &on).unwrap()] {
        assert_eq!(
            (settings.run.on_warning_always, settings.run.on_warning_unasked),
            (None, OnWarning::Block)
        );
        assert_eq!(settings.advisories.minimum_severity, Some(Severity::Medium));
        assert_eq!(settings.age.minimum_of(&any), Duration::from_hours(10));
        assert_eq!(settings.age.unknown, UnknownAge::Warn);
        assert_eq!((settings.run.bypass, settings.run.allow_unsupported), (Bypass::Refused, false));
        assert_eq!(settings.overruled.len(), 5, "{:#?}", settings.overruled);
    }
    let strict = "minimum_severity = \"low\"\nminimum_age = 100\nunknown_age = \"block\"\n";
    let settings = load([policy, "", strict], &[(env::SCFW_ON_WARNING, "BLOCK")]).unwrap();
    assert_eq!(settings.run.on_warning_always, Some(OnWarning::Block));
    assert_eq!(settings.advisories.minimum_severity, Some(Severity::Low));
    assert_eq!(settings.age.minimum_of(&any), Duration::from_hours(100));
    assert_eq!((settings.age.unknown, settings.run.bypass), (UnknownAge::Block, Bypass::Off));
    assert!(settings.overruled.is_empty(), "{:?}", settings.overruled);
}

#[test]
fn a_locked_key_is_the_systems_and_its_variables_are_not_even_read() {
    let files = ["locked = [\"deadline\", \"datadog\", \"managers\"]\n", "deadline = 3\n", "deadline = 4\n"];
    let variables =
        [(env::SCFW_DEADLINE, "nonsense"), (env::SCFW_DD_AGENT_LOG_PORT, "7"), (env::DD_ENV, "ci")];
    let settings = load(files, &variables).unwrap();
    assert_eq!(settings.run.deadline, Duration::from_secs(3));
    assert_eq!(
        (settings.telemetry.datadog.agent_port, settings.telemetry.environment.as_str()),
        (None, "ci")
    );
    assert_eq!(settings.overruled.len(), 3, "{:?}", settings.overruled);
    assert!(load(["", "", ""], &variables).is_err(), "without the lock the variable counts");
}

#[test]
fn what_is_laid_down_about_exemptions_and_verifiers_is_read() {
    let policy = load(["", "", ""], &[]).unwrap().policy;
    assert_eq!((policy.exemptible(), policy.longest_exemption()), (Exemptible::Any, None));
    assert!(!policy.requires("OSV"));
    let text = "exemptions = \"no-malicious\"\nmax_exemption_days = 30\nrequired_verifiers = [\"osv\"]\n";
    let policy = load([text, "", ""], &[]).unwrap().policy;
    assert_eq!(policy.exemptible(), Exemptible::NoMalicious);
    assert_eq!(policy.longest_exemption(), Some(Duration::from_hours(30 * 24)));
    assert!(policy.requires("OSV") && !policy.requires("Datadog"));
}

#[test]
fn a_file_of_somebody_else_is_not_relied_on() {
    let home = tempfile::tempdir().unwrap();
    load_in(home.path(), ["", "", ""], &[]).unwrap();
    let owner = nix::unistd::geteuid().as_raw();
    let directory = home.path().join("etc");
    let load = |owner| {
        let home = home.path().to_owned();
        let system = System { directory: directory.clone(), owner };
        Settings::load_with(&|name| (name == env::SCFW_HOME).then(|| home.clone().into()), &system)
    };
    for name in [POLICY_NAME, FILE_NAME] {
        let error = read_trusted(&directory.join(name), owner + 1).unwrap_err();
        assert!(error.to_string().contains(&format!("{name} does not belong to root")), "{error}");
    }
    let error = load(owner + 1).unwrap_err();
    assert!(error.to_string().contains("etc does not belong to root"), "{error}");
    load(owner).unwrap();
    fs::create_dir(directory.join("lists")).unwrap();
    for (path, mode) in [(directory.join("lists"), 0o775), (directory.clone(), 0o757)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = load(owner).unwrap_err().to_string();
        let expected = format!("{} can be written by others than root", path.display());
        assert!(error.contains(&expected), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::remove_dir_all(&directory).unwrap();
    load(owner + 1).unwrap();
}

#[test]
fn a_relative_path_is_one_beside_the_file_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    let feed = "[[feeds]]\nname = \"ours\"\npath = \"advisories\"\n";
    let system = format!("osv_ignore = \"reviewed.txt\"\nlog_file = \"log\"\n{feed}");
    let settings = load_in(home.path(), ["", &system, ""], &[]).unwrap();
    let etc = home.path().join("etc");
    assert_eq!(settings.feeds.extra[0].place, FeedPlace::Path(etc.join("advisories")));
    assert_eq!(
        (settings.advisories.ignore.path, settings.telemetry.log_file),
        (etc.join("reviewed.txt"), etc.join("log"))
    );
    let user = format!("log_file = \"/var/log/own\"\n{feed}");
    let settings = load_in(home.path(), ["", &system, &user], &[]).unwrap();
    assert_eq!(settings.feeds.extra[0].place, FeedPlace::Path(home.path().join("advisories")));
    assert_eq!(settings.advisories.ignore.path, etc.join("reviewed.txt"));
    assert_eq!(settings.telemetry.log_file, Path::new("/var/log/own"));
}

#[test]
fn a_manager_is_only_left_out_where_nothing_has_to_be_verified() {
    let own = "managers = [\"pip\"]\n";
    for policy in
        ["allow_bypass = false\n", "required_verifiers = [\"OSV\"]\n", "required_routes = [\"bash\"]\n"]
    {
        for user in [own, "managers = []\n"] {
            let settings = load([policy, "", user], &[]).unwrap();
            assert_eq!(settings.managers.len(), 2, "{policy}");
            assert!(settings.overruled[0].contains("managers cannot leave out"), "{:?}", settings.overruled);
        }
        let settings = load([policy, own, "managers = []\n"], &[]).unwrap();
        assert_eq!(settings.managers, [ManagerId::Pip]);
        let settings = load([policy, own, "managers = [\"npm\", \"pip\"]\n"], &[]).unwrap();
        assert_eq!(settings.managers, [ManagerId::Npm, ManagerId::Pip]);
        assert!(settings.overruled.is_empty(), "{:?}", settings.overruled);
    }
    let settings = load(["on_warning = \"ask\"\n", "", own], &[]).unwrap();
    assert_eq!(settings.managers, [ManagerId::Pip]);
}

#[test]
fn what_is_private_by_the_system_is_not_so_by_the_users_word_alone() {
    let system = "private = [\"npm:@corp/*\"]\n";
    let settings = load(["", system, "private = [\"*\"]\n"], &[]).unwrap();
    let package = |name| Package::new(Ecosystem::Npm, name, None);
    assert!(
        settings.private.contains(&package("@corp/a"))
            && !settings.private.contains_by_user(&package("@corp/a"))
    );
    assert!(settings.private.contains(&package("a")) && settings.private.contains_by_user(&package("a")));
    let settings = load(["", system, ""], &[]).unwrap();
    assert!(
        settings.private.contains(&package("@corp/a"))
            && !settings.private.contains_by_user(&package("@corp/a"))
    );
    assert!(!settings.private.contains_by_user(&package("a")));
}

#[test]
fn what_a_feed_needs_to_know_of_the_policy_is_which_places_are_locked() {
    let settings = load(["locked = [\"osv_bulk_url\", \"feeds\"]\n", "", ""], &[]).unwrap();
    let FeedLocks { osv, datadog, extra, file } = &settings.feeds.locks;
    assert_eq!((*osv, *datadog, *extra), (true, false, true));
    assert!(file.ends_with(POLICY_NAME) && settings.feeds.locks.any());
    assert!(!load(["locked = [\"deadline\"]\n", "", ""], &[]).unwrap().feeds.locks.any());
}
