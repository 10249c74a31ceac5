//! Bodies exactly as ngrok spells them. The comments of the fields are also the descriptions in the OpenAPI document.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a creation of an SSH Certificate Authority may give.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[cfg_attr(
    any(test, feature = "openapi"),
    schemars(rename = "SSHCertificateAuthorityCreate")
)]
#[serde(default, deny_unknown_fields)]
pub struct SshCertificateAuthorityCreate {
    /// human-readable description of this SSH Certificate Authority. optional, max 255 bytes.
    pub description: Option<String>,
    /// arbitrary user-defined machine-readable data of this SSH Certificate Authority. optional, max 4096 bytes.
    pub metadata: Option<String>,
    /// the type of private key to generate. one of `rsa`, `ecdsa`, `ed25519`. `ed25519` if unspecified.
    pub private_key_type: Option<String>,
    /// the elliptic curve of an `ecdsa` key. one of `p256`, `p384`, `p521`. `p256` if unspecified.
    pub elliptic_curve: Option<String>,
    /// the size of an `rsa` key in bits. one of `2048` or `4096`. `4096` if unspecified.
    pub key_size: Option<i64>,
}

/// What an update may give, of any of the three resources.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Update {
    /// the identifier of the resource, as in the path. optional.
    pub id: Option<String>,
    /// human-readable description of this resource. unchanged if unspecified, max 255 bytes.
    pub description: Option<String>,
    /// arbitrary user-defined machine-readable data of this resource. unchanged if unspecified, max 4096 bytes.
    pub metadata: Option<String>,
}

/// What a creation of an SSH Host Certificate may give.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[cfg_attr(any(test, feature = "openapi"), schemars(rename = "SSHHostCertificateCreate"))]
#[serde(default, deny_unknown_fields)]
pub struct SshHostCertificateCreate {
    /// the ssh certificate authority that is used to sign this ssh host certificate
    pub ssh_certificate_authority_id: Option<String>,
    /// a public key in OpenSSH Authorized Keys format that this certificate signs
    pub public_key: Option<String>,
    /// the list of principals included in the ssh host certificate: hostnames or addresses of the host. at least one.
    pub principals: Option<Vec<String>>,
    /// the time when the host certificate becomes valid, in RFC 3339 format. defaults to the current time if
    /// unspecified.
    pub valid_after: Option<String>,
    /// the time when this host certificate becomes invalid, in RFC 3339 format. if unspecified, a default value of one
    /// year will be used.
    pub valid_until: Option<String>,
    /// human-readable description of this SSH Host Certificate. optional, max 255 bytes.
    pub description: Option<String>,
    /// arbitrary user-defined machine-readable data of this SSH Host Certificate. optional, max 4096 bytes.
    pub metadata: Option<String>,
}

/// What a creation of an SSH User Certificate may give.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[cfg_attr(any(test, feature = "openapi"), schemars(rename = "SSHUserCertificateCreate"))]
#[serde(default, deny_unknown_fields)]
pub struct SshUserCertificateCreate {
    /// the ssh certificate authority that is used to sign this ssh user certificate
    pub ssh_certificate_authority_id: Option<String>,
    /// a public key in OpenSSH Authorized Keys format that this certificate signs
    pub public_key: Option<String>,
    /// the list of principals included in the ssh user certificate: the usernames that the certificate holder may sign
    /// in as. at least one.
    pub principals: Option<Vec<String>>,
    /// a map of critical options included in the certificate, such as `force-command` and `source-address`.
    pub critical_options: Option<BTreeMap<String, String>>,
    /// a map of extensions included in the certificate. `{"permit-pty": "", "permit-user-rc": ""}` if unspecified.
    pub extensions: Option<BTreeMap<String, String>>,
    /// the time when the user certificate becomes valid, in RFC 3339 format. defaults to the current time if
    /// unspecified.
    pub valid_after: Option<String>,
    /// the time when this user certificate becomes invalid, in RFC 3339 format. if unspecified, a default value of 24
    /// hours will be used.
    pub valid_until: Option<String>,
    /// human-readable description of this SSH User Certificate. optional, max 255 bytes.
    pub description: Option<String>,
    /// arbitrary user-defined machine-readable data of this SSH User Certificate. optional, max 4096 bytes.
    pub metadata: Option<String>,
}

/// An SSH Certificate Authority.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[cfg_attr(
    any(test, feature = "openapi"),
    schemars(rename = "SSHCertificateAuthority", deny_unknown_fields)
)]
pub struct SshCertificateAuthority {
    /// unique identifier for this SSH Certificate Authority
    pub id: String,
    /// URI of the SSH Certificate Authority API resource
    pub uri: String,
    /// timestamp when the SSH Certificate Authority API resource was created, RFC 3339 format
    pub created_at: String,
    /// human-readable description of this SSH Certificate Authority. optional, max 255 bytes.
    pub description: String,
    /// arbitrary user-defined machine-readable data of this SSH Certificate Authority. optional, max 4096 bytes.
    pub metadata: String,
    /// raw public key for this SSH Certificate Authority
    pub public_key: String,
    /// the type of key for this SSH Certificate Authority, one of `rsa`, `ecdsa` or `ed25519`
    pub key_type: String,
}

/// An SSH Host Certificate.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[cfg_attr(
    any(test, feature = "openapi"),
    schemars(rename = "SSHHostCertificate", deny_unknown_fields)
)]
pub struct SshHostCertificate {
    /// unique identifier for this SSH Host Certificate
    pub id: String,
    /// URI of the SSH Host Certificate API resource
    pub uri: String,
    /// timestamp when the SSH Host Certificate API resource was created, RFC 3339 format
    pub created_at: String,
    /// human-readable description of this SSH Host Certificate. optional, max 255 bytes.
    pub description: String,
    /// arbitrary user-defined machine-readable data of this SSH Host Certificate. optional, max 4096 bytes.
    pub metadata: String,
    /// a public key in OpenSSH Authorized Keys format that this certificate signs
    pub public_key: String,
    /// the key type of the `public_key`, one of `rsa`, `ecdsa` or `ed25519`
    pub key_type: String,
    /// the ssh certificate authority that is used to sign this ssh host certificate
    pub ssh_certificate_authority_id: String,
    /// the list of principals included in the ssh host certificate: hostnames or addresses of the host
    pub principals: Vec<String>,
    /// the time when the ssh host certificate becomes valid, in RFC 3339 format.
    pub valid_after: String,
    /// the time after which the ssh host certificate becomes invalid, in RFC 3339 format. the OpenSSH certificates RFC
    /// calls this `valid_before`.
    pub valid_until: String,
    /// the signed SSH certificate in OpenSSH Authorized Keys format. this value should be placed in a `-cert.pub`
    /// certificate file on disk that should be referenced in your `sshd_config` configuration file with a
    /// `HostCertificate` directive
    pub certificate: String,
}

/// An SSH User Certificate.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[cfg_attr(
    any(test, feature = "openapi"),
    schemars(rename = "SSHUserCertificate", deny_unknown_fields)
)]
pub struct SshUserCertificate {
    /// unique identifier for this SSH User Certificate
    pub id: String,
    /// URI of the SSH User Certificate API resource
    pub uri: String,
    /// timestamp when the SSH User Certificate API resource was created, RFC 3339 format
    pub created_at: String,
    /// human-readable description of this SSH User Certificate. optional, max 255 bytes.
    pub description: String,
    /// arbitrary user-defined machine-readable data of this SSH User Certificate. optional, max 4096 bytes.
    pub metadata: String,
    /// a public key in OpenSSH Authorized Keys format that this certificate signs
    pub public_key: String,
    /// the key type of the `public_key`, one of `rsa`, `ecdsa` or `ed25519`
    pub key_type: String,
    /// the ssh certificate authority that is used to sign this ssh user certificate
    pub ssh_certificate_authority_id: String,
    /// the list of principals included in the ssh user certificate. This is the list of usernames that the certificate
    /// holder may sign in as on a machine authorizing the signing certificate authority.
    pub principals: Vec<String>,
    /// A map of critical options included in the certificate. Only two critical options are currently defined by
    /// OpenSSH for plain keys: `force-command` and `source-address`.
    pub critical_options: BTreeMap<String, String>,
    /// A map of extensions included in the certificate. Extensions are additional metadata that can be interpreted by
    /// the SSH server for any purpose. If unspecified, the certificate will include limited permissions with the
    /// following extension map: `{"permit-pty": "", "permit-user-rc": ""}`
    pub extensions: BTreeMap<String, String>,
    /// the time when the ssh user certificate becomes valid, in RFC 3339 format.
    pub valid_after: String,
    /// the time after which the ssh user certificate becomes invalid, in RFC 3339 format. the OpenSSH certificates RFC
    /// calls this `valid_before`.
    pub valid_until: String,
    /// the signed SSH certificate in OpenSSH Authorized Keys format. this value should be placed in a `-cert.pub`
    /// certificate file on disk beside the private key
    pub certificate: String,
}

/// A page of SSH Certificate Authorities.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[cfg_attr(
    any(test, feature = "openapi"),
    schemars(rename = "SSHCertificateAuthorityList", deny_unknown_fields)
)]
pub struct SshCertificateAuthorityList {
    /// the list of ssh certificate authorities on this account, newest first
    pub ssh_certificate_authorities: Vec<SshCertificateAuthority>,
    /// URI of the ssh certificate authorities list API resource
    pub uri: String,
    /// URI of the next page, or null if there is no next page
    pub next_page_uri: Option<String>,
}

/// A page of SSH Host Certificates.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[cfg_attr(
    any(test, feature = "openapi"),
    schemars(rename = "SSHHostCertificateList", deny_unknown_fields)
)]
pub struct SshHostCertificateList {
    /// the list of ssh host certificates on this account, newest first
    pub ssh_host_certificates: Vec<SshHostCertificate>,
    /// URI of the ssh host certificates list API resource
    pub uri: String,
    /// URI of the next page, or null if there is no next page
    pub next_page_uri: Option<String>,
}

/// A page of SSH User Certificates.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
#[cfg_attr(
    any(test, feature = "openapi"),
    schemars(rename = "SSHUserCertificateList", deny_unknown_fields)
)]
pub struct SshUserCertificateList {
    /// the list of ssh user certificates on this account, newest first
    pub ssh_user_certificates: Vec<SshUserCertificate>,
    /// URI of the ssh user certificates list API resource
    pub uri: String,
    /// URI of the next page, or null if there is no next page
    pub next_page_uri: Option<String>,
}

/// Why a request failed.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(
    any(test, feature = "openapi"),
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct Error {
    /// the code of the error, `ERR_NGROK_` and a number; some errors have none
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(any(test, feature = "openapi"), schemars(with = "String"))]
    pub error_code: Option<String>,
    /// the HTTP status
    pub status_code: u16,
    /// what is wrong, for people
    pub msg: String,
    /// more about it: `operation_id`, the id of the request, or `path`
    pub details: BTreeMap<String, String>,
}
