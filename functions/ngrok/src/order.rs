//! What the creation of a certificate asks for, read from either body.

use crate::{error::Failure, resource::Resource, role, text::Texts};
use countersign::{
    authority::AuthorityId,
    decide::{Request, RequestedKeyId, RequestedValidity},
    issue::CertificateId,
    ssh::{PublicKey, PublicKeyError},
    types::{CertType, timestamp},
};
use std::collections::BTreeMap;

/// The members of both bodies. Those that hosts do not have are `None` there.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) ssh_certificate_authority_id: Option<String>,
    pub(crate) public_key: Option<String>,
    pub(crate) principals: Option<Vec<String>>,
    pub(crate) critical_options: Option<BTreeMap<String, String>>,
    pub(crate) extensions: Option<BTreeMap<String, String>>,
    pub(crate) valid_after: Option<String>,
    pub(crate) valid_until: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Option<String>,
}

/// A well-formed order.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) authority: AuthorityId,
    pub(crate) texts: Texts,
    /// The key as sent, comment included.
    pub(crate) public_key: String,
    subject_key: PublicKey,
    cert_type: CertType,
    principals: Vec<String>,
    critical_options: Option<BTreeMap<String, String>>,
    extensions: Option<BTreeMap<String, String>>,
    validity: RequestedValidity,
}

impl Order {
    /// Reads what was asked. `""`, `[]`, `{}` and `null` all mean that it was not.
    pub(crate) fn parse(asked: Asked, cert_type: CertType) -> Result<Self, Failure> {
        let resource = Resource::of(cert_type);
        let texts = Texts::parse(asked.description, asked.metadata, resource)?;
        let authority = authority(given(asked.ssh_certificate_authority_id), resource)?;
        let public_key = given(asked.public_key)
            .ok_or_else(|| Failure::invalid(1952, "You must specify the public key to be certified."))?;
        Ok(Self {
            authority,
            texts,
            subject_key: subject_key(&public_key)?,
            public_key,
            cert_type,
            principals: asked.principals.unwrap_or_default(),
            critical_options: asked.critical_options.filter(|options| !options.is_empty()),
            extensions: asked.extensions.filter(|extensions| !extensions.is_empty()),
            validity: validity(
                moment("valid_after", given(asked.valid_after))?,
                moment("valid_until", given(asked.valid_until))?,
                cert_type,
            ),
        })
    }

    /// The core's request for the certificate with `id`, whose key id is the resource's id.
    pub(crate) fn request(&self, id: CertificateId) -> Request {
        Request {
            subject_key: self.subject_key.clone(),
            cert_type: self.cert_type,
            principals: Some(self.principals.clone()),
            validity: self.validity,
            key_id: RequestedKeyId::Default(resource_id(self.cert_type, &id.id.to_string())),
            critical_options: self.critical_options.clone(),
            extensions: self.extensions.clone(),
        }
    }

    /// The key as sent, where that is more than the certificate says itself.
    pub(crate) fn public_key_beside(&self) -> Option<&str> {
        (self.public_key != self.subject_key.to_line()).then_some(&self.public_key)
    }
}

/// The id in this API of the certificate whose record has `id`.
pub(crate) fn resource_id(cert_type: CertType, id: &str) -> String {
    format!("{}{id}", Resource::of(cert_type).id_prefix())
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn authority(id: Option<String>, resource: Resource) -> Result<AuthorityId, Failure> {
    let id = id.ok_or_else(|| Failure::no_authority(resource))?;
    if !id.starts_with(Resource::Authority.id_prefix()) {
        return Err(Failure::invalid(
            227,
            "The field 'ssh_certificate_authority_id' must be an id that begins with 'sshca_'.",
        ));
    }
    AuthorityId::parse(&id).map_err(|_| Failure::no_authority(resource))
}

fn subject_key(line: &str) -> Result<PublicKey, Failure> {
    PublicKey::from_line(line).map_err(|error| match error {
        PublicKeyError::Certificate | PublicKeyError::RsaSize(_) | PublicKeyError::UnsupportedType(_) => {
            Failure::invalid(1950, format!("This public key cannot be certified: {error}."))
        }
        PublicKeyError::Base64
        | PublicKeyError::Malformed(_)
        | PublicKeyError::NotAKeyLine
        | PublicKeyError::Point => {
            Failure::invalid(1934, format!("The public key cannot be parsed: {error}."))
        }
    })
}

fn moment(field: &str, text: Option<String>) -> Result<Option<u64>, Failure> {
    let parsed = text.map(|text| timestamp::parse(&text).ok_or(()));
    parsed.transpose().map_err(|()| {
        Failure::invalid(
            241,
            format!("The field '{field}' must be a time in RFC 3339 format, 1970 or later."),
        )
    })
}

/// A time that is missing is the present, or the default lifetime after the beginning.
fn validity(valid_after: Option<u64>, valid_until: Option<u64>, cert_type: CertType) -> RequestedValidity {
    match (valid_after, valid_until) {
        (None, None) => RequestedValidity::RoleDefault,
        (None, Some(until)) => RequestedValidity::Until(until),
        (Some(valid_after), until) => RequestedValidity::Window {
            valid_after,
            valid_before: until.unwrap_or_else(|| valid_after + role::default_ttl_secs(cert_type)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_end_is_counted_from_the_beginning() {
        let window = |valid_after, valid_before| RequestedValidity::Window {
            valid_after,
            valid_before,
        };
        let user = CertType::User;
        assert_eq!(validity(Some(5), None, user), window(5, 86_405));
        assert_eq!(validity(Some(5), None, CertType::Host), window(5, 31_536_005));
        assert_eq!(validity(Some(5), Some(9), user), window(5, 9));
        assert_eq!(validity(None, Some(9), user), RequestedValidity::Until(9));
        assert_eq!(validity(None, None, user), RequestedValidity::RoleDefault);
    }
}
