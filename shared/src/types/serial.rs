use crate::{error::Error, random::Random};
use std::fmt;

/// The number of a certificate, never 0: sshd cannot revoke number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(u64);

impl Serial {
    /// This number, unless it is 0.
    pub fn parse(value: u64) -> Option<Self> {
        (value != 0).then_some(Self(value))
    }

    /// A number that nobody can foresee.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn draw(random: &dyn Random) -> Result<Self, Error> {
        loop {
            if let Some(serial) = Self::parse(u64::from_be_bytes(crate::random::bytes(random)?)) {
                return Ok(serial);
            }
        }
    }

    /// The number.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
