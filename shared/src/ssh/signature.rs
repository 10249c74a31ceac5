//! Signature blobs: the framing that all signers share, and the verification that every signature must pass.

use super::{
    public_key::{Curve, PublicKey, VerificationKey},
    wire::{Reader, WireError, Writer},
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use std::fmt;

/// How a CA key signs (draft-miller-ssh-cert §2.2; RFC 5656 §3.1.2; RFC 8332 §3). SHA-1 is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// `ecdsa-sha2-nistp…` with the hash of its curve.
    Ecdsa(Curve),
    /// `ssh-ed25519`
    Ed25519,
    /// `rsa-sha2-256`
    RsaSha256,
    /// `rsa-sha2-512`
    RsaSha512,
}

impl SignatureAlgorithm {
    /// The algorithm name in the signature blob.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecdsa(Curve::P256) => "ecdsa-sha2-nistp256",
            Self::Ecdsa(Curve::P384) => "ecdsa-sha2-nistp384",
            Self::Ecdsa(Curve::P521) => "ecdsa-sha2-nistp521",
            Self::Ed25519 => "ssh-ed25519",
            Self::RsaSha256 => "rsa-sha2-256",
            Self::RsaSha512 => "rsa-sha2-512",
        }
    }

    /// The algorithm that `ca_key` signs with unless told otherwise; `rsa-sha2-512` for RSA. `None` for a key in a
    /// FIDO authenticator, which cannot be a CA here.
    pub fn default_for(ca_key: &PublicKey) -> Option<Self> {
        match ca_key.verification_key() {
            VerificationKey::Ecdsa(curve, _) => Some(Self::Ecdsa(curve)),
            VerificationKey::Ed25519(_) => Some(Self::Ed25519),
            VerificationKey::Rsa { .. } => Some(Self::RsaSha512),
            VerificationKey::SecurityKey => None,
        }
    }

    /// Whether `ca_key` can sign so.
    pub fn fits(self, ca_key: &PublicKey) -> bool {
        match self {
            Self::RsaSha256 | Self::RsaSha512 => Self::default_for(ca_key) == Some(Self::RsaSha512),
            _ => Self::default_for(ca_key) == Some(self),
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a signature is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// The algorithm is not one that this key signs with; SHA-1 signatures end here.
    Algorithm,
    /// The signature's bytes are not in the form of its algorithm.
    Malformed,
    /// The form is right, and the signature is not of these bytes by this key.
    Mismatch,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => "the signature's algorithm does not fit the CA key",
            Self::Malformed => "the signature is malformed",
            Self::Mismatch => "the signature does not verify with the CA key",
        })
    }
}

impl std::error::Error for SignatureError {}

impl From<WireError> for SignatureError {
    fn from(_: WireError) -> Self {
        Self::Malformed
    }
}

/// Frames what a signer returned (64 bytes for Ed25519, DER for ECDSA, PKCS#1 v1.5 for RSA) as a signature blob.
///
/// # Errors
/// `Algorithm` where `ca_key` does not sign with `algorithm`, `Malformed` where `raw` is not of its form.
pub fn signature_blob(
    algorithm: SignatureAlgorithm,
    ca_key: &PublicKey,
    raw: &[u8],
) -> Result<Vec<u8>, SignatureError> {
    if !algorithm.fits(ca_key) {
        return Err(SignatureError::Algorithm);
    }
    let mut blob = Writer::with_capacity(raw.len() + 64);
    blob.string(algorithm.name());
    match algorithm {
        SignatureAlgorithm::Ecdsa(curve) => {
            let (r, s) = read_der(curve, raw)?;
            blob.nested(|inner| {
                inner.mpint(r).mpint(s);
            });
        }
        SignatureAlgorithm::Ed25519 => {
            let raw: &[u8; 64] = raw.try_into().map_err(|_| SignatureError::Malformed)?;
            blob.string(raw);
        }
        SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::RsaSha512 => {
            let modulus_bytes = (ca_key.bits() as usize).div_ceil(8);
            let missing = modulus_bytes
                .checked_sub(raw.len())
                .ok_or(SignatureError::Malformed)?;
            blob.nested(|inner| {
                inner.raw(&vec![0; missing]).raw(raw);
            });
        }
    }
    Ok(blob.into_bytes())
}

/// Checks that `blob` is a signature of `message` by `ca_key`.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(ca_key: &PublicKey, message: &[u8], blob: &[u8]) -> Result<(), SignatureError> {
    let mut reader = Reader::new(blob);
    let name = reader.string()?;
    let signature = reader.string()?;
    reader.finish()?;
    match ca_key.verification_key() {
        VerificationKey::Ecdsa(curve, point) => {
            expect_name(name, SignatureAlgorithm::Ecdsa(curve))?;
            verify_ecdsa(curve, point, message, signature)
        }
        VerificationKey::Ed25519(key) => {
            expect_name(name, SignatureAlgorithm::Ed25519)?;
            matches(UnparsedPublicKey::new(&ED25519, key).verify(message, signature))
        }
        VerificationKey::Rsa { exponent, modulus } => {
            let parameters: &RsaParameters = match name {
                b"rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                b"rsa-sha2-512" => &RSA_PKCS1_2048_8192_SHA512,
                _ => return Err(SignatureError::Algorithm),
            };
            let key = RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            };
            matches(key.verify(parameters, message, signature))
        }
        VerificationKey::SecurityKey => Err(SignatureError::Algorithm),
    }
}

fn expect_name(name: &[u8], algorithm: SignatureAlgorithm) -> Result<(), SignatureError> {
    if name == algorithm.name().as_bytes() {
        Ok(())
    } else {
        Err(SignatureError::Algorithm)
    }
}

fn matches<E>(outcome: Result<(), E>) -> Result<(), SignatureError> {
    outcome.map_err(|_| SignatureError::Mismatch)
}

fn verify_ecdsa(curve: Curve, point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let mut reader = Reader::new(signature);
    let r = reader.positive_mpint()?;
    let s = reader.positive_mpint()?;
    reader.finish()?;
    let algorithm: &dyn VerificationAlgorithm = match curve {
        Curve::P256 => &ECDSA_P256_SHA256_ASN1,
        Curve::P384 => &ECDSA_P384_SHA384_ASN1,
        Curve::P521 => &ECDSA_P521_SHA512_ASN1,
    };
    algorithm
        .verify_sig(point, message, &write_der(r, s))
        .map_err(|_| SignatureError::Mismatch)
}

/// The magnitudes of r and s in a strict DER `SEQUENCE { INTEGER r, INTEGER s }`: definite minimal lengths, minimal
/// positive integers no longer than the curve's order, nothing after the end.
fn read_der(curve: Curve, der: &[u8]) -> Result<(&[u8], &[u8]), SignatureError> {
    let (content, rest) = read_der_value(0x30, der)?;
    let (r, after_r) = read_der_value(0x02, content)?;
    let (s, after_s) = read_der_value(0x02, after_r)?;
    if !rest.is_empty() || !after_s.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let order_bytes = (curve.bits() as usize).div_ceil(8);
    let magnitude = |integer: &'_ [u8]| -> Result<(), SignatureError> {
        let ok = match integer {
            [] | [0] | [0, 0..=0x7f, ..] | [0x80..=0xff, ..] => false,
            [0, magnitude @ ..] | magnitude => magnitude.len() <= order_bytes,
        };
        if ok {
            Ok(())
        } else {
            Err(SignatureError::Malformed)
        }
    };
    magnitude(r)?;
    magnitude(s)?;
    Ok((r, s))
}

/// Splits a DER value with this `tag` off the front: its content, and what follows. A length takes one byte, or two
/// (`81 nn`) from 128 on, which P-521 needs.
fn read_der_value(tag: u8, der: &[u8]) -> Result<(&[u8], &[u8]), SignatureError> {
    let (len, rest) = match der {
        [first, len @ 0..=0x7f, rest @ ..] if *first == tag => (len, rest),
        [first, 0x81, len @ 0x80..=0xff, rest @ ..] if *first == tag => (len, rest),
        _ => return Err(SignatureError::Malformed),
    };
    rest.split_at_checked(usize::from(*len))
        .ok_or(SignatureError::Malformed)
}

/// The DER form of two positive integers given by their magnitudes.
fn write_der(r: &[u8], s: &[u8]) -> Vec<u8> {
    fn value(tag: u8, content: &[u8], out: &mut Vec<u8>) {
        out.push(tag);
        match u8::try_from(content.len()) {
            Ok(len @ 0..=0x7f) => out.push(len),
            Ok(len) => out.extend([0x81, len]),
            // No signature is this long: the length stays wrong, and the verification fails.
            Err(_) => out.push(0xff),
        }
        out.extend(content);
    }
    let mut content = Vec::with_capacity(144);
    for magnitude in [r, s] {
        let sign = if magnitude.first().is_some_and(|byte| *byte >= 0x80) {
            &[0][..]
        } else {
            &[]
        };
        value(0x02, &[sign, magnitude].concat(), &mut content);
    }
    let mut der = Vec::with_capacity(content.len() + 3);
    value(0x30, &content, &mut der);
    der
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strict_der_is_read_and_loose_der_refused() {
        assert_eq!(
            read_der(Curve::P256, &[0x30, 6, 2, 1, 5, 2, 1, 7]),
            Ok((&[5][..], &[7][..]))
        );
        let loose: [&[u8]; 10] = [
            &[],
            &[0x30, 6, 2, 1, 5, 2, 1, 7, 0],    // bytes after the end
            &[0x30, 7, 2, 1, 5, 2, 1, 7, 0],    // bytes after s
            &[0x30, 0x81, 6, 2, 1, 5, 2, 1, 7], // a long length where a short one does
            &[0x30, 7, 2, 2, 0, 5, 2, 1, 7],    // r not minimal
            &[0x30, 6, 2, 1, 0x85, 2, 1, 7],    // r negative
            &[0x30, 6, 2, 1, 0, 2, 1, 7],       // r zero
            &[0x30, 5, 2, 0, 2, 1, 7],          // r empty
            &[0x30, 5, 2, 1, 5, 2, 1],          // truncated
            &[0x31, 6, 2, 1, 5, 2, 1, 7],       // another tag
        ];
        for der in loose {
            assert_eq!(
                read_der(Curve::P256, der),
                Err(SignatureError::Malformed),
                "{der:02x?}"
            );
        }
        let long = [&[0x30, 38, 2, 33][..], &[1; 33], &[2, 1, 7]].concat();
        assert_eq!(
            read_der(Curve::P256, &long),
            Err(SignatureError::Malformed),
            "r longer than the order"
        );
    }

    /// P-521's signatures have more than 127 bytes more often than not.
    #[test]
    fn a_long_signature_has_its_length_in_two_bytes() {
        let (r, s) = (vec![1; 66], vec![2; 66]);
        let mut der = write_der(&r, &s);
        assert_eq!(der[..3], [0x30, 0x81, 136]);
        assert_eq!(read_der(Curve::P521, &der), Ok((&r[..], &s[..])));
        der[0] = 0x31;
        assert_eq!(read_der(Curve::P521, &der), Err(SignatureError::Malformed));
    }

    #[test]
    fn a_raw_signature_of_the_wrong_length_is_refused() {
        let key = PublicKey::ed25519([1; 32]);
        let blob = |raw: &[u8]| signature_blob(SignatureAlgorithm::Ed25519, &key, raw);
        assert_eq!(blob(&[0; 63]), Err(SignatureError::Malformed));
        assert!(blob(&[0; 64]).is_ok());
        assert_eq!(
            signature_blob(SignatureAlgorithm::RsaSha512, &key, &[0; 64]),
            Err(SignatureError::Algorithm)
        );
    }

    #[test]
    fn a_short_rsa_signature_is_padded_to_the_modulus() {
        let key = PublicKey::rsa(&[1, 0, 1], &[0xff; 256]).unwrap();
        let blob = signature_blob(SignatureAlgorithm::RsaSha256, &key, &[7; 255]).unwrap();
        let mut reader = Reader::new(&blob);
        assert_eq!(reader.text(), Ok("rsa-sha2-256"));
        assert_eq!(reader.string().unwrap(), [&[0][..], &[7; 255]].concat());
        let too_long = signature_blob(SignatureAlgorithm::RsaSha256, &key, &[7; 257]);
        assert_eq!(too_long, Err(SignatureError::Malformed));
    }

    #[test]
    fn each_ca_key_signs_with_its_own_algorithms_alone() {
        use SignatureAlgorithm::{Ecdsa, Ed25519, RsaSha256, RsaSha512};
        let algorithms = [
            (Ecdsa(Curve::P256), "ecdsa-sha2-nistp256"),
            (Ecdsa(Curve::P384), "ecdsa-sha2-nistp384"),
            (Ecdsa(Curve::P521), "ecdsa-sha2-nistp521"),
            (Ed25519, "ssh-ed25519"),
            (RsaSha256, "rsa-sha2-256"),
            (RsaSha512, "rsa-sha2-512"),
        ];
        for (algorithm, name) in algorithms {
            assert_eq!((algorithm.name(), algorithm.to_string().as_str()), (name, name));
        }
        let rsa = PublicKey::rsa(&[1, 0, 1], &[0xff; 256]).unwrap();
        let fitting = |key: &PublicKey| algorithms.map(|(algorithm, _)| algorithm.fits(key));
        assert_eq!(
            fitting(&PublicKey::ed25519([1; 32])),
            [false, false, false, true, false, false]
        );
        assert_eq!(fitting(&rsa), [false, false, false, false, true, true]);
        assert_eq!(SignatureAlgorithm::default_for(&rsa), Some(RsaSha512));
        let mut writer = Writer::default();
        writer
            .string("sk-ssh-ed25519@openssh.com")
            .string([1; 32])
            .string("ssh:");
        let security_key = PublicKey::from_blob(&writer.into_bytes()).unwrap();
        assert_eq!(fitting(&security_key), [false; 6], "no CA is in an authenticator");
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (error, text) in [
            (
                SignatureError::Algorithm,
                "the signature's algorithm does not fit the CA key",
            ),
            (SignatureError::Malformed, "the signature is malformed"),
            (
                SignatureError::Mismatch,
                "the signature does not verify with the CA key",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn der_is_read_back_as_written(r in "[1-9a-f][0-9a-f]{0,65}", s in "[1-9a-f][0-9a-f]{0,65}") {
            let (r, s) = (r.into_bytes(), s.into_bytes());
            let der = write_der(&r, &s);
            prop_assert_eq!(read_der(Curve::P521, &der), Ok((&r[..], &s[..])));
        }

        #[test]
        fn any_bytes_are_verified_or_refused(blob in any::<Vec<u8>>(), message in any::<Vec<u8>>()) {
            prop_assert!(verify(&PublicKey::ed25519([1; 32]), &message, &blob).is_err());
            let _ = read_der(Curve::P256, &blob);
        }
    }
}
