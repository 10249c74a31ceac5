//! Bodies about certificate templates, and of what is signed through them.

use super::{CERT_TYPES, Input};
use crate::{
    algorithm::KeyAlgorithm,
    duration,
    model::Status,
    names,
    validation::{Issue, Reader, Text},
};
use countersign::types::CertType;

/// The longest name of a template, user pattern and key id.
const MAX_NAME: usize = 36;
const MAX_USER: usize = 32;
const MAX_HOST: usize = 255;
const MAX_KEY_ID: usize = 50;

inputs! {
    /// `POST /ssh/certificate-templates`
    CreateTemplate {
        ssh_ca_id: String,
        name: String,
        ttl: String,
        max_ttl: String,
        allowed_users: Vec<String>,
        allowed_hosts: Vec<String>,
        allow_user_certificates: bool,
        allow_host_certificates: bool,
        allow_custom_key_ids: bool,
    }

    /// `PATCH /ssh/certificate-templates/{id}`
    UpdateTemplate {
        status: Option<Status>,
        name: Option<String>,
        ttl: Option<String>,
        max_ttl: Option<String>,
        allowed_users: Option<Vec<String>>,
        allowed_hosts: Option<Vec<String>>,
        allow_user_certificates: Option<bool>,
        allow_host_certificates: Option<bool>,
        allow_custom_key_ids: Option<bool>,
    }

    /// `POST /ssh/certificates/sign`
    SignKey { public_key: String, wanted: Wanted, }

    /// `POST /ssh/certificates/issue`
    IssueCredentials { key_algorithm: KeyAlgorithm, wanted: Wanted, }

    /// What both of these ask for.
    Wanted {
        template_id: String,
        cert_type: CertType,
        principals: Vec<String>,
        ttl: Option<String>,
        key_id: Option<String>,
    }
}

fn user_pattern() -> Text {
    Text::trimmed()
        .at_most(MAX_USER)
        .matching(names::is_user_pattern, "Invalid user pattern")
}

fn host_pattern() -> Text {
    Text::trimmed()
        .at_most(MAX_HOST)
        .matching(names::is_host_pattern, "Invalid host pattern")
}

fn name(message: &str) -> Text {
    Text::any()
        .at_least(1)
        .at_most(MAX_NAME)
        .matching(names::is_slug, message)
}

fn ttl() -> Text {
    Text::duration("TTL")
}

fn max_ttl() -> Text {
    Text::duration("Max TTL")
}

impl Input for CreateTemplate {
    fn read(reader: &mut Reader<'_>) -> Self {
        let input = Self {
            ssh_ca_id: reader.text("sshCaId", &Text::any()),
            name: reader.text("name", &name("Name must be a valid slug")),
            ttl: reader.optional_text("ttl", &ttl()).unwrap_or_else(|| "1h".into()),
            max_ttl: reader
                .optional_text("maxTTL", &max_ttl())
                .unwrap_or_else(|| "30d".into()),
            allowed_users: reader.texts("allowedUsers", &user_pattern()),
            allowed_hosts: reader.texts("allowedHosts", &host_pattern()),
            allow_user_certificates: reader.boolean("allowUserCertificates"),
            allow_host_certificates: reader.boolean("allowHostCertificates"),
            allow_custom_key_ids: reader.boolean("allowCustomKeyIds"),
        };
        if reader.is_clean() && duration::parse(&input.ttl).ok() > duration::parse(&input.max_ttl).ok() {
            // As the original spells it.
            let message = "Max TLL must be greater than or equal to TTL";
            reader.add(Issue::custom(&reader.path_of("maxTTL"), message));
        }
        input
    }
}

impl Input for UpdateTemplate {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            status: reader.optional_choice("status", &Status::NAMES),
            name: reader.optional_text("name", &name("Slug must be a valid slug")),
            ttl: reader.optional_text("ttl", &ttl()),
            max_ttl: reader.optional_text("maxTTL", &max_ttl()),
            allowed_users: reader.optional_texts("allowedUsers", &user_pattern()),
            allowed_hosts: reader.optional_texts("allowedHosts", &host_pattern()),
            allow_user_certificates: reader.optional_boolean("allowUserCertificates"),
            allow_host_certificates: reader.optional_boolean("allowHostCertificates"),
            allow_custom_key_ids: reader.optional_boolean("allowCustomKeyIds"),
        }
    }
}

impl Input for SignKey {
    fn read(reader: &mut Reader<'_>) -> Self {
        let template_id = template_id(reader);
        let public_key = reader.text("publicKey", &Text::trimmed());
        Self {
            public_key,
            wanted: wanted(reader, template_id),
        }
    }
}

impl Input for IssueCredentials {
    fn read(reader: &mut Reader<'_>) -> Self {
        let template_id = template_id(reader);
        let key_algorithm = reader.optional_choice("keyAlgorithm", &KeyAlgorithm::NAMES);
        Self {
            key_algorithm: key_algorithm.unwrap_or_default(),
            wanted: wanted(reader, template_id),
        }
    }
}

fn template_id(reader: &mut Reader<'_>) -> String {
    reader.text("certificateTemplateId", &Text::trimmed().at_least(1))
}

fn wanted(reader: &mut Reader<'_>, template_id: String) -> Wanted {
    let cert_type = reader.optional_choice("certType", &CERT_TYPES);
    let principals = reader.texts("principals", &Text::trimmed());
    if reader
        .value("principals")
        .and_then(|value| value.as_array())
        .is_some_and(Vec::is_empty)
    {
        let message = "Principals array must not be empty";
        reader.add(Issue::custom(&reader.path_of("principals"), message));
    }
    Wanted {
        template_id,
        cert_type: cert_type.unwrap_or(CertType::User),
        principals,
        ttl: reader.optional_text("ttl", &ttl()),
        key_id: reader.optional_text("keyId", &Text::trimmed().at_most(MAX_KEY_ID)),
    }
}
