//! Times as this API writes them.

use ::time::OffsetDateTime;

/// 9999-12-31T23:59:59Z: what ends later is shown so.
const LAST: u64 = 253_402_300_799;

/// `unix_secs` as `2027-01-15T08:00:00.000Z`.
pub(crate) fn iso_time(unix_secs: u64) -> String {
    let secs = i64::try_from(unix_secs.min(LAST)).expect("the last second of the year 9999 fits");
    let time = OffsetDateTime::from_unix_timestamp(secs).expect("a time before the year 10000 is one");
    let (hour, minute, second) = time.to_hms();
    format!("{}T{hour:02}:{minute:02}:{second:02}.000Z", time.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_end_with_z() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_800_000_000, "2027-01-15T08:00:00.000Z"),
            (u64::MAX, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(iso_time(secs), text);
        }
    }
}
