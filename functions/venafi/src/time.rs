//! Times as this API writes them; where it writes ISO 8601, its texts are those of RFC 3339.

/// `/Date(milliseconds)/`.
pub(crate) fn date(unix_secs: u64) -> String {
    format!("/Date({})/", unix_secs.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_milliseconds() {
        assert_eq!(date(1_795_322_376), "/Date(1795322376000)/");
        assert_eq!(date(u64::MAX), "/Date(18446744073709551615)/");
    }
}
