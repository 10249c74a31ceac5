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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Gives these numbers, one after the other.
    struct Numbers(Mutex<Vec<u64>>);

    impl Random for Numbers {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
            let number = self.0.lock().expect("nobody panicked").remove(0);
            bytes.copy_from_slice(&number.to_be_bytes());
            Ok(())
        }
    }

    #[test]
    fn zero_is_no_serial_and_is_drawn_again() {
        assert_eq!(Serial::parse(0), None);
        let serial = Serial::draw(&Numbers(Mutex::new(vec![0, 0, 7]))).expect("7 is one");
        assert_eq!((serial.value(), serial.to_string().as_str()), (7, "7"));
    }
}
