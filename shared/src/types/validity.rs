use std::fmt;

/// When a certificate is good: from `valid_after` until just before `valid_before`, in Unix seconds. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValidityWindow {
    valid_after: u64,
    valid_before: u64,
}

/// Why two times are not a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidityError {
    /// It would end before it began, or in the same second.
    Empty,
    /// It would end after 2^63 seconds without being endless: some implementations read that as negative.
    TooFar,
}

impl fmt::Display for ValidityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a certificate must end after it begins",
            Self::TooFar => "a certificate cannot end that late",
        })
    }
}

impl std::error::Error for ValidityError {}

impl ValidityWindow {
    /// No end (draft-miller-ssh-cert §2.1).
    const FOREVER: u64 = u64::MAX;

    /// The window from `valid_after` to `valid_before`, both in Unix seconds.
    ///
    /// # Errors
    /// [`ValidityError`].
    pub fn parse(valid_after: u64, valid_before: u64) -> Result<Self, ValidityError> {
        if valid_after >= valid_before {
            return Err(ValidityError::Empty);
        }
        if valid_before > i64::MAX as u64 && valid_before != Self::FOREVER {
            return Err(ValidityError::TooFar);
        }
        Ok(Self {
            valid_after,
            valid_before,
        })
    }

    /// The window from `valid_after` on, without an end.
    ///
    /// # Errors
    /// `Empty` for the one second that cannot begin a window.
    pub fn forever(valid_after: u64) -> Result<Self, ValidityError> {
        Self::parse(valid_after, Self::FOREVER)
    }

    /// The first second in which the certificate is good.
    pub fn valid_after(self) -> u64 {
        self.valid_after
    }

    /// The first second in which it is not good any more.
    pub fn valid_before(self) -> u64 {
        self.valid_before
    }

    /// Its length in seconds, for tests: what a role allows is counted from now, not from the window's start.
    #[cfg(any(test, feature = "test-util"))]
    pub fn length_secs(self) -> u64 {
        self.valid_before - self.valid_after
    }

    /// Whether the certificate is good at `now` (Unix seconds).
    pub fn contains(self, now: u64) -> bool {
        (self.valid_after..self.valid_before).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_half_open_and_never_empty() {
        let window = ValidityWindow::parse(10, 20).unwrap();
        assert_eq!(
            [9, 10, 19, 20].map(|now| window.contains(now)),
            [false, true, true, false]
        );
        assert_eq!(window.length_secs(), 10);
        assert_eq!(ValidityWindow::parse(10, 10), Err(ValidityError::Empty));
        assert_eq!(ValidityWindow::parse(20, 10), Err(ValidityError::Empty));
    }

    #[test]
    fn the_only_end_beyond_63_bits_is_none_at_all() {
        assert_eq!(ValidityWindow::parse(0, u64::MAX), ValidityWindow::forever(0));
        assert_eq!(ValidityWindow::parse(0, u64::MAX - 1), Err(ValidityError::TooFar));
        assert_eq!(ValidityWindow::parse(0, 1 << 63), Err(ValidityError::TooFar));
        assert!(ValidityWindow::parse(0, i64::MAX as u64).is_ok());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert_eq!(
            ValidityError::Empty.to_string(),
            "a certificate must end after it begins"
        );
        assert_eq!(
            ValidityError::TooFar.to_string(),
            "a certificate cannot end that late"
        );
    }
}
