//! Times as this API writes them.

use countersign::types::timestamp;

/// `unix_secs` as `2027-01-15T08:00:00.000Z`: the product shows milliseconds, and we keep none.
pub(crate) fn iso_time(unix_secs: u64) -> String {
    timestamp::render(unix_secs).replace('Z', ".000Z")
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
