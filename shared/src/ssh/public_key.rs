//! Plain public keys, as subjects of certificates and as CA keys.

use super::wire::{Reader, WireError, Writer};
use crate::types::sha256_hex;
use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ParsedPublicKey,
        VerificationAlgorithm,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use std::fmt;

/// The largest RSA modulus that OpenSSH reads (`SSHBUF_MAX_BIGNUM`).
const MAX_RSA_BITS: usize = 16_384;
/// The smallest RSA modulus that we certify or sign with: NIST SP 800-57 ended the use of smaller ones in 2013.
const MIN_RSA_BITS: usize = 2048;

/// A NIST curve of RFC 5656.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// `nistp256`
    P256,
    /// `nistp384`
    P384,
    /// `nistp521`
    P521,
}

impl Curve {
    /// The identifier of RFC 5656 §6.1.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "nistp256",
            Self::P384 => "nistp384",
            Self::P521 => "nistp521",
        }
    }

    /// The size of the field in bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    fn coordinate_bytes(self) -> usize {
        (self.bits() as usize).div_ceil(8)
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

/// The families of keys that roles tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// ECDSA on a NIST curve.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// RSA.
    Rsa,
    /// ECDSA P-256 in a FIDO authenticator.
    SkEcdsa,
    /// Ed25519 in a FIDO authenticator.
    SkEd25519,
}

impl KeyKind {
    /// The word that people use for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::SkEcdsa => "ecdsa-sk",
            Self::SkEd25519 => "ed25519-sk",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Material {
    Ecdsa { curve: Curve, point: Vec<u8> },
    Ed25519([u8; 32]),
    Rsa { exponent: Vec<u8>, modulus: Vec<u8> },
    SkEcdsa { point: Vec<u8>, application: String },
    SkEd25519 { key: [u8; 32], application: String },
}

/// A public key that OpenSSH would accept and that is strong enough to certify.
///
/// RSA moduli have 2048 to 16384 bits; points lie on their curve and are not compressed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(Material);

/// Why bytes or text are not a public key that can be certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKeyError {
    /// Not standard base64.
    Base64,
    /// A certificate where a plain key is needed.
    Certificate,
    /// The bytes are not laid out as their type says.
    Malformed(WireError),
    /// The text is not `type base64 [comment]`, or names another type than the bytes do.
    NotAKeyLine,
    /// The point is compressed, has the wrong length, or is not on the curve.
    Point,
    /// An RSA modulus of this many bits, outside 2048 to 16384, or an even modulus or exponent.
    RsaSize(usize),
    /// A key type that cannot be certified here, DSA included.
    UnsupportedType(String),
}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 => f.write_str("the key is not valid base64"),
            Self::Certificate => f.write_str("this is a certificate; give the plain public key"),
            Self::Malformed(error) => write!(f, "the key is malformed: {error}"),
            Self::NotAKeyLine => f.write_str("this is not an OpenSSH public key line: type, base64, comment"),
            Self::Point => f.write_str("the key's point is not an uncompressed point of its curve"),
            Self::RsaSize(bits) => {
                write!(
                    f,
                    "an RSA key needs an odd modulus of 2048 to 16384 bits; this one has {bits}"
                )
            }
            Self::UnsupportedType(name) => write!(f, "keys of type {name:?} are not supported"),
        }
    }
}

impl std::error::Error for PublicKeyError {}

impl From<WireError> for PublicKeyError {
    fn from(error: WireError) -> Self {
        Self::Malformed(error)
    }
}

impl PublicKey {
    /// The Ed25519 key with these 32 bytes.
    pub fn ed25519(key: [u8; 32]) -> Self {
        Self(Material::Ed25519(key))
    }

    /// The ECDSA key with this SEC 1 uncompressed `point`.
    ///
    /// # Errors
    /// `Point` where it is not one of the curve's.
    pub fn ecdsa(curve: Curve, point: &[u8]) -> Result<Self, PublicKeyError> {
        check_point(curve, point)?;
        Ok(Self(Material::Ecdsa {
            curve,
            point: point.to_vec(),
        }))
    }

    /// The RSA key with these big-endian magnitudes.
    ///
    /// # Errors
    /// `RsaSize` where the modulus is too small, too large or even, or the exponent is even or below 3.
    pub fn rsa(exponent: &[u8], modulus: &[u8]) -> Result<Self, PublicKeyError> {
        let (exponent, modulus) = (without_leading_zeros(exponent), without_leading_zeros(modulus));
        let bits = bit_length(modulus);
        let odd = |magnitude: &[u8]| magnitude.last().is_some_and(|byte| byte & 1 == 1);
        let usable = (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits)
            && odd(modulus)
            && odd(exponent)
            && exponent != [1]
            && exponent.len() <= modulus.len();
        if !usable {
            return Err(PublicKeyError::RsaSize(bits));
        }
        Ok(Self(Material::Rsa {
            exponent: exponent.to_vec(),
            modulus: modulus.to_vec(),
        }))
    }

    /// Reads a plain-key blob.
    ///
    /// # Errors
    /// [`PublicKeyError`], never `Base64` or `NotAKeyLine`.
    pub fn from_blob(blob: &[u8]) -> Result<Self, PublicKeyError> {
        let mut reader = Reader::new(blob);
        let name = reader.text()?;
        if name.contains("-cert-v0") {
            return Err(PublicKeyError::Certificate);
        }
        let key = Self::read_fields(name, &mut reader)?;
        reader.finish()?;
        Ok(key)
    }

    /// Reads a public key line: `type base64 [comment]`, as in a `.pub` file. Blanks around it are dropped.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn from_line(line: &str) -> Result<Self, PublicKeyError> {
        let line = line.trim();
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(encoded)) = (words.next(), words.next()) else {
            return Err(PublicKeyError::NotAKeyLine);
        };
        if line.contains(['\n', '\r']) {
            return Err(PublicKeyError::NotAKeyLine);
        }
        let blob = STANDARD.decode(encoded).map_err(|_| PublicKeyError::Base64)?;
        if Reader::new(&blob).text()? != name {
            return Err(PublicKeyError::NotAKeyLine);
        }
        Self::from_blob(&blob)
    }

    /// Reads the fields of a key whose plain type name is `name`: what follows the name in a plain-key blob, or the
    /// nonce in a certificate.
    pub(super) fn read_fields(name: &str, reader: &mut Reader<'_>) -> Result<Self, PublicKeyError> {
        let ecdsa = |reader: &mut Reader<'_>, curve: Curve| {
            if reader.text()? != curve.name() {
                return Err(PublicKeyError::Point);
            }
            let point = reader.string()?;
            check_point(curve, point)?;
            Ok(point.to_vec())
        };
        let material = match name {
            "ecdsa-sha2-nistp256" => Material::Ecdsa {
                curve: Curve::P256,
                point: ecdsa(reader, Curve::P256)?,
            },
            "ecdsa-sha2-nistp384" => Material::Ecdsa {
                curve: Curve::P384,
                point: ecdsa(reader, Curve::P384)?,
            },
            "ecdsa-sha2-nistp521" => Material::Ecdsa {
                curve: Curve::P521,
                point: ecdsa(reader, Curve::P521)?,
            },
            "sk-ecdsa-sha2-nistp256@openssh.com" => {
                let point = ecdsa(reader, Curve::P256)?;
                Material::SkEcdsa {
                    point,
                    application: reader.text()?.into(),
                }
            }
            "sk-ssh-ed25519@openssh.com" => {
                let key = read_ed25519(reader)?;
                Material::SkEd25519 {
                    key,
                    application: reader.text()?.into(),
                }
            }
            "ssh-ed25519" => Material::Ed25519(read_ed25519(reader)?),
            "ssh-rsa" => {
                let exponent = reader.positive_mpint()?;
                return Self::rsa(exponent, reader.positive_mpint()?);
            }
            other => return Err(PublicKeyError::UnsupportedType(other.chars().take(64).collect())),
        };
        Ok(Self(material))
    }

    /// Which family of keys it belongs to.
    pub fn kind(&self) -> KeyKind {
        match self.0 {
            Material::Ecdsa { .. } => KeyKind::Ecdsa,
            Material::Ed25519(_) => KeyKind::Ed25519,
            Material::Rsa { .. } => KeyKind::Rsa,
            Material::SkEcdsa { .. } => KeyKind::SkEcdsa,
            Material::SkEd25519 { .. } => KeyKind::SkEd25519,
        }
    }

    /// The size in bits of the modulus (RSA) or of the field (the others).
    pub fn bits(&self) -> u32 {
        match &self.0 {
            Material::Ecdsa { curve, .. } => curve.bits(),
            Material::Ed25519(_) | Material::SkEcdsa { .. } | Material::SkEd25519 { .. } => 256,
            Material::Rsa { modulus, .. } => u32::try_from(bit_length(modulus)).unwrap_or(u32::MAX),
        }
    }

    /// Whether the private key lives in a FIDO authenticator.
    pub(crate) fn is_security_key(&self) -> bool {
        matches!(self.kind(), KeyKind::SkEcdsa | KeyKind::SkEd25519)
    }

    /// The curve of a plain ECDSA key.
    pub fn curve(&self) -> Option<Curve> {
        match self.0 {
            Material::Ecdsa { curve, .. } => Some(curve),
            _ => None,
        }
    }

    /// The type name of the plain key: `ssh-ed25519` and so on.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Material::Ecdsa {
                curve: Curve::P256, ..
            } => "ecdsa-sha2-nistp256",
            Material::Ecdsa {
                curve: Curve::P384, ..
            } => "ecdsa-sha2-nistp384",
            Material::Ecdsa {
                curve: Curve::P521, ..
            } => "ecdsa-sha2-nistp521",
            Material::Ed25519(_) => "ssh-ed25519",
            Material::Rsa { .. } => "ssh-rsa",
            Material::SkEcdsa { .. } => "sk-ecdsa-sha2-nistp256@openssh.com",
            Material::SkEd25519 { .. } => "sk-ssh-ed25519@openssh.com",
        }
    }

    /// The type name of a certificate for this key (draft-miller-ssh-cert §2.1).
    pub fn certificate_name(&self) -> &'static str {
        match &self.0 {
            Material::Ecdsa {
                curve: Curve::P256, ..
            } => "ecdsa-sha2-nistp256-cert-v01@openssh.com",
            Material::Ecdsa {
                curve: Curve::P384, ..
            } => "ecdsa-sha2-nistp384-cert-v01@openssh.com",
            Material::Ecdsa {
                curve: Curve::P521, ..
            } => "ecdsa-sha2-nistp521-cert-v01@openssh.com",
            Material::Ed25519(_) => "ssh-ed25519-cert-v01@openssh.com",
            Material::Rsa { .. } => "ssh-rsa-cert-v01@openssh.com",
            Material::SkEcdsa { .. } => "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
            Material::SkEd25519 { .. } => "sk-ssh-ed25519-cert-v01@openssh.com",
        }
    }

    pub(super) fn write_fields(&self, writer: &mut Writer) {
        match &self.0 {
            Material::Ecdsa { curve, point } => writer.string(curve.name()).string(point),
            Material::Ed25519(key) => writer.string(key),
            Material::Rsa { exponent, modulus } => writer.mpint(exponent).mpint(modulus),
            Material::SkEcdsa { point, application } => writer
                .string(Curve::P256.name())
                .string(point)
                .string(application),
            Material::SkEd25519 { key, application } => writer.string(key).string(application),
        };
    }

    /// The plain-key blob.
    pub fn to_blob(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(600);
        writer.string(self.name());
        self.write_fields(&mut writer);
        writer.into_bytes()
    }

    /// The public key line without comment and newline: `type base64`.
    pub fn to_line(&self) -> String {
        format!("{} {}", self.name(), STANDARD.encode(self.to_blob()))
    }

    /// The fingerprint as `ssh-keygen -l` prints it: `SHA256:` and unpadded base64.
    pub fn fingerprint(&self) -> String {
        format!(
            "SHA256:{}",
            STANDARD_NO_PAD.encode(digest::digest(&digest::SHA256, &self.to_blob()))
        )
    }

    /// The SHA-256 of the blob, in lower-case hex.
    pub fn sha256_hex(&self) -> String {
        sha256_hex(&self.to_blob())
    }

    /// The bytes that aws-lc-rs verifies with: the point, the 32 bytes, or the exponent and modulus.
    pub(super) fn verification_key(&self) -> VerificationKey<'_> {
        match &self.0 {
            Material::Ecdsa { curve, point } => VerificationKey::Ecdsa(*curve, point),
            Material::Ed25519(key) => VerificationKey::Ed25519(key),
            Material::Rsa { exponent, modulus } => VerificationKey::Rsa { exponent, modulus },
            Material::SkEcdsa { .. } | Material::SkEd25519 { .. } => VerificationKey::SecurityKey,
        }
    }
}

/// What a verifier needs of a key.
pub(super) enum VerificationKey<'a> {
    Ecdsa(Curve, &'a [u8]),
    Ed25519(&'a [u8; 32]),
    Rsa { exponent: &'a [u8], modulus: &'a [u8] },
    SecurityKey,
}

fn read_ed25519(reader: &mut Reader<'_>) -> Result<[u8; 32], PublicKeyError> {
    reader.string()?.try_into().map_err(|_| PublicKeyError::Point)
}

fn check_point(curve: Curve, point: &[u8]) -> Result<(), PublicKeyError> {
    let uncompressed = point.len() == 1 + 2 * curve.coordinate_bytes() && point[0] == 4;
    let parsed = uncompressed && ParsedPublicKey::new(curve.verification(), point).is_ok();
    if parsed {
        Ok(())
    } else {
        Err(PublicKeyError::Point)
    }
}

fn without_leading_zeros(magnitude: &[u8]) -> &[u8] {
    let first = magnitude
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(magnitude.len());
    &magnitude[first..]
}

fn bit_length(magnitude: &[u8]) -> usize {
    magnitude
        .first()
        .map_or(0, |first| magnitude.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOLDEN_CA: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";

    /// SEC 1 uncompressed: the generator, a point that is sure to lie on the curve.
    const P256_GENERATOR: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn a_line_is_read_and_written_back() {
        let key = PublicKey::from_line(&format!("{GOLDEN_CA} a comment\n")).unwrap();
        assert_eq!(key.to_line(), GOLDEN_CA);
        assert_eq!(
            key.fingerprint(),
            "SHA256:4A9jyZBOhnKZvcGQ6TRFbf5Gymb41AfYvYaVmWHD+G4"
        );
        assert_eq!((key.kind(), key.bits()), (KeyKind::Ed25519, 256));
    }

    #[test]
    fn what_is_not_one_plain_key_is_refused() {
        let two = format!("{GOLDEN_CA}\n{GOLDEN_CA}");
        let other_name = GOLDEN_CA.replacen("ssh-ed25519", "ssh-rsa", 1);
        for line in ["", "ssh-ed25519", two.as_str(), other_name.as_str()] {
            assert_eq!(
                PublicKey::from_line(line),
                Err(PublicKeyError::NotAKeyLine),
                "{line}"
            );
        }
        assert_eq!(
            PublicKey::from_line("ssh-ed25519 AAAA!"),
            Err(PublicKeyError::Base64)
        );
        let mut writer = Writer::default();
        writer.string("ssh-ed25519-cert-v01@openssh.com").string([0; 32]);
        assert_eq!(
            PublicKey::from_blob(&writer.into_bytes()),
            Err(PublicKeyError::Certificate)
        );
    }

    #[test]
    fn weak_and_even_rsa_keys_are_refused() {
        let mut modulus = vec![0xff; 256];
        assert!(PublicKey::rsa(&[1, 0, 1], &modulus).is_ok());
        assert_eq!(
            PublicKey::rsa(&[1, 0, 1], &modulus[1..]),
            Err(PublicKeyError::RsaSize(2040))
        );
        assert_eq!(
            PublicKey::rsa(&[1, 0, 1], &[0xff; 2049]),
            Err(PublicKeyError::RsaSize(16_392))
        );
        assert_eq!(PublicKey::rsa(&[1], &modulus), Err(PublicKeyError::RsaSize(2048)));
        modulus[255] = 0xfe;
        assert_eq!(
            PublicKey::rsa(&[1, 0, 1], &modulus),
            Err(PublicKeyError::RsaSize(2048))
        );
    }

    #[test]
    fn rsa_keys_are_held_to_the_sizes_and_exponents_that_openssh_reads() {
        let key = |exponent: &[u8], modulus: &[u8]| PublicKey::rsa(exponent, modulus).map(|key| key.bits());
        assert_eq!(key(&[3], &[0xff; 2048]), Ok(16_384), "the largest");
        assert_eq!(key(&[3], &[&[0, 0][..], &[0xff; 256]].concat()), Ok(2048));
        assert_eq!(key(&[3], &[&[1][..], &[0xff; 256]].concat()), Ok(2049));
        let modulus = [0xff; 256];
        assert_eq!(key(&modulus, &modulus), Ok(2048));
        for exponent in [&[][..], &[0], &[0, 1], &[2], &[0xff; 257]] {
            assert_eq!(key(exponent, &modulus), Err(PublicKeyError::RsaSize(2048)));
        }
        assert_eq!(key(&[3], &[]), Err(PublicKeyError::RsaSize(0)));
    }

    #[test]
    fn each_kind_has_its_word_and_says_whether_it_is_in_an_authenticator() {
        let line = |name: &str, fill: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::default();
            writer.string(name);
            fill(&mut writer);
            PublicKey::from_blob(&writer.into_bytes()).unwrap()
        };
        let sk_ed25519 = line("sk-ssh-ed25519@openssh.com", &|writer| {
            writer.string([1; 32]).string("ssh:");
        });
        let generator = unhex(P256_GENERATOR);
        let sk_ecdsa = line("sk-ecdsa-sha2-nistp256@openssh.com", &|writer| {
            writer.string("nistp256").string(&generator).string("ssh:");
        });
        let ecdsa = PublicKey::ecdsa(Curve::P256, &generator).unwrap();
        let rsa = PublicKey::rsa(&[3], &[0xff; 256]).unwrap();
        for (key, kind, word, security_key, curve) in [
            (&ecdsa, KeyKind::Ecdsa, "ecdsa", false, Some(Curve::P256)),
            (
                &PublicKey::ed25519([1; 32]),
                KeyKind::Ed25519,
                "ed25519",
                false,
                None,
            ),
            (&rsa, KeyKind::Rsa, "rsa", false, None),
            (&sk_ecdsa, KeyKind::SkEcdsa, "ecdsa-sk", true, None),
            (&sk_ed25519, KeyKind::SkEd25519, "ed25519-sk", true, None),
        ] {
            assert_eq!((key.kind(), key.kind().to_string().as_str()), (kind, word));
            assert_eq!(
                (key.is_security_key(), key.curve()),
                (security_key, curve),
                "{word}"
            );
            assert_eq!(PublicKey::from_line(&key.to_line()).as_ref(), Ok(key));
        }
    }

    #[test]
    fn the_hash_of_a_key_is_that_of_its_blob() {
        let key = PublicKey::from_line(GOLDEN_CA).unwrap();
        let hash = unhex(&key.sha256_hex());
        assert_eq!(
            key.fingerprint(),
            format!("SHA256:{}", STANDARD_NO_PAD.encode(hash))
        );
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let errors = [
            (PublicKeyError::Base64, "the key is not valid base64"),
            (
                PublicKeyError::Certificate,
                "this is a certificate; give the plain public key",
            ),
            (
                WireError::Truncated.into(),
                "the key is malformed: the end comes too early",
            ),
            (
                PublicKeyError::NotAKeyLine,
                "this is not an OpenSSH public key line: type, base64, comment",
            ),
            (
                PublicKeyError::Point,
                "the key's point is not an uncompressed point of its curve",
            ),
            (
                PublicKeyError::RsaSize(1024),
                "an RSA key needs an odd modulus of 2048 to 16384 bits; this one has 1024",
            ),
            (
                PublicKeyError::UnsupportedType("ssh-dss".into()),
                "keys of type \"ssh-dss\" are not supported",
            ),
        ];
        for (error, text) in errors {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        let mut point = vec![4; 65];
        assert_eq!(PublicKey::ecdsa(Curve::P256, &point), Err(PublicKeyError::Point));
        point[0] = 2;
        assert_eq!(
            PublicKey::ecdsa(Curve::P256, &point[..33]),
            Err(PublicKeyError::Point)
        );
        assert_eq!(PublicKey::ecdsa(Curve::P256, &[0]), Err(PublicKeyError::Point));
        assert_eq!(PublicKey::ecdsa(Curve::P256, &[]), Err(PublicKeyError::Point));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(blob in any::<Vec<u8>>(), line in ".*") {
            let _ = PublicKey::from_blob(&blob);
            let _ = PublicKey::from_line(&line);
        }

        #[test]
        fn every_ed25519_key_survives_the_round_trip(bytes in any::<[u8; 32]>()) {
            let key = PublicKey::ed25519(bytes);
            prop_assert_eq!(PublicKey::from_line(&key.to_line()), Ok(key));
        }
    }
}
