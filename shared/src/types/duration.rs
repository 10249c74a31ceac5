use std::fmt;

/// The longest duration, as in Go: 2^63 nanoseconds, about 292 years.
const MAX_SECS: u64 = 9_223_372_036;

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// It is negative.
    Negative,
    /// It is neither seconds nor numbers with units.
    NotADuration,
    /// It is longer than 292 years.
    TooLong,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negative => "a duration cannot be negative",
            Self::NotADuration => {
                "a duration is a number of seconds, or numbers with units as in 1h30m or 7d"
            }
            Self::TooLong => "a duration cannot be longer than 292 years",
        })
    }
}

impl std::error::Error for DurationError {}

/// Reads a duration as Go programs write it, in whole seconds (fractions are cut): `3600`, `4h`, `1h30m`, `1.5h`,
/// `500ms`; also whole days alone, `7d`.
///
/// # Errors
/// [`DurationError`].
pub fn parse_duration(text: &str) -> Result<u64, DurationError> {
    if let Some(rest) = text.strip_prefix('-') {
        return Err(parse_duration(rest).err().unwrap_or(DurationError::Negative));
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Some(days) = text.strip_suffix('d') {
        return checked(whole_number(days)?.checked_mul(86_400));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return checked(Some(whole_number(text)?));
    }
    let nanos = units(text)?;
    checked(u64::try_from(nanos / 1_000_000_000).ok())
}

fn checked(secs: Option<u64>) -> Result<u64, DurationError> {
    secs.filter(|secs| *secs <= MAX_SECS)
        .ok_or(DurationError::TooLong)
}

fn whole_number(digits: &str) -> Result<u64, DurationError> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::NotADuration);
    }
    digits.parse().map_err(|_| DurationError::TooLong)
}

/// The sum of numbers with units, in nanoseconds.
fn units(mut text: &str) -> Result<u128, DurationError> {
    let mut nanos: u128 = 0;
    while !text.is_empty() {
        let number_len = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(DurationError::NotADuration)?;
        let (number, rest) = text.split_at(number_len);
        let unit_len = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(unit_len);
        let part = decimal(number, unit_nanos(unit).ok_or(DurationError::NotADuration)?)?;
        nanos = nanos.checked_add(part).ok_or(DurationError::TooLong)?;
        text = rest;
    }
    Ok(nanos)
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `number` (digits, at most one point, at least one digit) times `unit`.
fn decimal(number: &str, unit: u128) -> Result<u128, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::NotADuration);
    }
    let whole = if whole.is_empty() { 0 } else { whole_number(whole)? };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::NotADuration);
    }
    // Eighteen decimals are finer than any count of nanoseconds can show, and fit a u64.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(18));
    let fraction = if fraction.is_empty() {
        0
    } else {
        u128::from(whole_number(fraction)?)
    };
    Ok(u128::from(whole) * unit + fraction * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, secs) in [
            ("3600", 3600),
            ("0", 0),
            ("4h", 14_400),
            ("30m0s", 1800),
            ("1h30m", 5400),
            ("1.5h", 5400),
            ("500ms", 0),
            ("1500ms", 1),
            ("1500000000ns", 1),
            ("2500000us", 2),
            ("2500000µs", 2),
            ("2500000μs", 2),
            ("7d", 604_800),
            (".5m", 30),
            ("1.h", 3600),
            ("+5s", 5),
            ("87600h0m0s", 315_360_000),
            ("9223372036", MAX_SECS),
            ("9223372036.9s", MAX_SECS),
        ] {
            assert_eq!(parse_duration(text), Ok(secs), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in [
            "", " ", "1d12h", "1.5", "h", ".h", "1..5h", "1 h", "1H", "1y", "d", "1.2.3h", "0x10", "1e9s",
            "++5", "+-5s", "++5d", "1.+5h", "-x",
        ] {
            assert_eq!(parse_duration(text), Err(DurationError::NotADuration), "{text:?}");
        }
        for text in ["-5", "-1h"] {
            assert_eq!(parse_duration(text), Err(DurationError::Negative), "{text}");
        }
        for text in ["9223372037", "99999999999999999999", "3000000h", "200000d"] {
            assert_eq!(parse_duration(text), Err(DurationError::TooLong), "{text}");
        }
    }

    #[test]
    fn whoever_writes_no_duration_reads_why() {
        for (text, reason) in [
            ("-1h", "a duration cannot be negative"),
            (
                "300y",
                "a duration is a number of seconds, or numbers with units as in 1h30m or 7d",
            ),
            ("200000d", "a duration cannot be longer than 292 years"),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().to_string(), reason);
        }
    }

    proptest! {
        #[test]
        fn hours_minutes_and_seconds_add_up(h in 0u64..1000, m in 0u64..100, s in 0u64..100) {
            prop_assert_eq!(parse_duration(&format!("{h}h{m}m{s}s")), Ok(h * 3600 + m * 60 + s));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", near in "[0-9.]{0,30}[a-zµ]{0,2}[0-9.]{0,30}[a-z]{0,2}") {
            let _ = (parse_duration(&text), parse_duration(&near));
        }
    }
}
