//! Who signs: one small trait, and the three places where a CA key can live.

#[cfg(any(feature = "kms", feature = "local-key"))]
mod cache;
mod der;
#[cfg(feature = "test-util")]
pub mod faulty;
mod in_process;
mod keyring;
#[cfg(feature = "kms")]
pub mod kms;
#[cfg(feature = "local-key")]
pub mod local;
#[cfg(feature = "private-key")]
pub mod private_key;

#[cfg(any(feature = "kms", feature = "local-key"))]
use cache::SignerCache;
pub use in_process::{InProcessSigner, KeyError, generate};
pub use keyring::{Keyring, Pkcs8Key};

use crate::ssh::{PublicKey, SignatureAlgorithm, SignatureError, TbsCertificate};
use async_trait::async_trait;
use std::fmt;

/// Why a signer gave no signature.
#[derive(Debug)]
pub enum SignerError {
    /// The key cannot sign this, and never will: the reason, fit for the caller.
    CannotSign(String),
    /// The key is disabled, gone, or ours no more to use: for the operator.
    KeyUnusable(crate::error::Cause),
    /// What came back is not a signature of what was asked.
    Signature(SignatureError),
    /// Too many requests.
    Throttled,
    /// The signer did not answer, or not in time. It may have signed.
    Unavailable(crate::error::Cause),
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotSign(reason) => f.write_str(reason),
            Self::KeyUnusable(_) => f.write_str("the CA key cannot be used"),
            Self::Signature(_) => f.write_str("the signer returned something else than a signature"),
            Self::Throttled => f.write_str("the signer is throttling"),
            Self::Unavailable(_) => f.write_str("the signer is unavailable"),
        }
    }
}

impl std::error::Error for SignerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::CannotSign(_) | Self::Throttled => None,
            Self::KeyUnusable(cause) | Self::Unavailable(cause) => Some(&**cause),
            Self::Signature(error) => Some(error),
        }
    }
}

/// A CA key that can sign.
///
/// What a signer returns is raw: 64 bytes for Ed25519, DER for ECDSA, PKCS#1 v1.5 for RSA. The framing, and the
/// check with the public key, are [`crate::issue`]'s.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The public half, known since construction.
    fn public_key(&self) -> &PublicKey;

    /// The algorithm that it signs with unless the role names another that fits.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// The most bytes that it can sign at once, where there is a limit.
    fn message_limit(&self) -> Option<usize> {
        None
    }

    /// Signs with `algorithm`, which fits the key. Answers within a bounded time.
    ///
    /// # Errors
    /// [`SignerError`].
    async fn sign(&self, tbs: &TbsCertificate, algorithm: SignatureAlgorithm)
    -> Result<Vec<u8>, SignerError>;
}
