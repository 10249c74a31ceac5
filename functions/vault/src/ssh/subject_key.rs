//! The public key of a request, as loosely as Vault reads it.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::ssh::{PublicKey, PublicKeyError};

/// Reads `type base64 comment`, or the base64 alone. What stands before the base64 is not compared with it.
///
/// # Errors
/// [`PublicKeyError`], certificates among them.
pub(crate) fn parse(text: &str) -> Result<PublicKey, PublicKeyError> {
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    let encoded = words.next().unwrap_or(first);
    let encoded: String = encoded.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let blob = STANDARD.decode(encoded).map_err(|_| PublicKeyError::Base64)?;
    PublicKey::from_blob(&blob)
}
