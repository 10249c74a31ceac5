//! The keyring of a deployment: CA keys in AWS KMS, which signs; imported keys and secrets sealed under a KMS key.

mod failure;
mod keyring;
mod spki;

pub use keyring::KmsKeyring;

use super::{Signer, SignerError};
use crate::ssh::{Curve, PublicKey, SignatureAlgorithm, TbsCertificate};
use async_trait::async_trait;
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_sdk_kms::{
    Client,
    config::{Builder, retry::RetryConfig, timeout::TimeoutConfig},
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use failure::failed;
use std::{fmt, time::Duration};

/// The most bytes that KMS takes as they are (`MessageType` `RAW`), as Ed25519 needs them.
const RAW_LIMIT: usize = 4096;

/// The longest that a call may take with all its retries. KMS answers in milliseconds, RSA with 4096 bits in about a
/// hundred; a caller that waits longer than this is better served by an error that it can act on.
const CALL_LIMIT: Duration = Duration::from_secs(3);
const ATTEMPT_LIMIT: Duration = Duration::from_millis(1300);
const CONNECT_LIMIT: Duration = Duration::from_millis(800);
const ATTEMPTS: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(30);
const LONGEST_BACKOFF: Duration = Duration::from_millis(200);

/// A KMS client that answers within three seconds, retries included; only a new key may take longer.
pub fn client(config: Builder) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .operation_attempt_timeout(ATTEMPT_LIMIT)
        .operation_timeout(CALL_LIMIT)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LONGEST_BACKOFF);
    Client::from_conf(config.timeout_config(timeouts).retry_config(retries).build())
}

/// A CA key in KMS.
///
/// It is made of what the authority's record says, without a call. A key that does not belong to the recorded public
/// key gives signatures that [`crate::issue`] refuses.
pub struct KmsSigner {
    client: Client,
    key: String,
    public_key: PublicKey,
    algorithm: SignatureAlgorithm,
}

impl KmsSigner {
    /// The signer with the KMS key `key` (an ARN), whose public half is `public_key`.
    ///
    /// # Errors
    /// `KeyUnusable` where such a key cannot be in KMS.
    pub fn new(client: Client, key: impl Into<String>, public_key: PublicKey) -> Result<Self, SignerError> {
        let algorithm = SignatureAlgorithm::default_for(&public_key)
            .ok_or_else(|| SignerError::KeyUnusable("a key in a FIDO authenticator is not in KMS".into()))?;
        Ok(Self {
            client,
            key: key.into(),
            public_key,
            algorithm,
        })
    }
}

impl fmt::Debug for KmsSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KmsSigner({})", self.key)
    }
}

#[async_trait]
impl Signer for KmsSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn message_limit(&self) -> Option<usize> {
        (self.algorithm == SignatureAlgorithm::Ed25519).then_some(RAW_LIMIT)
    }

    async fn sign(
        &self,
        tbs: &TbsCertificate,
        algorithm: SignatureAlgorithm,
    ) -> Result<Vec<u8>, SignerError> {
        if !algorithm.fits(&self.public_key) {
            return Err(SignerError::CannotSign(format!(
                "the CA key cannot sign with {algorithm}"
            )));
        }
        let (message_type, message) = message(tbs.bytes(), algorithm)?;
        let answer = self
            .client
            .sign()
            .key_id(&self.key)
            .signing_algorithm(signing_algorithm(algorithm))
            .message_type(message_type)
            .message(Blob::new(message))
            .send()
            .await
            .map_err(|error| failed("kms:Sign", error))?;
        let signature = answer.signature.ok_or_else(|| failure::incomplete("kms:Sign"))?;
        Ok(signature.into_inner())
    }
}

/// What KMS calls `algorithm`.
fn signing_algorithm(algorithm: SignatureAlgorithm) -> SigningAlgorithmSpec {
    match algorithm {
        SignatureAlgorithm::Ecdsa(Curve::P256) => SigningAlgorithmSpec::EcdsaSha256,
        SignatureAlgorithm::Ecdsa(Curve::P384) => SigningAlgorithmSpec::EcdsaSha384,
        SignatureAlgorithm::Ecdsa(Curve::P521) => SigningAlgorithmSpec::EcdsaSha512,
        SignatureAlgorithm::Ed25519 => SigningAlgorithmSpec::Ed25519Sha512,
        SignatureAlgorithm::RsaSha256 => SigningAlgorithmSpec::RsassaPkcs1V15Sha256,
        SignatureAlgorithm::RsaSha512 => SigningAlgorithmSpec::RsassaPkcs1V15Sha512,
    }
}

/// What KMS is sent: the hash, which has no limit of size; for Ed25519, which hashes in two passes, the message itself.
fn message(tbs: &[u8], algorithm: SignatureAlgorithm) -> Result<(MessageType, Vec<u8>), SignerError> {
    let hash = match algorithm {
        SignatureAlgorithm::Ed25519 if tbs.len() > RAW_LIMIT => {
            let reason = format!(
                "an Ed25519 key in KMS signs at most {RAW_LIMIT} bytes, not {}",
                tbs.len()
            );
            return Err(SignerError::CannotSign(reason));
        }
        SignatureAlgorithm::Ed25519 => return Ok((MessageType::Raw, tbs.to_vec())),
        SignatureAlgorithm::Ecdsa(Curve::P256) | SignatureAlgorithm::RsaSha256 => &SHA256,
        SignatureAlgorithm::Ecdsa(Curve::P384) => &SHA384,
        SignatureAlgorithm::Ecdsa(Curve::P521) | SignatureAlgorithm::RsaSha512 => &SHA512,
    };
    Ok((MessageType::Digest, digest::digest(hash, tbs).as_ref().to_vec()))
}

#[cfg(test)]
mod tests;
