//! Random bytes. The only module that asks for them, so that tests can repeat them.

use crate::{error::Error, types::SecretToken};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// Gives random bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes` with bytes that nobody can predict.
    ///
    /// # Errors
    /// `Unavailable` where the source of randomness fails.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error>;
}

/// `N` random bytes.
///
/// # Errors
/// As [`Random::fill`].
pub fn bytes<const N: usize>(random: &dyn Random) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// A random UUID (version 4), in its usual text form. It names things; it has too few random bits for a secret.
///
/// # Errors
/// As [`Random::fill`].
pub fn uuid(random: &dyn Random) -> Result<String, Error> {
    let mut number = u128::from_be_bytes(bytes(random)?);
    // RFC 9562, section 5.4: the version in bits 48 to 51, the variant in bits 64 and 65.
    number = number & !(0xf << 76) | 4 << 76;
    number = number & !(0b11 << 62) | 0b10 << 62;
    Ok(in_uuid_form(number))
}

/// A secret of 128 random bits in the text form of a UUID. It is none: no bit says which version.
///
/// # Errors
/// As [`Random::fill`].
pub fn secret_in_uuid_form(random: &dyn Random) -> Result<SecretToken, Error> {
    Ok(SecretToken::new(in_uuid_form(u128::from_be_bytes(bytes(
        random,
    )?))))
}

fn in_uuid_form(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// The cryptographic random number generator of aws-lc.
#[derive(Debug, Default)]
pub struct SystemRandomSource(SystemRandom);

impl Random for SystemRandomSource {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        self.0
            .fill(bytes)
            .map_err(|_| Error::unavailable("the random number generator failed"))
    }
}

/// The same bytes after every start: a counter, hashed. For tests that compare output.
#[cfg(feature = "test-util")]
#[derive(Debug, Default)]
pub struct SeededRandom(std::sync::atomic::AtomicU64);

#[cfg(feature = "test-util")]
impl SeededRandom {
    /// A source that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.into())
    }
}

#[cfg(feature = "test-util")]
impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        for chunk in bytes.chunks_mut(32) {
            let counter = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &counter.to_be_bytes());
            chunk.copy_from_slice(&digest.as_ref()[..chunk.len()]);
        }
        Ok(())
    }
}
