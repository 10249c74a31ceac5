//! Bodies of requests: what may stand in them, and the types that are read from them.

use crate::body::{Shape, flag, texts};
use serde::Deserialize;
use std::collections::BTreeMap;

#[cfg(any(test, feature = "openapi"))]
use schemars::JsonSchema;

/// A body of a request: its members, and a type that is read from them.
macro_rules! body {
    (
        $(#[$doc:meta])* $name:ident, strict: $strict:literal {
            $( $(#[$attribute:meta])* $wire:literal $field:ident: $kind:ty $(, in $inner:ident)? ; )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[cfg_attr(any(test, feature = "openapi"), derive(JsonSchema))]
        #[serde(default)]
        pub(crate) struct $name {
            $( $(#[$attribute])* #[serde(rename = $wire)] pub(crate) $field: $kind, )*
        }

        impl $name {
            /// What such a body may have.
            pub(crate) const SHAPE: Shape = Shape {
                members: &[ $( ($wire, body!(@inner $($inner)?)), )* ],
                is_strict: $strict,
            };
        }
    };
    (@inner) => { None };
    (@inner $inner:ident) => { Some(&$inner::SHAPE) };
}

body! {
    /// `SSHCertificates/Request`.
    CertificateRequest, strict: false {
        "CADN" cadn: Option<String>;
        /// A host, for the record. Clients send a list of them under the next name.
        #[serde(deserialize_with = "texts")]
        #[cfg_attr(any(test, feature = "openapi"), schemars(with = "Option<String>"))]
        "DestinationAddress" destination_address: Vec<String>;
        #[serde(deserialize_with = "texts")]
        "DestinationAddresses" destination_addresses: Vec<String>;
        "Extensions" extensions: Option<BTreeMap<String, Option<String>>>;
        "ForceCommand" force_command: Option<String>;
        #[serde(deserialize_with = "flag")]
        "IncludeCertificateDetails" include_certificate_details: Option<bool>;
        #[serde(deserialize_with = "flag")]
        "IncludePrivateKeyData" include_private_key_data: Option<bool>;
        "KeyId" key_id: Option<String>;
        "ObjectName" object_name: Option<String>;
        "Origin" origin: Option<String>;
        "PolicyDN" policy_dn: Option<String>;
        "Principals" principals: Option<Vec<String>>;
        "PrivateKeyPassphrase" private_key_passphrase: Option<String>;
        /// 0 to 180 seconds, as a number or a text.
        #[serde(deserialize_with = "timeout")]
        #[cfg_attr(any(test, feature = "openapi"), schemars(with = "Option<serde_json::Value>"))]
        "ProcessingTimeout" processing_timeout: Option<u64>;
        "PublicKeyData" public_key_data: Option<String>;
        "SourceAddresses" source_addresses: Option<Vec<String>>;
        "ValidityPeriod" validity_period: Option<String>;
    }
}

body! {
    /// `SSHCertificates/Retrieve`.
    Retrieval, strict: false {
        "DN" dn: Option<String>;
        "Guid" guid: Option<String>;
        #[serde(deserialize_with = "flag")]
        "IncludeCertificateDetails" include_certificate_details: Option<bool>;
        #[serde(deserialize_with = "flag")]
        "IncludePrivateKeyData" include_private_key_data: Option<bool>;
        "PrivateKeyPassphrase" private_key_passphrase: Option<String>;
    }
}

body! {
    /// `SSHCertificates/Template/Retrieve`.
    TemplateRetrieval, strict: false {
        "DN" dn: Option<String>;
        "Guid" guid: Option<String>;
        #[serde(deserialize_with = "flag")]
        "IncludeCAKeyPairDetails" include_ca_key_pair_details: Option<bool>;
    }
}

body! {
    /// `SSHCertificates/Template/Create`. Ours: the product has no such route.
    TemplateCreation, strict: true {
        "APIClient" api_client: Option<ApiClientInput>, in ApiClientInput;
        "AccessControl" access_control: Option<AccessControlInput>, in AccessControlInput;
        /// The id of an authority, or the ARN of a KMS key. Without it, a new key is made.
        "Authority" authority: Option<String>;
        "CAKeyPair" ca_key_pair: Option<CaKeyPairInput>, in CaKeyPairInput;
        "Certificate" certificate: Option<CertificateRulesInput>, in CertificateRulesInput;
        "Contacts" contacts: Option<Vec<String>>;
        "Name" name: Option<String>;
    }
}

body! {
    /// `SSHCertificates/Template/Update`: the sections that are given take the place of the old ones.
    TemplateUpdate, strict: true {
        "APIClient" api_client: Option<ApiClientInput>, in ApiClientInput;
        "AccessControl" access_control: Option<AccessControlInput>, in AccessControlInput;
        "Authority" authority: Option<String>;
        "Certificate" certificate: Option<CertificateRulesInput>, in CertificateRulesInput;
        "Contacts" contacts: Option<Vec<String>>;
        "DN" dn: Option<String>;
        "Guid" guid: Option<String>;
        "Name" name: Option<String>;
    }
}

body! {
    /// `SSHCertificates/Template/Delete`.
    TemplateDeletion, strict: true {
        "DN" dn: Option<String>;
        "Guid" guid: Option<String>;
        "Name" name: Option<String>;
    }
}

body! {
    /// What callers may ask for at all.
    ApiClientInput, strict: true {
        #[serde(deserialize_with = "flag")]
        "AllowedToRequestCertificateIdentifier" certificate_identifier: Option<bool>;
        #[serde(deserialize_with = "flag")]
        "AllowedToRequestExtensions" extensions: Option<bool>;
        #[serde(deserialize_with = "flag")]
        "AllowedToRequestForceCommand" force_command: Option<bool>;
        #[serde(deserialize_with = "flag")]
        "AllowedToRequestPrincipals" principals: Option<bool>;
        #[serde(deserialize_with = "flag")]
        "AllowedToRequestSourceAddresses" source_addresses: Option<bool>;
    }
}

body! {
    /// What may be asked for, and what stands where nothing was asked.
    AccessControlInput, strict: true {
        "AllowedCertificateIdentifierPatterns" allowed_certificate_identifier_patterns: Option<Vec<String>>;
        "AllowedExtensions" allowed_extensions: Option<Vec<String>>;
        "AllowedForceCommandPatterns" allowed_force_command_patterns: Option<Vec<String>>;
        "AllowedPrincipalsPatterns" allowed_principals_patterns: Option<Vec<String>>;
        "AllowedSourceAddresses" allowed_source_addresses: Option<Vec<String>>;
        "DefaultCertificateIdentifier" default_certificate_identifier: Option<String>;
        "DefaultExtensions" default_extensions: Option<Vec<String>>;
        "DefaultForceCommand" default_force_command: Option<String>;
        "DefaultPrincipals" default_principals: Option<Vec<String>>;
        "DefaultSourceAddresses" default_source_addresses: Option<Vec<String>>;
    }
}

body! {
    /// What certificates are like.
    CertificateRulesInput, strict: true {
        "AllowedPrivateKeyAlgorithms" allowed_private_key_algorithms: Option<Vec<String>>;
        #[serde(deserialize_with = "flag")]
        "AllowedPrivateKeyReuse" allowed_private_key_reuse: Option<bool>;
        "CertificateDestinationDn" certificate_destination_dn: Option<String>;
        "DefaultPrivateKeyAlgorithm" default_private_key_algorithm: Option<String>;
        "SignatureHashingAlgorithm" signature_hashing_algorithm: Option<String>;
        "Type" cert_type: Option<String>;
        "ValidityPeriod" validity_period: Option<String>;
    }
}

body! {
    /// The key of a new template.
    CaKeyPairInput, strict: true {
        "KeyAlgorithm" key_algorithm: Option<String>;
        "Name" name: Option<String>;
    }
}

body! {
    /// `authorize/oauth`.
    OauthRequest, strict: false {
        "client_id" client_id: Option<String>;
        "username" username: Option<String>;
        "password" password: Option<String>;
        "scope" scope: Option<String>;
    }
}

body! {
    /// `authorize/token`.
    RefreshRequest, strict: false {
        "client_id" client_id: Option<String>;
        "refresh_token" refresh_token: Option<String>;
    }
}

body! {
    /// `vedsdk/authorize`.
    ApiKeyRequest, strict: false {
        "Username" username: Option<String>;
        "Password" password: Option<String>;
    }
}

body! {
    /// No body, or one that nobody looks at.
    Nothing, strict: false {}
}

/// The most seconds of `ProcessingTimeout`.
const MAX_TIMEOUT: u64 = 180;

fn timeout<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let secs = match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Number(number) => number.as_u64(),
        serde_json::Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()
        }
        _ => None,
    };
    match secs {
        Some(secs) if secs <= MAX_TIMEOUT => Ok(Some(secs)),
        _ => Err(serde::de::Error::custom("give 0 to 180 seconds")),
    }
}
