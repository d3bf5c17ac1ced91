//! Points in time as people write and read them, in the time zone of this machine.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// A text that is no point in time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    /// The text is neither a duration nor a date.
    #[error("{0:?} is neither a duration (12h, 7d, 4w) nor a date (2026-01-31)")]
    Form(String),
    /// The time is so far away that no calendar has it.
    #[error("{0:?} is too far away")]
    Far(String),
}

/// The time that `text` says, in Unix seconds: a duration goes back from `now`, a date means its beginning.
pub fn since(text: &str, now: i64) -> Result<i64, TimeError> {
    read(text, now, -1)
}

/// The time that `text` says, in Unix seconds: a duration goes on from `now`, a date means its end.
pub fn until(text: &str, now: i64) -> Result<i64, TimeError> {
    read(text, now, 1)
}

fn read(text: &str, now: i64, direction: i64) -> Result<i64, TimeError> {
    let text = text.trim();
    let form = || TimeError::Form(text.to_owned());
    let far = |_| TimeError::Far(text.to_owned());
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_second());
    }
    let zone = TimeZone::system();
    let is_date = text.len() == "2026-01-31".len();
    if is_date && let Ok(date) = text.parse::<Date>() {
        let day = if direction > 0 { date.tomorrow().map_err(far)? } else { date };
        return Ok(day.to_zoned(zone).map_err(far)?.timestamp().as_second());
    }
    if text.len() > "2026-01-31".len()
        && let Ok(time) = text.parse::<DateTime>()
    {
        return Ok(time.to_zoned(zone).map_err(far)?.timestamp().as_second());
    }
    let span: Span = text.parse().map_err(|_| form())?;
    if !span.is_positive() {
        return Err(form());
    }
    let now = Timestamp::from_second(now).map_err(far)?.to_zoned(zone);
    let time: Zoned =
        if direction > 0 { now.checked_add(span) } else { now.checked_sub(span) }.map_err(far)?;
    Ok(time.timestamp().as_second())
}

/// A time (Unix seconds) for people: `2026-01-31 15:04`.
#[must_use]
pub fn local(seconds: i64) -> String {
    let Ok(time) = Timestamp::from_second(seconds) else { return "an unknown time".to_owned() };
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// A time (Unix seconds) for programs, in UTC (RFC 3339); none if no calendar has it.
#[must_use]
pub fn rfc3339(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_800_000_000;
    const HOUR: i64 = 3600;

    #[test]
    fn durations_go_from_now() {
        assert_eq!(since("12h", NOW), Ok(NOW - 12 * HOUR));
        assert_eq!(until("90m", NOW), Ok(NOW + 90 * 60));
        // A day is one of the calendar: where clocks change it has 23 or 25 hours.
        assert!((until("4w", NOW).unwrap() - NOW - 4 * 7 * 24 * HOUR).abs() <= HOUR);
        assert!((since(" 7d ", NOW).unwrap() - NOW + 7 * 24 * HOUR).abs() <= HOUR);
    }

    #[test]
    fn a_date_is_a_day_from_its_beginning_to_its_end() {
        let (start, end) = (since("2026-01-31", NOW).unwrap(), until("2026-01-31", NOW).unwrap());
        assert_eq!(end - start, 24 * HOUR);
        assert_eq!(local(start), "2026-01-31 00:00");
        assert_eq!(until("2026-01-31T12:00", NOW).unwrap(), start + 12 * HOUR);
        assert_eq!(since("1970-01-01T00:01:00Z", NOW), Ok(60));
        assert_eq!(rfc3339(60).unwrap(), "1970-01-01T00:01:00Z");
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in ["", "7", "d", "-7d", "7d ago", "0d", "soon", "2026-13-01", "2026-02-30", "31.12.2026"] {
            assert!(matches!(until(wrong, NOW), Err(TimeError::Form(_))), "{wrong}");
        }
        assert!(until("999999w", NOW).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[-0-9a-zT:. ]{0,20}", now: i64) {
            drop((since(&text, now), until(&text, now), local(now), rfc3339(now)));
        }
    }
}
