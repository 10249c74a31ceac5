//! Times for people: UTC, as RFC 3339 writes it.

use anyhow::{Result, bail};
use countersign::types::parse_duration;

const SECS_PER_DAY: u64 = 86_400;

/// `2026-11-24T17:33:06Z`
pub(crate) fn format(unix_secs: u64) -> String {
    // Beyond year 9999 the text would not be RFC 3339 any more.
    let unix_secs = unix_secs.min(253_402_300_799);
    let (year, month, day) = date_of(unix_secs / SECS_PER_DAY);
    let second = unix_secs % SECS_PER_DAY;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads a moment: a date, a date and time in UTC, or a duration before `now`.
pub(crate) fn parse(text: &str, now: u64) -> Result<u64> {
    if let Ok(ago) = parse_duration(text) {
        return Ok(now.saturating_sub(ago));
    }
    if let Some(moment) = parse_date_time(text) {
        return Ok(moment);
    }
    bail!("{text:?} is not a time: write 2026-11-24, 2026-11-24T17:33:06Z, or how long ago, as in 90m or 7d")
}

fn parse_date_time(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.strip_suffix('Z').unwrap_or(time)),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let days = days_until(year, month, day)?;
    // A date that does not exist, as 31 February, comes back as another.
    let exists = date_of(days) == (year, month, day) && hour < 24 && minute < 60 && second < 60;
    exists.then_some(days * SECS_PER_DAY + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Vec<u64> = text
        .split(separator)
        .map(|part| {
            part.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| part.parse().ok())?
        })
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant, `civil_from_days`).
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // 0 is March
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The reverse, `days_from_civil`, for the years 1970 to 9999.
fn days_until(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_and_read() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(format(secs), text);
            assert_eq!(parse(text, 0).unwrap(), secs);
        }
        assert_eq!(format(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn every_day_is_read_back() {
        for day in 0..100_000 {
            let text = format(day * SECS_PER_DAY);
            assert_eq!(parse(&text[..10], 0).unwrap(), day * SECS_PER_DAY);
        }
    }

    #[test]
    fn durations_count_back_from_now() {
        assert_eq!(parse("90m", 10_000).unwrap(), 4600);
        assert_eq!(parse("7d", 10_000).unwrap(), 0);
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-30",
            "2026-11-24T25:00:00Z",
            "2026-11",
            "1969-12-31",
        ] {
            assert!(parse(bad, 0).is_err(), "{bad}");
        }
    }
}
