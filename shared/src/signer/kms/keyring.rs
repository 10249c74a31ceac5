//! Where the keys of a deployment are made, found and opened.

use super::{
    KmsSigner,
    failure::{failed, incomplete},
    signing_algorithm, spki,
};
use crate::{
    authority::{Authority, AuthorityId, Custody, KeySpec},
    signer::{InProcessSigner, Keyring, Pkcs8Key, Signer, SignerCache, SignerError},
    ssh::{Curve, PublicKey, SignatureAlgorithm},
};
use async_trait::async_trait;
use aws_sdk_kms::{
    Client,
    config::{Builder, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::get_public_key::GetPublicKeyError,
    primitives::Blob,
    types::{KeyMetadata, KeySpec as KmsKeySpec, KeyState, KeyUsageType, Tag},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{collections::HashMap, sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// The tag on a key that holds the id of its authority.
const AUTHORITY_TAG: &str = "countersign:authority";
/// The tag on every key that this keyring made, by which policies can tell them: its value is `true`.
const MANAGED_TAG: &str = "countersign:managed";
/// The entry of an encryption context that says what is sealed.
const PURPOSE: &str = "countersign:purpose";
/// The entry that says which secret it is.
const CONTEXT: &str = "countersign:context";

/// How long a new key may take: the search for the primes of an RSA key has no sure end, and it is not for every day.
const CREATE_LIMIT: Duration = Duration::from_secs(10);

/// The most bytes that KMS encrypts.
const SEAL_LIMIT: usize = 4096;
/// A key that was just made may not be known everywhere in KMS for some moments, nor the tags that allow its use.
const NEW_KEY_TRIES: u32 = 5;
const NEW_KEY_PAUSE: Duration = Duration::from_millis(300);

/// A keyring over KMS: asymmetric keys for authorities, and one symmetric key that seals imported keys and secrets.
pub struct KmsKeyring {
    client: Client,
    sealing_key: String,
    key_policy: Option<String>,
    signers: SignerCache,
}

impl KmsKeyring {
    /// The keyring over `client`, which [`client`](super::client) makes, with the symmetric KMS key `sealing_key` (key
    /// id, ARN or alias). Nothing is called before it is needed.
    pub fn new(client: Client, sealing_key: impl Into<String>) -> Self {
        Self {
            client,
            sealing_key: sealing_key.into(),
            key_policy: None,
            signers: SignerCache::default(),
        }
    }

    /// The same, with the key policy (JSON) that every key gets which it makes; without one, that is KMS's default,
    /// which leaves everything to IAM. The policy has to leave the administration of the key to somebody: whether it
    /// leaves it to the caller, as KMS wants otherwise, is not checked, since functions administer nothing.
    #[must_use]
    pub fn with_key_policy(self, key_policy: Option<String>) -> Self {
        Self { key_policy, ..self }
    }

    async fn seal_as(&self, sealed: Sealed<'_>, secret: &[u8]) -> Result<Vec<u8>, SignerError> {
        let answer = self
            .client
            .encrypt()
            .key_id(&self.sealing_key)
            .set_encryption_context(Some(sealed.encryption_context()))
            .plaintext(Blob::new(secret))
            .send()
            .await
            .map_err(|error| failed("kms:Encrypt", error))?;
        let blob = answer.ciphertext_blob.ok_or_else(|| incomplete("kms:Encrypt"))?;
        Ok(blob.into_inner())
    }

    async fn open_as(
        &self,
        sealed: Sealed<'_>,
        ciphertext: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        // The key is named, so that nothing sealed under a key of somebody else is taken for ours.
        let answer = self
            .client
            .decrypt()
            .key_id(&self.sealing_key)
            .set_encryption_context(Some(sealed.encryption_context()))
            .ciphertext_blob(Blob::new(ciphertext))
            .send()
            .await
            .map_err(|error| failed("kms:Decrypt", error))?;
        let plaintext = answer.plaintext.ok_or_else(|| incomplete("kms:Decrypt"))?;
        Ok(Zeroizing::new(plaintext.into_inner()))
    }

    /// Opens an imported key. What is ours of it is wiped; the buffers that the SDK received it in are only freed.
    async fn unseal(&self, authority: &Authority, sealed_key: &str) -> Result<InProcessSigner, SignerError> {
        let ciphertext = STANDARD
            .decode(sealed_key)
            .map_err(|error| SignerError::KeyUnusable(error.into()))?;
        let key = self
            .open_as(Sealed::AuthorityKey(&authority.id), ciphertext)
            .await?;
        InProcessSigner::from_pkcs8(&key).map_err(|error| SignerError::KeyUnusable(error.into()))
    }

    /// Makes the KMS key alone. It is asked for once: a retry after a lost answer would leave a second key behind.
    async fn create_key(&self, id: &AuthorityId, spec: KeySpec) -> Result<String, SignerError> {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(CREATE_LIMIT)
            .operation_timeout(CREATE_LIMIT)
            .build();
        let once = Builder::new()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        let answer = self
            .client
            .create_key()
            .key_spec(KmsKeySpec::from(spec.name()))
            .key_usage(KeyUsageType::SignVerify)
            .description(format!("Countersign CA {id}"))
            .set_policy(self.key_policy.clone())
            .set_bypass_policy_lockout_safety_check(self.key_policy.as_ref().map(|_| true))
            .tags(tag(AUTHORITY_TAG, id.as_str())?)
            .tags(tag(MANAGED_TAG, "true")?)
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(|error| failed("kms:CreateKey", error))?;
        let metadata = answer.key_metadata.ok_or_else(|| incomplete("kms:CreateKey"))?;
        metadata.arn.ok_or_else(|| incomplete("kms:CreateKey"))
    }

    /// The public half of the key `arn`, which has this `spec`.
    async fn public_key(&self, arn: &str, spec: KeySpec) -> Result<PublicKey, SignerError> {
        const ACTION: &str = "kms:GetPublicKey";
        let mut tries = 1;
        let answer = loop {
            match self.client.get_public_key().key_id(arn).send().await {
                Err(SdkError::ServiceError(context))
                    if tries < NEW_KEY_TRIES && is_not_known_yet(context.err()) =>
                {
                    tries += 1;
                    tokio::time::sleep(NEW_KEY_PAUSE).await;
                }
                outcome => break outcome.map_err(|error| failed(ACTION, error))?,
            }
        };
        let der = answer.public_key.ok_or_else(|| incomplete(ACTION))?;
        let key = spki::public_key(der.as_ref())
            .ok()
            .filter(|key| KeySpec::of(key) == Some(spec));
        key.ok_or_else(|| {
            SignerError::KeyUnusable(format!("{arn} has not the public key of its KeySpec").into())
        })
    }

    async fn disable(&self, key: &str) -> Result<(), SignerError> {
        let answer = self.client.disable_key().key_id(key).send().await;
        answer
            .map(|_| ())
            .map_err(|error| failed("kms:DisableKey", error))
    }
}

/// Whether KMS may answer like this about a key for as long as it does not know the key, or its tags, everywhere.
fn is_not_known_yet(error: &GetPublicKeyError) -> bool {
    matches!(error.code(), Some("NotFoundException" | "AccessDeniedException"))
}

/// What is sealed, and with it the encryption context that must be given again to open it.
enum Sealed<'a> {
    AuthorityKey(&'a AuthorityId),
    Secret(&'a str),
}

impl Sealed<'_> {
    fn encryption_context(&self) -> HashMap<String, String> {
        let (purpose, name, value) = match self {
            Self::AuthorityKey(id) => ("authority-key", AUTHORITY_TAG, id.as_str()),
            Self::Secret(context) => ("secret", CONTEXT, *context),
        };
        HashMap::from([(PURPOSE.into(), purpose.into()), (name.into(), value.into())])
    }
}

fn tag(key: &str, value: &str) -> Result<Tag, SignerError> {
    Tag::builder()
        .tag_key(key)
        .tag_value(value)
        .build()
        .map_err(|error| SignerError::KeyUnusable(error.into()))
}

/// The ARN and the spec of a key that can be a CA's, or why it cannot.
fn check(metadata: &KeyMetadata) -> Result<(String, KeySpec), String> {
    let name = metadata.key_spec.as_ref().map_or("unknown", |spec| spec.as_str());
    if metadata.key_usage != Some(KeyUsageType::SignVerify) {
        let usage = metadata
            .key_usage
            .as_ref()
            .map_or("unknown", |usage| usage.as_str());
        return Err(format!("its KeyUsage is {usage}, and a CA needs SIGN_VERIFY"));
    }
    let spec = KeySpec::from_name(name).ok_or_else(|| format!("OpenSSH has no keys of KeySpec {name}"))?;
    if metadata.key_state != Some(KeyState::Enabled) {
        let state = metadata
            .key_state
            .as_ref()
            .map_or("unknown", |state| state.as_str());
        return Err(format!("its state is {state}, and a CA needs it Enabled"));
    }
    let offered = metadata.signing_algorithms();
    let needed = algorithms(spec)
        .iter()
        .map(|algorithm| signing_algorithm(*algorithm));
    if let Some(missing) = needed.into_iter().find(|algorithm| !offered.contains(algorithm)) {
        return Err(format!("it does not offer {missing}"));
    }
    let arn = metadata.arn.clone().ok_or("KMS does not say its ARN")?;
    Ok((arn, spec))
}

/// All that a CA key of `spec` may be asked to sign with.
fn algorithms(spec: KeySpec) -> &'static [SignatureAlgorithm] {
    match spec {
        KeySpec::Ed25519 => &[SignatureAlgorithm::Ed25519],
        KeySpec::P256 => &[SignatureAlgorithm::Ecdsa(Curve::P256)],
        KeySpec::P384 => &[SignatureAlgorithm::Ecdsa(Curve::P384)],
        KeySpec::P521 => &[SignatureAlgorithm::Ecdsa(Curve::P521)],
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
            &[SignatureAlgorithm::RsaSha256, SignatureAlgorithm::RsaSha512]
        }
    }
}

#[async_trait]
impl Keyring for KmsKeyring {
    async fn create(&self, id: &AuthorityId, spec: KeySpec) -> Result<(PublicKey, Custody), SignerError> {
        let key = self.create_key(id, spec).await?;
        match self.public_key(&key, spec).await {
            Ok(public_key) => Ok((public_key, Custody::Kms { key, managed: true })),
            Err(error) => {
                // Nobody will hear of this key: it shall not sign. Its tags tell the operator what it was.
                let _ = self.disable(&key).await;
                Err(error)
            }
        }
    }

    async fn import(&self, id: &AuthorityId, key: &Pkcs8Key) -> Result<(PublicKey, Custody), SignerError> {
        if key.len() > SEAL_LIMIT {
            return Err(SignerError::CannotSign(format!(
                "the key has {} bytes, and KMS seals at most {SEAL_LIMIT}: use RSA with at most 4096 bits, or another type",
                key.len()
            )));
        }
        let signer = InProcessSigner::from_pkcs8(key)?;
        let sealed = self.seal_as(Sealed::AuthorityKey(id), key).await?;
        Ok((
            signer.public_key().clone(),
            Custody::Sealed {
                sealed_key: STANDARD.encode(sealed),
            },
        ))
    }

    async fn bind(&self, kms_key: &str) -> Result<(PublicKey, Custody), SignerError> {
        let refused =
            |reason: &str| SignerError::CannotSign(format!("the KMS key cannot be a CA key: {reason}"));
        let described = self.client.describe_key().key_id(kms_key).send().await;
        let metadata = match described.map_err(|error| failed("kms:DescribeKey", error)) {
            Ok(answer) => answer.key_metadata.ok_or_else(|| incomplete("kms:DescribeKey"))?,
            // Who names a key wants to know why not that one; the details are for the log of KMS.
            Err(SignerError::KeyUnusable(_)) => {
                return Err(refused("it is not there, or this deployment may not use it"));
            }
            Err(error) => return Err(error),
        };
        let (key, spec) = check(&metadata).map_err(|reason| refused(&reason))?;
        let public_key = self.public_key(&key, spec).await?;
        Ok((public_key, Custody::Kms { key, managed: false }))
    }

    async fn signer(&self, authority: &Authority) -> Result<Arc<dyn Signer>, SignerError> {
        if let Some(signer) = self.signers.find(&authority.id) {
            return Ok(signer);
        }
        let signer: Arc<dyn Signer> = match &authority.custody {
            Custody::Kms { key, .. } => {
                let public_key = PublicKey::from_line(&authority.public_key)
                    .map_err(|error| SignerError::KeyUnusable(error.into()))?;
                Arc::new(KmsSigner::new(self.client.clone(), key, public_key)?)
            }
            Custody::Local { .. } => {
                return Err(SignerError::KeyUnusable(
                    "the authority's key belongs to a local server".into(),
                ));
            }
            Custody::Sealed { sealed_key } => Arc::new(self.unseal(authority, sealed_key).await?),
        };
        self.signers.keep(&authority.id, &signer);
        Ok(signer)
    }

    async fn retire(&self, authority: &Authority) -> Result<(), SignerError> {
        self.signers.forget(&authority.id);
        match &authority.custody {
            Custody::Kms { key, managed: true } => self.disable(key).await,
            Custody::Kms { managed: false, .. } | Custody::Local { .. } | Custody::Sealed { .. } => Ok(()),
        }
    }

    async fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SignerError> {
        if secret.len() > SEAL_LIMIT {
            return Err(SignerError::CannotSign(format!(
                "a secret has at most {SEAL_LIMIT} bytes"
            )));
        }
        self.seal_as(Sealed::Secret(context), secret).await
    }

    async fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        self.open_as(Sealed::Secret(context), sealed.to_vec()).await
    }
}
