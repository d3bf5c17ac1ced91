use proptest::prelude::*;

use super::*;

fn release(version: &str, published: &str) -> Release {
    Release {
        artifact: format!("a-{version}.tar.gz"),
        version: version.to_owned(),
        published: published.parse().ok(),
        is_withdrawn: false,
        file: None,
    }
}

fn history(releases: &[(&str, &str)]) -> History {
    let releases = releases.iter().map(|(version, published)| release(version, published)).collect();
    History { modified: None, releases }
}

fn newest(history: &History, ecosystem: Ecosystem) -> Option<&str> {
    history.newest_by("2021-01-01T00:00:00Z".parse().unwrap(), ecosystem)
}

#[test]
fn the_newest_old_version_is_by_the_order_of_the_ecosystem_and_stable() {
    let old = "2020-01-01T00:00:00Z";
    let fresh = "2021-01-01T00:00:01Z";
    let numbers =
        history(&[("1.9.0", old), ("1.10.0", old), ("2.0.0-rc.1", old), ("1.11.0", fresh), ("odd", old)]);
    assert_eq!(newest(&numbers, Ecosystem::Npm), Some("1.10.0"));
    assert_eq!(newest(&history(&[("1.0.0-a", old), ("1.0.0-b", old)]), Ecosystem::Npm), Some("1.0.0-b"));
    let python = history(&[("1.0", old), ("1!0.1", old), ("2.0.dev1", old), ("3.0", "")]);
    assert_eq!(newest(&python, Ecosystem::PyPi), Some("1!0.1"));
    assert_eq!(newest(&history(&[("1.0", fresh)]), Ecosystem::PyPi), None);
    // A file that was added to an old version makes it a new one.
    assert_eq!(newest(&history(&[("1.0", old), ("2.0", old), ("2.0", fresh)]), Ecosystem::PyPi), Some("1.0"));
    let mut withdrawn = history(&[("1.0", old), ("2.0", old)]);
    withdrawn.releases[1].is_withdrawn = true;
    assert_eq!(newest(&withdrawn, Ecosystem::PyPi), Some("1.0"));
}

#[test]
fn a_short_answer_settles_what_is_older_than_the_last_change() {
    let project = Project::new(Ecosystem::Npm, "https://host.example/", "a").unwrap();
    let enough = "2021-01-01T00:00:00Z".parse().unwrap();
    let question =
        Question { project, artifacts: vec!["a-1.0.0.tar.gz".to_owned()], enough, is_for_files: false };
    let mut history = history(&[("1.0.0", "")]);
    assert!(!history.settles(&question), "nothing is known");
    history.modified = "2021-01-01T00:00:01Z".parse().ok();
    assert!(!history.settles(&question), "something was published since");
    history.modified = Some(enough);
    assert!(history.settles(&question));
    history.modified = None;
    history.releases[0].published = "2021-06-01T00:00:00Z".parse().ok();
    assert!(history.settles(&question), "its own time is known");
    history.releases.clear();
    assert!(history.settles(&question), "what is not listed is in no longer answer");
}

proptest! {
    #[test]
    fn what_is_named_can_be_typed_and_is_old(versions in proptest::collection::vec((".{0,12}", 0i64..100), 0..20)) {
        let releases = versions.iter().map(|(version, second)| Release {
            artifact: version.clone(),
            version: version.clone(),
            published: Timestamp::from_second(*second).ok(),
            is_withdrawn: false,
            file: None,
        });
        let history = History { modified: None, releases: releases.collect() };
        for ecosystem in Ecosystem::ALL {
            if let Some(version) = history.newest_by(Timestamp::from_second(50).unwrap(), ecosystem) {
                prop_assert!(versions.iter().any(|(known, second)| known == version && *second <= 50));
                prop_assert!(!version.contains(['\'', '"', ' ', ';', '$', '`', '&', '|', '\\', '\n']));
            }
        }
    }
}
