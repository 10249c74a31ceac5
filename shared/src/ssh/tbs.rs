//! The bytes that a CA signs: a whole certificate but its last field (draft-miller-ssh-cert §2.1).

use super::{
    CertificateError, CriticalOptions, Extensions, PublicKey,
    certificate::read_fields,
    wire::{Reader, Writer},
};
use crate::types::{CertKeyId, CertType, Principals, Serial, ValidityWindow};

/// Everything that a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFields {
    /// The key that is certified.
    pub subject_key: PublicKey,
    /// Random bytes, so that nobody can foresee what the CA signs.
    pub nonce: Vec<u8>,
    /// The number to revoke it by.
    pub serial: Serial,
    /// User or host.
    pub cert_type: CertType,
    /// What sshd logs.
    pub key_id: CertKeyId,
    /// The login or host names that it is good for.
    pub valid_principals: Principals,
    /// When it is good.
    pub validity: ValidityWindow,
    /// What sshd must enforce.
    pub critical_options: CriticalOptions,
    /// What it permits.
    pub extensions: Extensions,
    /// The CA's key.
    pub signature_key: PublicKey,
}

/// The to-be-signed bytes of a certificate, with the fields that they encode.
///
/// Comes from [`crate::issue`] or the record that it wrote, outside tests: who holds one has passed
/// [`crate::decide::decide`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TbsCertificate {
    fields: CertificateFields,
    bytes: Vec<u8>,
}

impl TbsCertificate {
    /// Encodes `fields`.
    pub(crate) fn encode(fields: CertificateFields) -> Self {
        let bytes = encode(&fields);
        Self { fields, bytes }
    }

    /// The to-be-signed bytes that were recorded before.
    ///
    /// # Errors
    /// As [`read`](Self::read); also where they are not in the form that this encoder gives.
    pub(crate) fn recorded(bytes: &[u8]) -> Result<Self, CertificateError> {
        let tbs = Self::encode(Self::read(bytes)?);
        if tbs.bytes == bytes {
            Ok(tbs)
        } else {
            Err(CertificateError::Value("encoding"))
        }
    }

    /// Encodes `fields` for a comparison with other encoders.
    #[cfg(feature = "test-util")]
    pub fn encode_for_test(fields: CertificateFields) -> Self {
        Self::encode(fields)
    }

    /// Reads what to-be-signed bytes say.
    ///
    /// # Errors
    /// [`CertificateError`] where they are not those of a certificate of ours.
    pub fn read(bytes: &[u8]) -> Result<CertificateFields, CertificateError> {
        let mut reader = Reader::new(bytes);
        let fields = read_fields(&mut reader)?;
        reader.finish()?;
        Ok(fields)
    }

    /// What it says.
    pub fn fields(&self) -> &CertificateFields {
        &self.fields
    }

    /// The bytes to sign.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_parts(self) -> (CertificateFields, Vec<u8>) {
        (self.fields, self.bytes)
    }
}

fn encode(fields: &CertificateFields) -> Vec<u8> {
    let mut writer = Writer::with_capacity(1024);
    writer
        .string(fields.subject_key.certificate_name())
        .string(&fields.nonce);
    fields.subject_key.write_fields(&mut writer);
    writer
        .u64(fields.serial.value())
        .u32(fields.cert_type.wire_value())
        .string(fields.key_id.as_str())
        .nested(|principals| {
            for principal in fields.valid_principals.iter() {
                principals.string(principal);
            }
        })
        .u64(fields.validity.valid_after())
        .u64(fields.validity.valid_before())
        .nested(|options| fields.critical_options.write(options))
        .nested(|options| fields.extensions.write(options))
        .string([]) // reserved
        .string(fields.signature_key.to_blob());
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::Certificate;

    #[test]
    fn what_was_recorded_is_taken_back_only_as_this_encoder_writes_it() {
        let certificate = Certificate::from_line(include_str!("golden-cert.pub")).unwrap();
        let tbs = TbsCertificate::encode(certificate.fields().clone());
        assert_eq!(TbsCertificate::recorded(tbs.bytes()), Ok(tbs.clone()));

        // The reserved field, which a reader ignores, lies before the CA's key.
        let ca_key = certificate.fields().signature_key.to_blob();
        let (head, tail) = tbs.bytes().split_at(tbs.bytes().len() - ca_key.len() - 8);
        let mut reserved = Writer::default();
        reserved.raw(head).string(b"x").raw(&tail[4..]);
        let reserved = reserved.into_bytes();
        assert_eq!(TbsCertificate::read(&reserved).as_ref(), Ok(tbs.fields()));
        assert_eq!(
            TbsCertificate::recorded(&reserved),
            Err(CertificateError::Value("encoding"))
        );
    }
}
