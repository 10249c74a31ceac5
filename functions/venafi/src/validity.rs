//! `ValidityPeriod`: how long a certificate is valid, or until when.

use std::fmt;
use time::{Date, Month, Time};

/// What a period asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    /// So many seconds, at least one. Sums that no number holds are the largest one: they are cut to the template's.
    For(u64),
    /// Until this Unix second.
    Until(u64),
}

/// The text is not a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeriodError;

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "give a time as in '1w 2d 3h 4m 50s', lower case, one blank between its parts; or its end in UTC as yyyyMMdd \
             or yyyyMMddHHmmss",
        )
    }
}

impl Period {
    /// Reads a period. Parts may stand in any order, and repeated ones add up.
    pub(crate) fn parse(text: &str) -> Result<Self, PeriodError> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return end(text).map(Self::Until);
        }
        let mut secs: u64 = 0;
        for part in text.split(' ') {
            secs = secs.saturating_add(part_secs(part)?);
        }
        if secs == 0 {
            return Err(PeriodError);
        }
        Ok(Self::For(secs))
    }
}

fn part_secs(part: &str) -> Result<u64, PeriodError> {
    let unit = match part.bytes().last() {
        Some(b'w') => 604_800,
        Some(b'd') => 86_400,
        Some(b'h') => 3_600,
        Some(b'm') => 60,
        Some(b's') => 1,
        _ => return Err(PeriodError),
    };
    let digits = &part[..part.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PeriodError);
    }
    // All digits: only its size can keep it from being read.
    Ok(digits.parse().unwrap_or(u64::MAX).saturating_mul(unit))
}

/// `yyyyMMdd`, the beginning of that day, or `yyyyMMddHHmmss`.
fn end(digits: &str) -> Result<u64, PeriodError> {
    let clock = match digits.len() {
        8 => "000000",
        14 => &digits[8..],
        _ => return Err(PeriodError),
    };
    let number = |text: &str| text.parse::<u8>().map_err(|_| PeriodError);
    let month = Month::try_from(number(&digits[4..6])?).map_err(|_| PeriodError)?;
    let year = digits[..4].parse().map_err(|_| PeriodError)?;
    let date = Date::from_calendar_date(year, month, number(&digits[6..8])?).map_err(|_| PeriodError)?;
    let time = Time::from_hms(number(&clock[..2])?, number(&clock[2..4])?, number(&clock[4..])?)
        .map_err(|_| PeriodError)?;
    // A time before 1970 is past as well.
    u64::try_from(date.with_time(time).assume_utc().unix_timestamp()).map_err(|_| PeriodError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_form_has_its_length() {
        for (text, secs) in [
            ("1w 2d 3h 4m 50s", 788_690),
            ("4h", 14_400),
            ("90m", 5_400),
            ("1h 30m", 5_400),
            ("30m 1h", 5_400),
            ("1h 1h", 7_200),
            ("007d", 604_800),
            ("99999999999w", 60_479_999_999_395_200),
            ("99999999999999999999999w 1s", u64::MAX),
        ] {
            assert_eq!(Period::parse(text), Ok(Period::For(secs)), "{text}");
        }
        for (text, secs) in [
            ("20251217", 1_765_929_600),
            ("20251217235900", 1_766_015_940),
            ("20240229", 1_709_164_800),
            ("20241231235959", 1_735_689_599),
        ] {
            assert_eq!(Period::parse(text), Ok(Period::Until(secs)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            " ",
            "0s",
            "0h 0m",
            "-1h",
            "+1h",
            "1.5h",
            "3600",
            "1x",
            "1H",
            "4h ",
            " 4h",
            "1h  30m",
            "1h,30m",
            "h",
            "1",
            "20250230",
            "20230229",
            "20251301",
            "20251217240000",
            "20251217236000",
            "20251217235960",
            "202512172359",
            "2025121723",
            "19691231",
            "00000000",
            "1h30m",
            "1 h",
            "１h",
        ] {
            assert_eq!(Period::parse(bad), Err(PeriodError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn the_parts_add_up(parts in prop::collection::vec((0u64..100_000, 0usize..5), 1..6)) {
            const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
            let text: Vec<String> = parts.iter().map(|(count, unit)| format!("{count}{}", UNITS[*unit].0)).collect();
            let sum: u64 = parts.iter().map(|(count, unit)| count * UNITS[*unit].1).sum();
            let expected = if sum == 0 { Err(PeriodError) } else { Ok(Period::For(sum)) };
            prop_assert_eq!(Period::parse(&text.join(" ")), expected);
        }

        #[test]
        fn a_second_is_read_back(secs in 0i64..253_402_300_800) {
            let at = time::OffsetDateTime::from_unix_timestamp(secs).unwrap();
            let day = format!("{:04}{:02}{:02}", at.year(), u8::from(at.month()), at.day());
            let text = format!("{day}{:02}{:02}{:02}", at.hour(), at.minute(), at.second());
            let secs = u64::try_from(secs).unwrap();
            prop_assert_eq!(Period::parse(&text), Ok(Period::Until(secs)));
            prop_assert_eq!(Period::parse(&day), Ok(Period::Until(secs - secs % 86_400)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", digits in "[0-9]{0,20}") {
            let _ = (Period::parse(&text), Period::parse(&digits));
        }
    }
}
