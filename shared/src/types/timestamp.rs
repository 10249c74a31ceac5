//! Moments as text: RFC 3339, in whole seconds of UTC.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// 9999-12-31T23:59:59Z: RFC 3339 has no later second.
const LAST: i64 = 253_402_300_799;

/// `unix_secs` as `2026-11-24T17:33:06Z`; what comes after the year 9999 as that year's last second.
pub fn render(unix_secs: u64) -> String {
    let secs = i64::try_from(unix_secs).unwrap_or(LAST).min(LAST);
    let moment = OffsetDateTime::from_unix_timestamp(secs).expect("a second before the year 10000 is one");
    moment
        .format(&Rfc3339)
        .expect("a year of four digits has a form in RFC 3339")
}

/// The Unix second that `text` names, rounded down, whatever its offset; `None` where it is not RFC 3339, or before
/// 1970.
pub fn parse(text: &str) -> Option<u64> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(moment.unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seconds_become_dates() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_737_483_592, "2025-01-21T18:19:52Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST as u64, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(render(secs), text);
        }
    }

    #[test]
    fn any_offset_and_fraction_is_read_as_whole_seconds_of_utc() {
        for text in [
            "2025-01-21T18:19:52Z",
            "2025-01-21T13:19:52-05:00",
            "2025-01-21T18:19:52.999Z",
            "2025-01-21T23:49:52.5+05:30",
        ] {
            assert_eq!(parse(text), Some(1_737_483_592), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "1737483592",
            "2025-01-21",
            "2025-02-30T00:00:00Z",
            "2025-01-21T18:19:52",
            "1969-12-31T23:59:59Z",
            "Tue, 21 Jan 2025 18:19:52 GMT",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn seconds_are_read_back(secs in 0..=LAST as u64) {
            prop_assert_eq!(parse(&render(secs)), Some(secs));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = parse(&text);
        }
    }
}
