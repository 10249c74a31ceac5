//! Times as this API writes them.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// `/Date(milliseconds)/`.
pub(crate) fn date(unix_secs: u64) -> String {
    format!("/Date({})/", unix_secs.saturating_mul(1000))
}

/// `2026-11-22T04:39:36Z`; empty where the year has more than four digits.
pub(crate) fn iso8601(unix_secs: u64) -> String {
    let secs = i64::try_from(unix_secs).ok();
    let time = secs.and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok());
    time.and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_of_the_same_second() {
        assert_eq!(date(1_795_322_376), "/Date(1795322376000)/");
        assert_eq!(iso8601(1_795_322_376), "2026-11-22T04:39:36Z");
        assert_eq!(iso8601(u64::MAX), "");
    }
}
