use super::sha256_hex;
use crate::{error::Error, random::Random};
use aws_lc_rs::constant_time;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;
use zeroize::Zeroizing;

/// A secret that proves who its bearer is. It prints as `[redacted]`, is wiped when dropped, and is stored only as
/// its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretToken(Zeroizing<String>);

impl SecretToken {
    /// Takes `text` for a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// A new secret of 256 random bits behind `prefix`, by which scanners find it where it leaked.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn draw(prefix: &str, random: &dyn Random) -> Result<Self, Error> {
        let bytes = Zeroizing::new(crate::random::bytes::<32>(random)?);
        Ok(Self(Zeroizing::new(format!(
            "{prefix}{}",
            URL_SAFE_NO_PAD.encode(*bytes)
        ))))
    }

    /// The secret itself, for its owner's eyes.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The lower-case hex SHA-256 under which it is stored. Only a secret with far more than 128 random bits may be
    /// stored so; a password may not.
    pub fn hash(&self) -> String {
        sha256_hex(self.0.as_bytes())
    }

    /// Whether this is the secret with that [`hash`](Self::hash). Takes the same time wherever they differ.
    pub fn has_hash(&self, hash: &str) -> bool {
        constant_time::verify_slices_are_equal(self.hash().as_bytes(), hash.as_bytes()).is_ok()
    }
}

impl fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for SecretToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandomSource;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = SecretToken::draw("csn_", &SystemRandomSource::default()).unwrap();
        assert!(secret.reveal().starts_with("csn_") && secret.reveal().len() == 47);
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
    }

    #[test]
    fn a_secret_is_known_by_its_hash() {
        let secret = SecretToken::new("abc");
        assert_eq!(
            secret.hash(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(secret.has_hash(&secret.hash()));
        assert!(!SecretToken::new("abd").has_hash(&secret.hash()));
        assert!(!secret.has_hash(""));
    }
}
