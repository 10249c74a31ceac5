//! Signing in this process: what local mode and sealed keys share.

use super::{Pkcs8Key, Signer, SignerError, der};
use crate::{
    authority::KeySpec,
    lock,
    ssh::{Curve, PublicKey, PublicKeyError, SignatureAlgorithm, TbsCertificate},
};
use async_trait::async_trait;
use aws_lc_rs::{
    encoding::AsDer,
    error::{KeyRejected, Unspecified},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
        RsaEncoding, RsaKeyPair,
    },
};
use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    thread,
};

/// A CA key in this process's memory, which aws-lc wipes when it is dropped.
///
/// It signs where it is asked, on no thread of its own: the longest that this holds up its neighbours is one RSA
/// signature with 4096 bits, 2.5 ms on a small machine (Ed25519 and P-256 take 30 µs, P-521 0.8 ms). Handing the work
/// over would not give the processor back, and would cost every other key a wake-up.
pub struct InProcessSigner {
    pair: Pair,
    public_key: PublicKey,
    algorithm: SignatureAlgorithm,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// Why bytes are not a private key that can sign for a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A sound RSA key outside 2048 to 8192 bits.
    RsaSize,
    /// Not a consistent private key of a supported type.
    Unsupported,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RsaSize => "an RSA key needs 2048 to 8192 bits",
            Self::Unsupported => {
                "this is not a sound private key of a supported type: Ed25519, ECDSA P-256, P-384, P-521, or RSA"
            }
        })
    }
}

impl std::error::Error for KeyError {}

impl From<KeyRejected> for KeyError {
    fn from(error: KeyRejected) -> Self {
        match error.to_string().as_str() {
            "TooSmall" | "TooLarge" => Self::RsaSize,
            _ => Self::Unsupported,
        }
    }
}

impl From<PublicKeyError> for KeyError {
    fn from(error: PublicKeyError) -> Self {
        match error {
            PublicKeyError::RsaSize(_) => Self::RsaSize,
            _ => Self::Unsupported,
        }
    }
}

impl From<KeyError> for SignerError {
    fn from(error: KeyError) -> Self {
        Self::CannotSign(error.to_string())
    }
}

impl InProcessSigner {
    /// The signer with the private key in this PKCS#8 DER, whose parts are checked against each other.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            let key = pair
                .public_key()
                .as_ref()
                .try_into()
                .map_err(|_| KeyError::Unsupported)?;
            return Self::new(Pair::Ed25519(pair), PublicKey::ed25519(key));
        }
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(ecdsa(curve), der) {
                let key = PublicKey::ecdsa(curve, pair.public_key().as_ref())?;
                return Self::new(Pair::Ecdsa(pair), key);
            }
        }
        match RsaKeyPair::from_pkcs8(der) {
            Ok(pair) => {
                let (exponent, modulus) =
                    der::rsa_public_key(pair.public_key().as_ref()).map_err(|_| KeyError::Unsupported)?;
                let key = PublicKey::rsa(exponent, modulus)?;
                Self::new(Pair::Rsa(pair), key)
            }
            Err(error) if matches!(error.to_string().as_str(), "TooSmall" | "TooLarge") => {
                Err(KeyError::RsaSize)
            }
            Err(_) => Err(KeyError::Unsupported),
        }
    }

    fn new(pair: Pair, public_key: PublicKey) -> Result<Self, KeyError> {
        let algorithm = SignatureAlgorithm::default_for(&public_key).ok_or(KeyError::Unsupported)?;
        Ok(Self {
            pair,
            public_key,
            algorithm,
        })
    }

    /// The private key in PKCS#8 DER, as aws-lc writes it.
    #[cfg(feature = "private-key")]
    pub(super) fn to_pkcs8(&self) -> Result<Pkcs8Key, Unspecified> {
        Ok(Pkcs8Key::new(match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            Pair::Rsa(pair) => pair.as_der()?.as_ref().to_vec(),
        }))
    }

    /// Signs `message` as [`Signer::sign`] does.
    fn sign_now(&self, message: &[u8], algorithm: SignatureAlgorithm) -> Result<Vec<u8>, SignerError> {
        let rsa: &'static dyn RsaEncoding = match algorithm {
            SignatureAlgorithm::RsaSha256 => &RSA_PKCS1_SHA256,
            _ => &RSA_PKCS1_SHA512,
        };
        // aws-lc takes its own random numbers; the argument is there for likeness with ring.
        let random = SystemRandom::new();
        let signed = match &self.pair {
            Pair::Ecdsa(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa, &random, message, &mut signature)
                    .map(|()| signature)
            }
        };
        signed.map_err(|error| SignerError::Unavailable(error.into()))
    }
}

impl fmt::Debug for InProcessSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InProcessSigner({})", self.public_key.fingerprint())
    }
}

#[async_trait]
impl Signer for InProcessSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
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
        self.sign_now(tbs.bytes(), algorithm)
    }
}

/// How keys on `curve` sign.
pub(super) fn ecdsa(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
    }
}

/// A new private key of `spec`, in PKCS#8 DER. An RSA key with 4096 bits takes up to seconds, so this happens on a
/// thread of its own.
///
/// # Errors
/// `Unavailable` where randomness or a thread cannot be had.
pub async fn generate(spec: KeySpec) -> Result<Pkcs8Key, SignerError> {
    match spec {
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => on_a_thread(move || generate_now(spec))
            .await
            .map_err(|error| SignerError::Unavailable(error.into()))?,
        _ => generate_now(spec),
    }
    .map_err(|error| SignerError::Unavailable(error.into()))
}

/// A new private key of `spec`, in PKCS#8 DER.
fn generate_now(spec: KeySpec) -> Result<Pkcs8Key, Unspecified> {
    let ecdsa_key = |curve| {
        Ok(EcdsaKeyPair::generate(ecdsa(curve))?
            .to_pkcs8v1()?
            .as_ref()
            .to_vec())
    };
    let rsa_key = |size| Ok(RsaKeyPair::generate(size)?.as_der()?.as_ref().to_vec());
    let der: Result<_, Unspecified> = match spec {
        KeySpec::Ed25519 => Ok(Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec()),
        KeySpec::P256 => ecdsa_key(Curve::P256),
        KeySpec::P384 => ecdsa_key(Curve::P384),
        KeySpec::P521 => ecdsa_key(Curve::P521),
        KeySpec::Rsa2048 => rsa_key(KeySize::Rsa2048),
        KeySpec::Rsa3072 => rsa_key(KeySize::Rsa3072),
        KeySpec::Rsa4096 => rsa_key(KeySize::Rsa4096),
    };
    der.map(Pkcs8Key::new)
}

/// What a thread hands to the future that waits for it.
struct Handover<T> {
    value: Option<thread::Result<T>>,
    waker: Option<Waker>,
}

/// Runs `work` on a thread of its own, whatever the async runtime.
///
/// # Errors
/// Where no thread can be started.
///
/// # Panics
/// Where `work` does.
pub(super) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<T> {
    let handover = Arc::new(Mutex::new(Handover {
        value: None,
        waker: None,
    }));
    let theirs = Arc::clone(&handover);
    thread::Builder::new().spawn(move || {
        let value = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let mut handover = lock(&theirs);
        handover.value = Some(value);
        if let Some(waker) = handover.waker.take() {
            waker.wake();
        }
    })?;
    let outcome = poll_fn(|context| {
        let mut handover = lock(&handover);
        match handover.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                handover.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await;
    outcome.or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::{SignatureError, signature_blob, verify};

    fn algorithms(key: &PublicKey) -> Vec<SignatureAlgorithm> {
        let all = [
            SignatureAlgorithm::Ecdsa(Curve::P256),
            SignatureAlgorithm::Ecdsa(Curve::P384),
            SignatureAlgorithm::Ecdsa(Curve::P521),
            SignatureAlgorithm::Ed25519,
            SignatureAlgorithm::RsaSha256,
            SignatureAlgorithm::RsaSha512,
        ];
        all.into_iter().filter(|algorithm| algorithm.fits(key)).collect()
    }

    #[tokio::test]
    async fn every_spec_makes_a_key_whose_signatures_verify() {
        for spec in KeySpec::ALL {
            let signer = InProcessSigner::from_pkcs8(&generate(spec).await.unwrap()).unwrap();
            let key = signer.public_key().clone();
            assert_eq!(KeySpec::of(&key), Some(spec));
            assert_eq!(SignatureAlgorithm::default_for(&key), Some(signer.algorithm()));
            for algorithm in algorithms(&key) {
                let raw = signer.sign_now(b"message", algorithm).unwrap();
                let blob = signature_blob(algorithm, &key, &raw).unwrap();
                assert_eq!(verify(&key, b"message", &blob), Ok(()), "{spec:?} {algorithm}");
                assert_eq!(verify(&key, b"massage", &blob), Err(SignatureError::Mismatch));
            }
        }
    }

    #[tokio::test]
    async fn a_debug_print_holds_no_key() {
        let signer = InProcessSigner::from_pkcs8(&generate(KeySpec::Ed25519).await.unwrap()).unwrap();
        let printed = format!("{signer:?}");
        assert_eq!(
            printed,
            format!("InProcessSigner({})", signer.public_key().fingerprint())
        );
    }

    #[tokio::test]
    async fn a_key_with_any_byte_missing_is_refused() {
        let key = generate(KeySpec::P256).await.unwrap();
        for len in 0..key.len() {
            assert_eq!(
                InProcessSigner::from_pkcs8(&key[..len]).unwrap_err(),
                KeyError::Unsupported
            );
        }
    }

    #[tokio::test]
    #[should_panic(expected = "on its own thread")]
    async fn a_panic_on_the_thread_reaches_its_waiter() {
        on_a_thread(|| panic!("on its own thread")).await.unwrap();
    }
}
