//! Times on the wire: RFC 3339. Any offset and fraction is read; whole seconds of UTC are kept and written.

use ::time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// 9999-12-31T23:59:59Z: RFC 3339 has no later time. A certificate of another family without an end is shown with it.
const LAST: i64 = 253_402_300_799;

/// The text of `unix_secs`.
pub(crate) fn render(unix_secs: u64) -> String {
    let secs = i64::try_from(unix_secs).unwrap_or(LAST).min(LAST);
    let time = OffsetDateTime::from_unix_timestamp(secs).expect("a time before the year 10000 is one");
    time.format(&Rfc3339).expect("it has a form in RFC 3339")
}

/// The Unix second that `text` names, rounded down; `None` where it is not RFC 3339, or before 1970.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(render(1_737_483_592), "2025-01-21T18:19:52Z");
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

    #[test]
    fn endless_is_the_last_second_that_can_be_written() {
        assert_eq!(render(u64::MAX), "9999-12-31T23:59:59Z");
    }

    proptest! {
        #[test]
        fn times_are_read_back(secs in 0..=LAST as u64) {
            prop_assert_eq!(parse(&render(secs)), Some(secs));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = parse(&text);
        }
    }
}
