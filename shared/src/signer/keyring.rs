//! The keyring: where CA keys are made, found and opened.

use super::{Signer, SignerError};
use crate::{
    authority::{Authority, AuthorityId, Custody, KeySpec},
    ssh::PublicKey,
};
use async_trait::async_trait;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A private key from outside, in PKCS#8 DER. It is wiped when dropped.
pub type Pkcs8Key = Zeroizing<Vec<u8>>;

/// Makes and opens the private keys of authorities, and keeps other secrets of the certificate authority sealed.
///
/// In a deployment this is KMS; in local mode, a key in the data directory.
#[async_trait]
pub trait Keyring: Send + Sync {
    /// Makes a key for the authority `id`. In a deployment the private half never leaves KMS.
    ///
    /// # Errors
    /// [`SignerError`].
    async fn create(&self, id: &AuthorityId, spec: KeySpec) -> Result<(PublicKey, Custody), SignerError>;

    /// Takes a private key from outside for the authority `id`, to be kept sealed.
    ///
    /// # Errors
    /// `CannotSign` where it is not a key that a CA can have; otherwise any.
    async fn import(&self, id: &AuthorityId, key: &Pkcs8Key) -> Result<(PublicKey, Custody), SignerError>;

    /// Takes an existing KMS key, by key id, ARN or alias, once its `KeySpec`, `KeyUsage` and signing algorithms are
    /// those of a CA key.
    ///
    /// # Errors
    /// `CannotSign` where they are not, or where this keyring has no KMS; otherwise any.
    async fn bind(&self, kms_key: &str) -> Result<(PublicKey, Custody), SignerError>;

    /// The signer of `authority`; opened once, then kept.
    ///
    /// # Errors
    /// [`SignerError`].
    async fn signer(&self, authority: &Authority) -> Result<Arc<dyn Signer>, SignerError>;

    /// Ends the use of the key of `authority`: a KMS key made by [`create`](Self::create) is disabled, never deleted; a
    /// key that was bound is left alone.
    ///
    /// # Errors
    /// [`SignerError`].
    async fn retire(&self, authority: &Authority) -> Result<(), SignerError>;

    /// Encrypts `secret`; `context` names what it belongs to, and must be given again to open it. At most 4096 bytes.
    ///
    /// # Errors
    /// [`SignerError`].
    async fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// Decrypts what [`seal`](Self::seal) made with the same `context`.
    ///
    /// # Errors
    /// `KeyUnusable` where it was made otherwise; [`SignerError`].
    async fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignerError>;
}
