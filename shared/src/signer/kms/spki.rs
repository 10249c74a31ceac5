//! What `GetPublicKey` returns: a DER `SubjectPublicKeyInfo`, read strictly in the form of each kind of key.

use crate::{
    signer::der::{BIT_STRING, DerError, DerReader, NULL, OID, SEQUENCE, curve, rsa_public_key},
    ssh::PublicKey,
};

/// id-Ed25519, 1.3.101.112 (RFC 8410 §3).
const OID_ED25519: [u8; 3] = [0x2b, 0x65, 0x70];
/// id-ecPublicKey, 1.2.840.10045.2.1 (RFC 5480 §2.1.1).
const OID_EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// rsaEncryption, 1.2.840.113549.1.1.1 (RFC 3279 §2.3.1).
const OID_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// The key in a `SubjectPublicKeyInfo` (RFC 5280 §4.1): Ed25519, ECDSA on a named NIST curve, or RSA.
pub(super) fn public_key(spki: &[u8]) -> Result<PublicKey, DerError> {
    let mut outer = DerReader::new(spki);
    let mut info = outer.inside(SEQUENCE)?;
    outer.finish()?;
    let mut algorithm = info.inside(SEQUENCE)?;
    let bits = info.value(BIT_STRING)?;
    info.finish()?;
    let content = bits.strip_prefix(&[0]).ok_or(DerError)?; // no unused bits
    let key = match algorithm.value(OID)? {
        oid if oid == OID_ED25519 => PublicKey::ed25519(content.try_into().map_err(|_| DerError)?),
        oid if oid == OID_EC_PUBLIC_KEY => {
            let curve = curve(algorithm.value(OID)?)?;
            PublicKey::ecdsa(curve, content).map_err(|_| DerError)?
        }
        oid if oid == OID_RSA => {
            if !algorithm.value(NULL)?.is_empty() {
                return Err(DerError);
            }
            let (exponent, modulus) = rsa_public_key(content)?;
            PublicKey::rsa(exponent, modulus).map_err(|_| DerError)?
        }
        _ => return Err(DerError),
    };
    algorithm.finish()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authority::KeySpec,
        signer::{InProcessSigner, Signer, generate},
    };
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
    };
    use proptest::prelude::*;

    /// A key of `spec`, and aws-lc's `SubjectPublicKeyInfo` of it.
    async fn key_and_spki(spec: KeySpec) -> (PublicKey, Vec<u8>) {
        let pkcs8 = generate(spec).await.unwrap();
        let key = InProcessSigner::from_pkcs8(&pkcs8).unwrap().public_key().clone();
        let spki: PublicKeyX509Der<'_> = match key.curve() {
            Some(curve) => EcdsaKeyPair::from_pkcs8(crate::signer::in_process::ecdsa(curve), &pkcs8)
                .unwrap()
                .public_key()
                .as_der()
                .unwrap(),
            None if spec == KeySpec::Ed25519 => Ed25519KeyPair::from_pkcs8(&pkcs8)
                .unwrap()
                .public_key()
                .as_der()
                .unwrap(),
            None => RsaKeyPair::from_pkcs8(&pkcs8)
                .unwrap()
                .public_key()
                .as_der()
                .unwrap(),
        };
        (key, spki.as_ref().to_vec())
    }

    #[tokio::test]
    async fn every_kind_of_key_is_read_and_no_truncated_or_extended_one() {
        for spec in KeySpec::ALL {
            let (key, spki) = key_and_spki(spec).await;
            assert_eq!(public_key(&spki), Ok(key), "{spec:?}");
            for len in 0..spki.len() {
                assert_eq!(public_key(&spki[..len]), Err(DerError), "{spec:?}, {len} bytes");
            }
            assert_eq!(public_key(&[&spki[..], &[0]].concat()), Err(DerError), "{spec:?}");
        }
    }

    /// A changed bit gives another key or none, never the same key: the encoding has no slack.
    #[tokio::test]
    async fn every_bit_counts() {
        for spec in [KeySpec::Ed25519, KeySpec::P256, KeySpec::P521, KeySpec::Rsa2048] {
            let (key, spki) = key_and_spki(spec).await;
            for bit in 0..spki.len() * 8 {
                let mut changed = spki.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(public_key(&changed).as_ref(), Ok(&key), "{spec:?}, bit {bit}");
            }
        }
    }

    #[test]
    fn other_keys_and_looser_forms_are_refused() {
        let ed25519 = [
            &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..],
            &[7; 32],
        ]
        .concat();
        assert_eq!(public_key(&ed25519), Ok(PublicKey::ed25519([7; 32])));
        let x25519 = [
            &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0][..],
            &[7; 32],
        ]
        .concat();
        let with_null = [
            &[0x30, 0x2c, 0x30, 7, 6, 3, 0x2b, 0x65, 0x70, 5, 0, 3, 0x21, 0][..],
            &[7; 32],
        ]
        .concat();
        let short = [
            &[0x30, 0x29, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x20, 0][..],
            &[7; 31],
        ]
        .concat();
        for other in [x25519, with_null, short] {
            assert_eq!(public_key(&other), Err(DerError), "{other:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(public_key(&bytes), Err(DerError));
        }

        #[test]
        fn every_ed25519_key_is_read(key in any::<[u8; 32]>()) {
            let spki = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], &key].concat();
            prop_assert_eq!(public_key(&spki), Ok(PublicKey::ed25519(key)));
        }
    }
}
