//! The settings that config.toml and the variables come to.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use super::*;

pub(in crate::config) fn load(file: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(FILE_NAME), file).unwrap();
    let home_path = home.path().to_str().unwrap().to_owned();
    Settings::load(&|name| {
        let set = variables.iter().find(|(variable, _)| *variable == name);
        if name == env::SCFW_HOME {
            Some(OsString::from(&home_path))
        } else {
            set.map(|(_, value)| OsString::from(value))
        }
    })
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_default() {
    let defaults = load("", &[]).unwrap();
    assert_eq!(defaults.run.deadline, Duration::from_secs(10));
    assert_eq!(defaults.run.on_warning_unasked, OnWarning::Block);
    assert_eq!(defaults.run.on_warning_always, None);
    assert!(defaults.telemetry.log_file.ends_with("scfw.log"));
    let file = "deadline = 3\non_warning = \"allow\"\nminimum_severity = \"high\"\noffline = true\n";
    let settings = load(file, &[]).unwrap();
    assert_eq!(settings.run.deadline, Duration::from_secs(3));
    assert_eq!(settings.run.on_warning_unasked, OnWarning::Allow);
    assert_eq!(settings.advisories.minimum_severity, Some(Severity::High));
    assert!(settings.feeds.offline);
    let variables = [
        (env::SCFW_DEADLINE, "0.5"),
        (env::SCFW_OFFLINE, "0"),
        (env::SCFW_ON_WARNING, "BLOCK"),
        (env::DD_ENV, "ci"),
    ];
    let settings = load(file, &variables).unwrap();
    assert_eq!(settings.run.deadline, Duration::from_millis(500));
    assert_eq!(settings.run.on_warning_always, Some(OnWarning::Block));
    assert_eq!(settings.telemetry.environment, "ci");
    assert_eq!(load("managers = [\"npm\"]\n", &[]).unwrap().managers, [ManagerId::Npm]);
    assert!(!settings.feeds.offline);
}

#[test]
fn a_mistake_is_named_with_its_place_and_a_suggestion() {
    let message = load("deadline = 3\nminimum_severty = \"high\"\n", &[]).unwrap_err().to_string();
    assert!(message.contains("line 2, column 1"), "{message}");
    assert!(message.contains("did you mean `minimum_severity`?"), "{message}");
    let message = load("offline = \"yes\"\n", &[]).unwrap_err().to_string();
    assert!(message.contains("line 1, column 11") && message.contains("boolean"), "{message}");
    assert!(load("deadline = -1\n", &[]).is_err());
    for wrong in ["refresh_after = 100\n", "max_age = nan\n", "max_age = -1\n", "max_age = 1e9\n"] {
        assert!(load(wrong, &[]).is_err(), "{wrong}");
    }
}

#[test]
fn no_message_shows_a_value_or_a_key_that_means_nothing() {
    for (file, place) in [
        (
            "[otlp]\nheaders = \"authorization=Bearer S3CRET\"\n",
            "line 2, column 11: the value of `headers` does not fit, expected a table",
        ),
        ("otlp = \"S3CRET\"\n", "line 1, column 8: the value of `otlp` does not fit, expected a table"),
        (
            "datadog = \"S3CRET\"\n",
            "line 1, column 11: the value of `datadog` does not fit, expected a table",
        ),
        ("datadog = [\"S3CRET\"]\n", "line 1, column 1"),
        (
            "[datadog]\nlog_level = \"S3CRET\"\n",
            "line 2, column 13: the value of `log_level` does not fit, expected one of `ALLOW`",
        ),
        ("[datadog]\nlog_level = { S3CRET = 1 }\n", "line 2"),
        (
            "[datadog]\nagent_port = \"S3CRET\"\n",
            "line 2, column 14: the value of `agent_port` does not fit, expected a nonzero u16",
        ),
        (
            "[datadog]\napi_logger = \"a, expected S3CRET\"\n",
            "line 2, column 14: the value of `api_logger` does not fit, expected a boolean",
        ),
        ("[datadog]\nS3CRET = 1\n", "line 2, column 1: unknown key; expected one of `agent_port`"),
        (
            "[datadog]\n\"x`, expected `S3CRET\" = 1\n",
            "line 2, column 1: unknown key; expected one of `agent_port`",
        ),
        ("S3CRET = 1\n", "line 1, column 1: unknown key; expected one of `on_warning`"),
        ("deadline = \"S3CRET\"\n", "line 1, column 12: the value of `deadline` does not fit, expected"),
        ("private = [\"npm:a\", { S3CRET = 1 }]\n", "line 1"),
    ] {
        let message = load(file, &[]).unwrap_err().to_string();
        assert!(!message.contains("S3CRET") && message.contains(place), "{file}{message}");
    }
}

#[test]
fn a_variable_that_is_no_text_is_an_error_and_a_path_need_not_be() {
    use std::os::unix::ffi::OsStringExt;

    let raw = |byte: u8| OsString::from_vec(vec![b'/', b'x', byte]);
    let error = Settings::load(&|name| (name == env::SCFW_DEADLINE).then(|| raw(0xff)));
    assert!(matches!(error, Err(ConfigError::Variable { .. })));
    let settings = Settings::load(&|name| (name == env::SCFW_HOME).then(|| raw(0xff))).unwrap();
    assert_eq!(settings.directories.config, PathBuf::from(raw(0xff)));
    let relative = Directories::resolve(&|_| Some(OsString::from("here"))).unwrap();
    assert!(relative.data.is_absolute());
}

#[test]
fn a_variable_with_an_impossible_value_is_an_error() {
    for (variable, value) in [
        (env::SCFW_ON_WARNING, "maybe"),
        (env::SCFW_DEADLINE, "soon"),
        (env::SCFW_DEADLINE, "NaN"),
        (env::SCFW_DEADLINE, "0"),
    ] {
        assert!(
            matches!(load("", &[(variable, value)]), Err(ConfigError::Variable { .. })),
            "{variable}={value}"
        );
    }
}
