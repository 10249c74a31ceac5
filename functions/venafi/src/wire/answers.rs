//! Bodies of answers. The sections of a template are kept in the store in the same form.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[cfg(any(test, feature = "openapi"))]
use schemars::JsonSchema;

/// A type of an answer.
macro_rules! answer {
    (
        $(#[$doc:meta])* $name:ident {
            $( $(#[$attribute:meta])* $wire:literal $field:ident: $kind:ty ; )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize)]
        #[cfg_attr(any(test, feature = "openapi"), derive(JsonSchema))]
        #[cfg_attr(any(test, feature = "openapi"), schemars(deny_unknown_fields))]
        pub(crate) struct $name {
            $( $(#[$attribute])* #[serde(rename = $wire)] pub(crate) $field: $kind, )*
        }
    };
}

answer! {
    /// How a call ended.
    WebResponse {
        "ErrorCode" error_code: u16;
        "ErrorMessage" error_message: String;
        "Success" success: bool;
    }
}

impl WebResponse {
    /// That of a success.
    pub(crate) fn success() -> Self {
        Self {
            error_code: 0,
            error_message: String::new(),
            success: true,
        }
    }
}

/// How far a certificate is. Only these words are known to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(JsonSchema))]
pub(crate) enum Status {
    /// It can be had.
    Issued,
    /// It is recorded, and will be signed.
    #[serde(rename = "Pending Issue")]
    PendingIssue,
    /// It will never be.
    Rejected,
}

answer! {
    /// How far a certificate is.
    ProcessingDetails {
        "Status" status: Option<Status>;
        "StatusDescription" status_description: Option<String>;
    }
}

answer! {
    /// Who asked, and from where.
    RequestDetails {
        "OriginatingIp" originating_ip: Option<String>;
        "RequestedBy" requested_by: String;
    }
}

answer! {
    /// What a certificate says.
    CertificateDetails {
        "KeyType" key_type: String;
        "CertificateType" certificate_type: String;
        "CertificateFingerprintSHA256" certificate_fingerprint: String;
        "CAFingerprintSHA256" ca_fingerprint: String;
        "PublicKeyFingerprintSHA256" public_key_fingerprint: String;
        "KeyID" key_id: String;
        "SerialNumber" serial_number: String;
        "Principals" principals: Vec<String>;
        "ValidFrom" valid_from: u64;
        "ValidTo" valid_to: u64;
        "ForceCommand" force_command: Option<String>;
        "SourceAddresses" source_addresses: Vec<String>;
        "Extensions" extensions: BTreeMap<String, String>;
    }
}

/// `SSHCertificates/Request` and `/Retrieve`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(
    any(test, feature = "openapi"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(crate) struct CertificateAnswer {
    #[serde(rename = "DN")]
    pub(crate) dn: Option<String>,
    #[serde(rename = "Guid")]
    pub(crate) guid: Option<String>,
    #[serde(rename = "CADN", skip_serializing_if = "Option::is_none")]
    pub(crate) cadn: Option<String>,
    #[serde(rename = "CAGuid", skip_serializing_if = "Option::is_none")]
    pub(crate) ca_guid: Option<String>,
    #[serde(rename = "CertificateData", skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_data: Option<String>,
    #[serde(rename = "PublicKeyData", skip_serializing_if = "Option::is_none")]
    pub(crate) public_key_data: Option<String>,
    #[serde(rename = "PrivateKeyData", skip_serializing_if = "Option::is_none")]
    pub(crate) private_key_data: Option<String>,
    #[serde(rename = "CertificateDetails", skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_details: Option<CertificateDetails>,
    #[serde(rename = "ProcessingDetails")]
    pub(crate) processing_details: ProcessingDetails,
    #[serde(rename = "RequestDetails", skip_serializing_if = "Option::is_none")]
    pub(crate) request_details: Option<RequestDetails>,
    #[serde(rename = "Response")]
    pub(crate) response: WebResponse,
}

answer! {
    /// A failed call of `vedsdk`.
    WebFailure {
        "DN" dn: Option<String>;
        "Guid" guid: Option<String>;
        "ProcessingDetails" processing_details: ProcessingDetails;
        "Response" response: WebResponse;
        #[serde(skip_serializing_if = "Option::is_none")]
        "error" error: Option<String>;
        #[serde(skip_serializing_if = "Option::is_none")]
        "error_description" error_description: Option<String>;
    }
}

answer! {
    /// A failed call of `vedauth`, or one without the right token.
    OauthFailure {
        "error" error: String;
        "error_description" error_description: String;
    }
}

/// What callers may ask for at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    any(test, feature = "openapi"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(crate) struct ApiClient {
    #[serde(rename = "AllowedToRequestCertificateIdentifier")]
    pub(crate) certificate_identifier: bool,
    #[serde(rename = "AllowedToRequestExtensions")]
    pub(crate) extensions: bool,
    #[serde(rename = "AllowedToRequestForceCommand")]
    pub(crate) force_command: bool,
    #[serde(rename = "AllowedToRequestPrincipals")]
    pub(crate) principals: bool,
    #[serde(rename = "AllowedToRequestSourceAddresses")]
    pub(crate) source_addresses: bool,
}

/// What may be asked for, and what stands where nothing was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    any(test, feature = "openapi"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessControl {
    pub(crate) allowed_certificate_identifier_patterns: Vec<String>,
    pub(crate) allowed_extensions: Vec<String>,
    pub(crate) allowed_force_command_patterns: Vec<String>,
    pub(crate) allowed_principals_patterns: Vec<String>,
    pub(crate) allowed_source_addresses: Vec<String>,
    pub(crate) default_certificate_identifier: Option<String>,
    pub(crate) default_extensions: Vec<String>,
    pub(crate) default_force_command: Option<String>,
    pub(crate) default_principals: Vec<String>,
    pub(crate) default_source_addresses: Vec<String>,
}

/// User or host certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(JsonSchema))]
pub(crate) enum TemplateType {
    Client,
    Host,
}

/// What certificates are like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    any(test, feature = "openapi"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CertificateRules {
    pub(crate) allowed_private_key_algorithms: Vec<String>,
    pub(crate) allowed_private_key_reuse: bool,
    pub(crate) certificate_destination_dn: String,
    pub(crate) default_private_key_algorithm: String,
    pub(crate) signature_hashing_algorithm: String,
    #[serde(rename = "Type")]
    pub(crate) cert_type: TemplateType,
    pub(crate) validity_period: String,
}

answer! {
    /// The CA key of a template.
    CaKeyPair {
        "CreatedOn" created_on: String;
        "DN" dn: String;
        "FingerprintSHA256" fingerprint: String;
        "Guid" guid: String;
        "KeyAlgorithm" key_algorithm: String;
        "Name" name: String;
        "PublicKeyData" public_key_data: String;
    }
}

answer! {
    /// `SSHCertificates/Template/Retrieve`.
    TemplateAnswer {
        "DN" dn: String;
        "Guid" guid: String;
        "Name" name: String;
        "CreatedOn" created_on: String;
        "Contacts" contacts: Vec<String>;
        "CAKeyPairDN" ca_key_pair_dn: String;
        "CAKeyPairGuid" ca_key_pair_guid: String;
        "Authority" authority: String;
        "APIClient" api_client: ApiClient;
        "AccessControl" access_control: AccessControl;
        "Certificate" certificate: CertificateRules;
        #[serde(skip_serializing_if = "Option::is_none")]
        "CAKeyPair" ca_key_pair: Option<CaKeyPair>;
        "Response" response: WebResponse;
    }
}

answer! {
    /// A template that was made, changed or deleted; one in a list.
    TemplateName {
        "DN" dn: String;
        "Guid" guid: String;
        #[serde(skip_serializing_if = "Option::is_none")]
        "Response" response: Option<WebResponse>;
    }
}

answer! {
    /// A token, and what a new one can be had for.
    TokenAnswer {
        "access_token" access_token: String;
        "expires" expires: u64;
        "expires_in" expires_in: u64;
        "identity" identity: String;
        "refresh_token" refresh_token: String;
        "refresh_until" refresh_until: u64;
        "scope" scope: String;
        "token_type" token_type: String;
    }
}

answer! {
    /// `authorize/verify`.
    Verification {
        "access_issued_on" access_issued_on: String;
        "access_issued_on_ISO8601" access_issued_on_iso8601: String;
        "access_issued_on_unix_time" access_issued_on_unix_time: u64;
        "application" application: String;
        "expires" expires: String;
        "expires_ISO8601" expires_iso8601: String;
        "expires_unix_time" expires_unix_time: u64;
        "grant_issued_on" grant_issued_on: String;
        "grant_issued_on_ISO8601" grant_issued_on_iso8601: String;
        "grant_issued_on_unix_time" grant_issued_on_unix_time: u64;
        "identity" identity: String;
        "scope" scope: String;
        "valid_for" valid_for: u64;
    }
}

answer! {
    /// `vedsdk/authorize`.
    ApiKey {
        "APIKey" api_key: String;
        "ValidUntil" valid_until: String;
    }
}

answer! {
    /// Somebody.
    Identity {
        "FullName" full_name: String;
        "Name" name: String;
        "Prefix" prefix: String;
        "PrefixedName" prefixed_name: String;
        "PrefixedUniversal" prefixed_universal: String;
        "Type" kind: u8;
        "Universal" universal: String;
    }
}

answer! {
    /// `Identity/Self`.
    Identities {
        "Identities" identities: Vec<Identity>;
    }
}

answer! {
    /// `vedsdk/`.
    Ping {
        "Version" version: String;
    }
}
