//! Moments as people write them on the command line.

use anyhow::{Context, Result};
use countersign::types::{parse_duration, timestamp};

/// Reads a moment: a date, a date and time in RFC 3339, or a duration before `now`.
pub(crate) fn parse(text: &str, now: u64) -> Result<u64> {
    if let Ok(ago) = parse_duration(text) {
        return Ok(now.saturating_sub(ago));
    }
    parse_date_time(text).with_context(|| {
        format!(
            "{text:?} is not a time: write 2026-11-24, 2026-11-24T17:33:06Z, or how long ago, as in 90m or 7d"
        )
    })
}

/// As RFC 3339, but for what people leave out: the time is midnight then, and the offset none.
fn parse_date_time(text: &str) -> Option<u64> {
    let text = text.replacen(' ', "T", 1);
    let text = if text.contains('T') {
        text
    } else {
        text + "T00:00:00"
    };
    timestamp::parse(&text).or_else(|| timestamp::parse(&(text + "Z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_and_without_their_time_and_offset() {
        for (text, secs) in [
            ("2000-02-29", 951_782_400),
            ("2000-02-29T00:00:01", 951_782_401),
            ("2000-02-29 00:00:01", 951_782_401),
            ("2000-02-29T00:00:01Z", 951_782_401),
            ("2000-02-29 00:00:01Z", 951_782_401),
            ("2000-02-29T01:00:01+01:00", 951_782_401),
        ] {
            assert_eq!(parse(text, 0).unwrap(), secs, "{text}");
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
