//! Private keys from outside and for outside: CA keys to import, and key pairs made for subjects.

mod generated;
mod openssh;
mod pem;
mod remainder;

pub use generated::GeneratedKey;

use super::{
    InProcessSigner, KeyError, Pkcs8Key,
    der::{self, DerError, DerReader, FIRST_CONTEXT_TAG, INTEGER, OCTET_STRING, OID, SEQUENCE},
    in_process::ecdsa,
};
use crate::ssh::{Curve, PublicKeyError, WireError};
use aws_lc_rs::{
    encoding::AsDer,
    error::{KeyRejected, Unspecified},
    signature::{EcdsaKeyPair, RsaKeyPair},
};
use std::fmt;

/// Why text is not a private key that can sign for a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateKeyError {
    /// It needs a passphrase.
    Encrypted,
    /// It is damaged, or its parts do not belong together.
    Malformed,
    /// There is no PEM block.
    NotPem,
    /// RSA with less than 2048 or more than 8192 bits.
    RsaSize,
    /// A PEM block of this label, or a key of this type, that is not one of ours.
    Unsupported(String),
}

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted => f.write_str(
                "the private key is protected by a passphrase; give it without one (ssh-keygen -p -N '' -f FILE)",
            ),
            Self::Malformed => f.write_str("the private key is damaged, or its parts do not belong together"),
            Self::NotPem => f.write_str("this is not a private key in PEM form (-----BEGIN … PRIVATE KEY-----)"),
            Self::RsaSize => KeyError::RsaSize.fmt(f),
            Self::Unsupported(what) => write!(
                f,
                "{what:?} is not supported: give a private key of type Ed25519, ECDSA P-256, P-384, P-521, or RSA"
            ),
        }
    }
}

impl std::error::Error for PrivateKeyError {}

impl From<DerError> for PrivateKeyError {
    fn from(_: DerError) -> Self {
        Self::Malformed
    }
}

impl From<Unspecified> for PrivateKeyError {
    fn from(_: Unspecified) -> Self {
        Self::Malformed
    }
}

impl From<WireError> for PrivateKeyError {
    fn from(_: WireError) -> Self {
        Self::Malformed
    }
}

impl From<KeyRejected> for PrivateKeyError {
    fn from(error: KeyRejected) -> Self {
        match KeyError::from(error) {
            KeyError::RsaSize => Self::RsaSize,
            KeyError::Unsupported => Self::Malformed,
        }
    }
}

impl From<PublicKeyError> for PrivateKeyError {
    fn from(error: PublicKeyError) -> Self {
        match error {
            PublicKeyError::RsaSize(_) => Self::RsaSize,
            PublicKeyError::UnsupportedType(name) => Self::Unsupported(name),
            _ => Self::Malformed,
        }
    }
}

/// Reads a private key from the first PEM block in `text`: OpenSSH's own form (`PROTOCOL.key`), PKCS#1 (RSA), SEC 1
/// (ECDSA) or PKCS#8. What comes out has been checked to be a sound pair.
///
/// # Errors
/// [`PrivateKeyError`].
pub fn parse_private_key(text: &str) -> Result<Pkcs8Key, PrivateKeyError> {
    let block = pem::decode(text)?;
    let key = match block.label {
        "EC PRIVATE KEY" => from_sec1(&block.content)?,
        "OPENSSH PRIVATE KEY" => openssh::read(&block.content)?,
        "PRIVATE KEY" => block.content,
        "RSA PRIVATE KEY" => Pkcs8Key::new(RsaKeyPair::from_der(&block.content)?.as_der()?.as_ref().to_vec()),
        other => return Err(PrivateKeyError::Unsupported(other.chars().take(64).collect())),
    };
    match InProcessSigner::from_pkcs8(&key) {
        // Some programs leave leading zeros out: what comes out has them.
        Ok(signer) => Ok(signer.to_pkcs8()?),
        Err(KeyError::RsaSize) => Err(PrivateKeyError::RsaSize),
        Err(KeyError::Unsupported) => Err(PrivateKeyError::Malformed),
    }
}

/// An `ECPrivateKey` (RFC 5915) as PKCS#8. Where it does not name its curve, the length of its secret tells it.
fn from_sec1(der: &[u8]) -> Result<Pkcs8Key, PrivateKeyError> {
    let mut fields = DerReader::new(der).inside(SEQUENCE)?;
    fields.value(INTEGER)?;
    let secret = fields.value(OCTET_STRING)?;
    let curve = match fields.inside(FIRST_CONTEXT_TAG) {
        Ok(mut parameters) => der::curve(parameters.value(OID)?)?,
        Err(DerError) => match secret.len() {
            32 => Curve::P256,
            48 => Curve::P384,
            66 => Curve::P521,
            _ => return Err(PrivateKeyError::Malformed),
        },
    };
    let pair = EcdsaKeyPair::from_private_key_der(ecdsa(curve), der)?;
    Ok(Pkcs8Key::new(pair.to_pkcs8v1()?.as_ref().to_vec()))
}

#[cfg(test)]
mod tests;
