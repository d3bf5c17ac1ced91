//! The words about a version that is too young.

use jiff::{SignedDuration, Timestamp};

use crate::manager::Manager;
use crate::package::Package;

/// The time by which clocks may differ without anybody being wrong.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A version that is too young.
pub(super) struct Young<'a> {
    pub(super) package: &'a Package,
    pub(super) published: Timestamp,
    /// The minimum age.
    pub(super) minimum: SignedDuration,
    pub(super) now: Timestamp,
    pub(super) instead: Instead<'a>,
    /// The manager whose user is told.
    pub(super) manager: &'static dyn Manager,
}

/// The version that could be installed in its place.
pub(super) enum Instead<'a> {
    /// Nobody could be asked.
    Unknown,
    /// None is old enough.
    Nothing,
    /// This one.
    Version(&'a str),
}

/// The sentence: how old it is, when it will be old enough, and the version to install until then.
pub(super) fn young(young: &Young<'_>) -> String {
    let Young { package, published, minimum, now, instead, manager } = young;
    let age = now.duration_since(*published);
    let publication = if age < -SKEW {
        format!(
            "is said to have been published on {} UTC, which is in the future: check this computer's clock; it",
            minute(*published)
        )
    } else if age < SignedDuration::from_mins(1) {
        "was published just now and".to_owned()
    } else {
        format!("was published {} ago and", span(age))
    };
    let from = published.checked_add(*minimum).unwrap_or(Timestamp::MAX);
    let instead = match instead {
        Instead::Unknown => String::new(),
        Instead::Nothing => "; no version of it is yet".to_owned(),
        Instead::Version(version) => format!(
            "; {version} is the newest version that already is: {}",
            manager.install_command(package, version)
        ),
    };
    format!(
        "Package {package} {publication} will be old enough ({}) on {} UTC{instead}",
        span(*minimum),
        minute(round_up(from))
    )
}

/// `40 minutes`, `30 hours`, `3 days`: in whole units, at least two of them if possible.
fn span(duration: SignedDuration) -> String {
    let (count, unit) = match duration.as_mins() {
        minutes @ ..120 => (minutes, "minute"),
        minutes @ ..4320 => (minutes / 60, "hour"),
        minutes if minutes % 1440 == 0 || minutes >= 14_400 => (minutes / 1440, "day"),
        minutes => (minutes / 60, "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The next full minute, so that nothing is promised too early.
fn round_up(time: Timestamp) -> Timestamp {
    let seconds = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    let minutes = seconds.div_euclid(60) + i64::from(seconds.rem_euclid(60) > 0);
    Timestamp::from_second(minutes * 60).unwrap_or(Timestamp::MAX)
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::adviser;
    use crate::package::Ecosystem;
    use proptest::prelude::*;

    fn say(published: &str, hours: i64, instead: Instead<'_>, ecosystem: Ecosystem) -> String {
        let now = "2026-01-10T12:00:00Z".parse().unwrap();
        let package = Package::new(ecosystem, "Some_Name", Some("2.0.0"));
        let published = published.parse().unwrap();
        young(&Young {
            package: &package,
            published,
            minimum: SignedDuration::from_hours(hours),
            now,
            instead,
            manager: adviser(None, ecosystem),
        })
    }

    #[test]
    fn it_says_how_old_when_it_will_be_old_enough_and_what_already_is() {
        assert_eq!(
            say("2026-01-10T09:59:30Z", 24, Instead::Version("1.9.0"), Ecosystem::Npm),
            "Package Some_Name@2.0.0 was published 2 hours ago and will be old enough (24 hours) on 2026-01-11 10:00 UTC; \
             1.9.0 is the newest version that already is: npm install Some_Name@1.9.0"
        );
        assert_eq!(
            say("2026-01-06T12:00:00.5Z", 168, Instead::Version("1!1.0"), Ecosystem::PyPi),
            "Package Some_Name-2.0.0 was published 95 hours ago and will be old enough (7 days) on 2026-01-13 12:01 UTC; \
             1!1.0 is the newest version that already is: pip install 'some-name==1!1.0'"
        );
        assert_eq!(
            say("2026-01-10T12:04:00Z", 1, Instead::Nothing, Ecosystem::Npm),
            "Package Some_Name@2.0.0 was published just now and will be old enough (60 minutes) on 2026-01-10 13:04 UTC; \
             no version of it is yet"
        );
        assert_eq!(
            say("2027-01-01T00:00:00Z", 24, Instead::Unknown, Ecosystem::Npm),
            "Package Some_Name@2.0.0 is said to have been published on 2027-01-01 00:00 UTC, which is in the future: \
             check this computer's clock; it will be old enough (24 hours) on 2027-01-02 00:00 UTC"
        );
    }

    #[test]
    fn spans_are_in_units_that_say_something() {
        for (minutes, text) in [
            (1, "1 minute"),
            (119, "119 minutes"),
            (120, "2 hours"),
            (1440, "24 hours"),
            (4319, "71 hours"),
            (4320, "3 days"),
            (4330, "72 hours"),
            (14_450, "10 days"),
        ] {
            assert_eq!(span(SignedDuration::from_mins(minutes)), text);
        }
    }

    proptest! {
        #[test]
        fn no_time_panics_or_promises_too_early(
            published in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
            now in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
            hours in 0i64..90_000,
        ) {
            let [published, now] = [published, now].map(|second| Timestamp::from_second(second).unwrap());
            let package = Package::new(Ecosystem::Npm, "a", Some("1.0.0"));
            let minimum = SignedDuration::from_hours(hours);
            let instead = Instead::Unknown;
            let sentence = young(&Young { package: &package, published, minimum, now, instead, manager: adviser(None, Ecosystem::Npm) });
            prop_assert!(sentence.starts_with("Package a@1.0.0 "));
            prop_assert!(round_up(published) >= published && round_up(published).as_second() - published.as_second() < 60);
        }
    }
}
