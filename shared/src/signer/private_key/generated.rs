//! Key pairs made for subjects, whose private half their owner gets.

use super::{openssh, pem};
use crate::{
    authority::KeySpec,
    error::Error,
    random::{self, Random},
    signer::{
        InProcessSigner, KeyError, Pkcs8Key, Signer, SignerError,
        der::{
            BIT_STRING, DerError, DerReader, FIRST_CONTEXT_TAG, INTEGER, OCTET_STRING, OID,
            SECOND_CONTEXT_TAG, SEQUENCE, curve_oid, write_value,
        },
        in_process::{self, on_a_thread},
    },
    ssh::{Curve, KeyKind, PublicKey, Reader},
};
use std::fmt;
use zeroize::Zeroizing;

/// A key pair for a user or a host. The private half is wiped when it is dropped.
pub struct GeneratedKey {
    pkcs8: Pkcs8Key,
    public_key: PublicKey,
}

impl GeneratedKey {
    /// A new pair of `spec`.
    ///
    /// # Errors
    /// `Unavailable` where randomness or a thread cannot be had.
    pub async fn generate(spec: KeySpec) -> Result<Self, SignerError> {
        let pkcs8 = in_process::generate(spec).await?;
        Self::from_pkcs8(&pkcs8).map_err(|error| SignerError::Unavailable(error.into()))
    }

    /// The pair that [`pkcs8`](Self::pkcs8) gave before.
    ///
    /// # Errors
    /// [`KeyError`] where it is something else.
    pub fn from_pkcs8(pkcs8: &Pkcs8Key) -> Result<Self, KeyError> {
        let signer = InProcessSigner::from_pkcs8(pkcs8)?;
        let public_key = signer.public_key().clone();
        let pkcs8 = signer.to_pkcs8().map_err(|_| KeyError::Unsupported)?;
        Parts::read(&pkcs8, &public_key).map_err(|_| KeyError::Unsupported)?;
        Ok(Self { pkcs8, public_key })
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The private half in PKCS#8 DER, to be sealed and kept: at most 2.4 KB for RSA with 4096 bits.
    pub fn pkcs8(&self) -> &Pkcs8Key {
        &self.pkcs8
    }

    /// The private half as Vault gives it: PKCS#1 for RSA, SEC 1 for ECDSA, OpenSSH's form for Ed25519.
    pub fn to_pem(&self) -> Zeroizing<String> {
        match self.parts() {
            Parts::Ecdsa { curve, secret } => {
                pem::encode("EC PRIVATE KEY", &sec1(curve, secret, &point(&self.public_key)))
            }
            Parts::Ed25519 { .. } => self.to_openssh(""),
            Parts::Rsa(RsaParts { pkcs1, .. }) => pem::encode("RSA PRIVATE KEY", pkcs1),
        }
    }

    /// The private half in OpenSSH's form, without passphrase.
    pub fn to_openssh(&self, comment: &str) -> Zeroizing<String> {
        let content = openssh::write(&self.parts(), &self.public_key, comment);
        pem::encode("OPENSSH PRIVATE KEY", &content)
    }

    /// The private half in OpenSSH's form, encrypted under `passphrase` with AES-256-CTR and bcrypt as ssh-keygen
    /// does. That is slow on purpose, so it happens on a thread of its own.
    ///
    /// # Errors
    /// `InvalidRequest` about `passphrase` where it is empty; `Unavailable` where randomness or a thread cannot be had.
    pub async fn to_encrypted_openssh(
        &self,
        comment: &str,
        passphrase: &str,
        random: &dyn Random,
    ) -> Result<Zeroizing<String>, Error> {
        let salt: openssh::Salt = random::bytes(random)?;
        let section = openssh::section_to_encrypt(&self.parts(), &self.public_key, comment);
        let public_key = self.public_key.clone();
        let passphrase = Zeroizing::new(passphrase.to_owned());
        let encrypted = on_a_thread(move || openssh::encrypt(section, &public_key, &passphrase, &salt))
            .await
            .map_err(Error::unavailable)?
            .ok_or_else(|| Error::invalid("passphrase", "it must not be empty"))?;
        Ok(pem::encode("OPENSSH PRIVATE KEY", &encrypted))
    }

    fn parts(&self) -> Parts<'_> {
        Parts::read(&self.pkcs8, &self.public_key).expect("it was read when the pair was made")
    }
}

impl fmt::Debug for GeneratedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GeneratedKey({})", self.public_key.fingerprint())
    }
}

/// The secret numbers inside a PKCS#8 key.
pub(super) enum Parts<'a> {
    Ecdsa { curve: Curve, secret: &'a [u8] },
    Ed25519 { seed: &'a [u8; 32] },
    Rsa(RsaParts<'a>),
}

/// The numbers of an `RSAPrivateKey` (RFC 8017 A.1.2) that OpenSSH keeps.
pub(super) struct RsaParts<'a> {
    pub(super) pkcs1: &'a [u8],
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
    pub(super) d: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
    pub(super) q_inverse: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(pkcs8: &'a [u8], public_key: &PublicKey) -> Result<Self, DerError> {
        let mut outer = DerReader::new(pkcs8).inside(SEQUENCE)?;
        outer.value(INTEGER)?; // version
        outer.value(SEQUENCE)?; // algorithm: the public key has it
        let private_key = outer.value(OCTET_STRING)?;
        match (public_key.kind(), public_key.curve()) {
            (KeyKind::Ecdsa, Some(curve)) => {
                let mut fields = DerReader::new(private_key).inside(SEQUENCE)?;
                fields.value(INTEGER)?; // version
                Ok(Self::Ecdsa {
                    curve,
                    secret: fields.value(OCTET_STRING)?,
                })
            }
            (KeyKind::Ed25519, _) => {
                let seed = DerReader::new(private_key).value(OCTET_STRING)?;
                Ok(Self::Ed25519 {
                    seed: seed.try_into().map_err(|_| DerError)?,
                })
            }
            (KeyKind::Rsa, _) => Ok(Self::Rsa(RsaParts::read(private_key)?)),
            _ => Err(DerError),
        }
    }
}

impl<'a> RsaParts<'a> {
    fn read(pkcs1: &'a [u8]) -> Result<Self, DerError> {
        let mut fields = DerReader::new(pkcs1).inside(SEQUENCE)?;
        fields.value(INTEGER)?; // version: two primes
        let (n, e, d) = (
            fields.positive_integer()?,
            fields.positive_integer()?,
            fields.positive_integer()?,
        );
        let (p, q) = (fields.positive_integer()?, fields.positive_integer()?);
        fields.positive_integer()?; // d mod (p - 1)
        fields.positive_integer()?; // d mod (q - 1)
        let q_inverse = fields.positive_integer()?;
        fields.finish()?;
        Ok(Self {
            pkcs1,
            n,
            e,
            d,
            p,
            q,
            q_inverse,
        })
    }
}

/// The point of an ECDSA key: the last field of its blob.
fn point(public_key: &PublicKey) -> Vec<u8> {
    let blob = public_key.to_blob();
    let mut reader = Reader::new(&blob);
    let fields = (reader.string(), reader.string(), reader.string());
    fields
        .2
        .expect("an ECDSA blob has a type, a curve and a point")
        .to_vec()
}

/// An `ECPrivateKey` (RFC 5915) with its curve and its point.
fn sec1(curve: Curve, secret: &[u8], point: &[u8]) -> Zeroizing<Vec<u8>> {
    let (mut oid, mut bits) = (Vec::new(), Vec::new());
    write_value(OID, curve_oid(curve), &mut oid);
    write_value(BIT_STRING, &[&[0], point].concat(), &mut bits);
    // More than it can take, so that no half-grown copy of the secret stays in memory.
    let mut content = Zeroizing::new(Vec::with_capacity(512));
    write_value(INTEGER, &[1], &mut content);
    write_value(OCTET_STRING, secret, &mut content);
    write_value(FIRST_CONTEXT_TAG, &oid, &mut content);
    write_value(SECOND_CONTEXT_TAG, &bits, &mut content);
    let mut der = Zeroizing::new(Vec::with_capacity(512));
    write_value(SEQUENCE, &content, &mut der);
    der
}
