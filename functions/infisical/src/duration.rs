//! "TTL" texts such as `8h` or `1.5 days`: one number, perhaps a unit, nothing else.

/// The longest text that is read, in UTF-16 units as the original counts.
const MAX_LENGTH: usize = 100;
/// The longest lifetime in seconds that a certificate's 64-bit times leave room for, far beyond any use: about
/// 31,700 years.
const MAX_SECS: f64 = 1e12;

/// Why a text is not a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DurationError {
    /// It is empty or longer than 100 characters, which the original finds out elsewhere and answers differently.
    Length,
    /// It is not a positive duration.
    NotPositive,
}

/// Whole seconds, rounded up, of a lifetime as the clients write it. Without a unit the number means milliseconds.
pub(crate) fn parse(text: &str) -> Result<u64, DurationError> {
    if text.is_empty() || text.encode_utf16().count() > MAX_LENGTH {
        return Err(DurationError::Length);
    }
    let number_len = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_len);
    let millis = unit_millis(unit.trim_start_matches(' ')).ok_or(DurationError::NotPositive)?;
    let secs = (decimal(number).ok_or(DurationError::NotPositive)? * millis / 1000.0).ceil();
    if !(1.0..=MAX_SECS).contains(&secs) {
        return Err(DurationError::NotPositive);
    }
    // A whole number in that range converts exactly.
    Ok(secs as u64)
}

/// `1`, `1.5` and `.5`, but not `1.` nor `.`.
fn decimal(text: &str) -> Option<f64> {
    let fraction = text.split_once('.').map(|(_, fraction)| fraction);
    match fraction {
        Some("") => None,
        _ => text.parse().ok(),
    }
}

fn unit_millis(unit: &str) -> Option<f64> {
    const SECOND: f64 = 1000.0;
    const DAY: f64 = 86_400.0 * SECOND;
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0 * SECOND,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0 * SECOND,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        "y" | "yr" | "yrs" | "year" | "years" => 365.25 * DAY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_table_of_the_reference_holds() {
        for (text, secs) in [
            ("8h", 28_800),
            ("1y", 31_557_600),
            ("2 days", 172_800),
            ("8 H", 28_800),
            ("1.5h", 5400),
            ("1M", 60),
            ("10", 1),
            ("100ms", 1),
            ("0.5s", 1),
            ("30d", 2_592_000),
            (".5m", 30),
        ] {
            assert_eq!(parse(text), Ok(secs), "{text}");
        }
    }

    #[test]
    fn what_is_no_positive_duration_is_refused() {
        for text in [
            "0",
            "-1h",
            "abc",
            "1h30m",
            "1mo",
            " 1h",
            "1h ",
            "1.h",
            ".",
            "1..5h",
            "1e3s",
            "0x1",
            "NaN",
            "inf",
            "99999999999999y",
        ] {
            assert_eq!(parse(text), Err(DurationError::NotPositive), "{text}");
        }
        assert_eq!(parse(""), Err(DurationError::Length));
        assert_eq!(parse(&"1".repeat(101)), Err(DurationError::Length));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*", near in "[0-9.]{0,30} {0,2}[a-zA-Z]{0,12}") {
            let _ = (parse(&text), parse(&near));
        }

        #[test]
        fn seconds_come_back(secs in 1u64..1_000_000_000) {
            prop_assert_eq!(parse(&format!("{secs}s")), Ok(secs));
        }
    }
}
