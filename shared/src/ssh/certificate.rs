//! Whole certificates: read from outside, or made by attaching a signature that verified.

use super::{
    CriticalOptions, Extensions, OptionsError, PublicKey, PublicKeyError, SignatureError,
    tbs::{CertificateFields, TbsCertificate},
    verify,
    wire::{Reader, WireError, Writer},
};
use crate::types::{CertKeyId, CertType, Principals, Serial, ValidityWindow};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// The end of every certificate type name.
const NAME_SUFFIX: &str = "-cert-v01@openssh.com";

/// Why bytes or text are not a certificate that we would have made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// The certified key or the CA key.
    Key(PublicKeyError),
    /// The layout.
    Malformed(WireError),
    /// The text is not `type base64 [comment]`, or names another type than the bytes do.
    NotACertificateLine,
    /// The options or extensions.
    Options(OptionsError),
    /// The signature does not verify with the CA key inside.
    Signature(SignatureError),
    /// A field has a value that no certificate of ours has: the field's name.
    Value(&'static str),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => error.fmt(f),
            Self::Malformed(error) => write!(f, "the certificate is malformed: {error}"),
            Self::NotACertificateLine => f.write_str("this is not an OpenSSH certificate line"),
            Self::Options(error) => error.fmt(f),
            Self::Signature(error) => error.fmt(f),
            Self::Value(field) => write!(f, "the certificate's {field} is not acceptable"),
        }
    }
}

impl std::error::Error for CertificateError {}

impl From<PublicKeyError> for CertificateError {
    fn from(error: PublicKeyError) -> Self {
        Self::Key(error)
    }
}

impl From<WireError> for CertificateError {
    fn from(error: WireError) -> Self {
        Self::Malformed(error)
    }
}

impl From<OptionsError> for CertificateError {
    fn from(error: OptionsError) -> Self {
        Self::Options(error)
    }
}

/// A certificate whose signature verifies with the CA key that it names. Whether that CA is to be trusted, and
/// whether the certificate is valid now, is for its reader to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    fields: CertificateFields,
    bytes: Vec<u8>,
    signature_blob: Vec<u8>,
}

impl Certificate {
    /// Reads a certificate blob and checks its signature.
    ///
    /// # Errors
    /// [`CertificateError`], never `NotACertificateLine`.
    pub fn from_blob(blob: &[u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(blob);
        let fields = read_fields(&mut reader)?;
        let tbs_len = blob.len() - reader.rest().len();
        let signature_blob = reader.string()?.to_vec();
        reader.finish()?;
        verify(&fields.signature_key, &blob[..tbs_len], &signature_blob)
            .map_err(CertificateError::Signature)?;
        Ok(Self {
            fields,
            bytes: blob.to_vec(),
            signature_blob,
        })
    }

    /// Reads a certificate line: `type base64 [comment]`.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_line(line: &str) -> Result<Self, CertificateError> {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(encoded)) = (words.next(), words.next()) else {
            return Err(CertificateError::NotACertificateLine);
        };
        let blob = STANDARD
            .decode(encoded)
            .map_err(|_| CertificateError::NotACertificateLine)?;
        let certificate = Self::from_blob(&blob)?;
        if certificate.fields.subject_key.certificate_name() != name {
            return Err(CertificateError::NotACertificateLine);
        }
        Ok(certificate)
    }

    /// What it says.
    pub fn fields(&self) -> &CertificateFields {
        &self.fields
    }

    /// The whole blob.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signature blob, its last field.
    pub fn signature_blob(&self) -> &[u8] {
        &self.signature_blob
    }

    /// The certificate line without comment and newline: `type base64`.
    pub fn to_line(&self) -> String {
        format!(
            "{} {}",
            self.fields.subject_key.certificate_name(),
            STANDARD.encode(&self.bytes)
        )
    }
}

/// A certificate that this authority made, recorded and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate(Certificate);

impl IssuedCertificate {
    /// Attaches `signature_blob` to `tbs` once it verifies with the CA key that `tbs` names.
    ///
    /// # Errors
    /// [`SignatureError`] where it does not.
    pub fn attach(tbs: TbsCertificate, signature_blob: Vec<u8>) -> Result<Self, SignatureError> {
        verify(&tbs.fields().signature_key, tbs.bytes(), &signature_blob)?;
        let (fields, bytes) = tbs.into_parts();
        let mut writer = Writer::with_capacity(bytes.len() + signature_blob.len() + 4);
        writer.raw(&bytes).string(&signature_blob);
        Ok(Self(Certificate {
            fields,
            bytes: writer.into_bytes(),
            signature_blob,
        }))
    }
}

impl std::ops::Deref for IssuedCertificate {
    type Target = Certificate;

    fn deref(&self) -> &Certificate {
        &self.0
    }
}

pub(super) fn read_fields(reader: &mut Reader<'_>) -> Result<CertificateFields, CertificateError> {
    let name = reader.text()?;
    let plain = plain_name(name).ok_or(CertificateError::Value("type name"))?;
    let nonce = reader.string()?.to_vec();
    let subject_key = PublicKey::read_fields(&plain, reader)?;
    let serial = Serial::parse(reader.u64()?).ok_or(CertificateError::Value("serial"))?;
    let cert_type = CertType::from_wire_value(reader.u32()?).ok_or(CertificateError::Value("type"))?;
    let key_id = CertKeyId::parse(reader.text()?).map_err(|_| CertificateError::Value("key id"))?;
    let valid_principals = read_principals(reader.string()?)?;
    let (valid_after, valid_before) = (reader.u64()?, reader.u64()?);
    let validity =
        ValidityWindow::parse(valid_after, valid_before).map_err(|_| CertificateError::Value("validity"))?;
    let critical_options = CriticalOptions::read(reader.string()?)?;
    let extensions = Extensions::read(reader.string()?)?;
    reader.string()?; // reserved: ignored, as OpenSSH does
    let signature_key = PublicKey::from_blob(reader.string()?)?;
    Ok(CertificateFields {
        subject_key,
        nonce,
        serial,
        cert_type,
        key_id,
        valid_principals,
        validity,
        critical_options,
        extensions,
        signature_key,
    })
}

/// `ssh-ed25519` of `ssh-ed25519-cert-v01@openssh.com`; FIDO types keep their `@openssh.com`.
fn plain_name(name: &str) -> Option<String> {
    let plain = name.strip_suffix(NAME_SUFFIX)?;
    let vendor = if plain.starts_with("sk-") {
        "@openssh.com"
    } else {
        ""
    };
    Some(format!("{plain}{vendor}"))
}

fn read_principals(bytes: &[u8]) -> Result<Principals, CertificateError> {
    let mut reader = Reader::new(bytes);
    let mut names = Vec::new();
    while !reader.is_empty() {
        names.push(reader.text()?);
    }
    Principals::parse(names).map_err(|_| CertificateError::Value("principals"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOLDEN: &str = include_str!("golden-cert.pub");

    #[test]
    fn the_golden_certificate_is_read_field_by_field_and_encoded_to_the_same_bytes() {
        let certificate = Certificate::from_line(GOLDEN).unwrap();
        let fields = certificate.fields();
        assert_eq!(fields.serial.value(), 7);
        assert_eq!(fields.cert_type, CertType::User);
        assert_eq!(fields.key_id.as_str(), "alice@example.com");
        assert_eq!(
            fields.valid_principals.iter().collect::<Vec<_>>(),
            ["alice", "deploy"]
        );
        assert_eq!(
            fields.validity,
            ValidityWindow::parse(1_700_000_000, 1_700_003_600).unwrap()
        );
        let options = CriticalOptions::parse([("force-command", "id"), ("source-address", "192.0.2.0/24")]);
        assert_eq!(fields.critical_options, options.unwrap());
        assert_eq!(
            fields.extensions,
            Extensions::parse([("permit-pty", "")]).unwrap()
        );

        let tbs = TbsCertificate::encode(fields.clone());
        assert_eq!(tbs.bytes(), &certificate.bytes()[..330]);
        let issued = IssuedCertificate::attach(tbs, certificate.signature_blob().to_vec()).unwrap();
        assert_eq!(*issued, certificate);
        assert_eq!(issued.to_line(), GOLDEN.trim());
    }

    #[test]
    fn a_certificate_with_any_bit_flipped_is_refused() {
        let blob = Certificate::from_line(GOLDEN).unwrap().bytes().to_vec();
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Certificate::from_blob(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn truncated_and_extended_certificates_are_refused() {
        let blob = Certificate::from_line(GOLDEN).unwrap().bytes().to_vec();
        for len in 0..blob.len() {
            assert!(Certificate::from_blob(&blob[..len]).is_err(), "{len} bytes");
        }
        let extended = [&blob[..], &[0]].concat();
        assert_eq!(
            Certificate::from_blob(&extended),
            Err(CertificateError::Malformed(WireError::TrailingBytes))
        );
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let errors = [
            (
                CertificateError::from(PublicKeyError::Base64),
                "the key is not valid base64",
            ),
            (
                WireError::Truncated.into(),
                "the certificate is malformed: the end comes too early",
            ),
            (
                CertificateError::NotACertificateLine,
                "this is not an OpenSSH certificate line",
            ),
            (
                OptionsError::FlagWithValue("permit-pty".into()).into(),
                "permit-pty is a flag and takes no value",
            ),
            (
                CertificateError::Signature(SignatureError::Mismatch),
                "the signature does not verify with the CA key",
            ),
            (
                CertificateError::Value("serial"),
                "the certificate's serial is not acceptable",
            ),
        ];
        for (error, text) in errors {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn a_line_names_the_type_that_its_bytes_have() {
        let renamed = GOLDEN.replacen("ssh-ed25519-cert", "ssh-rsa-cert", 1);
        for line in ["", "ssh-ed25519-cert-v01@openssh.com", "x AAAA!", &renamed] {
            let error = Certificate::from_line(line).unwrap_err();
            assert_eq!(error, CertificateError::NotACertificateLine, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(line in ".*", blob in any::<Vec<u8>>()) {
            prop_assert!(Certificate::from_line(&line).is_err());
            prop_assert!(Certificate::from_blob(&blob).is_err());
        }
    }
}
