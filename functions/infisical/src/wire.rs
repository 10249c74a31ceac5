//! Answers exactly as the original spells them. The comments of the fields are also the descriptions in the OpenAPI
//! document.

mod render;

use crate::{
    algorithm::KeyAlgorithm,
    model::{KeySource, Status},
};
use serde::Serialize;

/// Derives what every answer has.
macro_rules! answers {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Serialize)]
        #[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
        #[cfg_attr(any(test, feature = "openapi"), schemars(deny_unknown_fields))]
        #[serde(rename_all = "camelCase")]
        pub(crate) struct $name { $($(#[$field_meta])* pub(crate) $field: $type,)* }
    )*};
}

answers! {
    /// Whom a login mapping admits.
    AllowedPrincipals {
        /// The usernames that may log in.
        usernames: Vec<String>,
        /// The slugs of the groups whose members may log in.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(any(test, feature = "openapi"), schemars(with = "Vec<String>"), serde(default))]
        groups: Option<Vec<String>>,
    }

    /// Who may log in as one login user.
    LoginMapping {
        /// The user on the host.
        login_user: String,
        /// Who may log in as that user.
        allowed_principals: AllowedPrincipals,
        /// `host`, or `hostGroup` where the mapping is inherited.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(any(test, feature = "openapi"), schemars(with = "String"), serde(default))]
        source: Option<&'static str>,
    }

    /// An SSH host.
    Host {
        /// The ID of the SSH host.
        id: String,
        /// The ID of its project.
        project_id: String,
        /// The hostname of the SSH host.
        hostname: String,
        /// The alias of the SSH host.
        alias: Option<String>,
        /// The time to live of user certificates.
        user_cert_ttl: String,
        /// The time to live of host certificates.
        host_cert_ttl: String,
        /// The ID of the CA of user certificates.
        user_ssh_ca_id: String,
        /// The ID of the CA of host certificates.
        host_ssh_ca_id: String,
        /// Who may log in as whom.
        login_mappings: Vec<LoginMapping>,
    }

    /// A certificate for a key pair that was made along with it.
    IssuedCredentials {
        /// The serial number of the issued SSH certificate.
        serial_number: String,
        /// The SSH certificate or signed SSH public key.
        signed_key: String,
        /// The private key corresponding to the issued SSH certificate.
        private_key: String,
        /// The public key of the issued SSH certificate.
        public_key: String,
        /// The type of public key algorithm and size, in bits, of the key pair for the SSH host.
        key_algorithm: KeyAlgorithm,
    }

    /// A certificate for a key that the caller has.
    SignedKey {
        /// The serial number of the issued SSH certificate.
        serial_number: String,
        /// The SSH certificate or signed SSH public key.
        signed_key: String,
    }

    /// An SSH CA.
    Ca {
        /// The ID of the SSH CA.
        id: String,
        /// The ID of its project.
        project_id: String,
        /// A friendly name for the SSH CA.
        friendly_name: String,
        /// The status of the SSH CA.
        status: Status,
        /// The algorithm of its key.
        key_algorithm: KeyAlgorithm,
        /// Where its key came from.
        key_source: KeySource,
        /// The public key of the SSH CA.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(any(test, feature = "openapi"), schemars(with = "String"), serde(default))]
        public_key: Option<String>,
    }

    /// One CA.
    CaAnswer {
        /// The CA.
        ca: Ca,
    }

    /// The CAs of a project.
    Cas {
        /// The CAs, newest change first.
        cas: Vec<Ca>,
    }

    /// A certificate template.
    CertificateTemplate {
        /// The ID of the template.
        id: String,
        /// The ID of its CA.
        ssh_ca_id: String,
        /// The status of the template.
        status: Status,
        /// The name of the template.
        name: String,
        /// The time to live of certificates for which none is asked.
        ttl: String,
        /// The longest time to live.
        #[serde(rename = "maxTTL")]
        max_ttl: String,
        /// The allowed users.
        allowed_users: Vec<String>,
        /// The allowed hosts.
        allowed_hosts: Vec<String>,
        /// Whether user certificates are allowed.
        allow_user_certificates: bool,
        /// Whether host certificates are allowed.
        allow_host_certificates: bool,
        /// Whether the caller may choose the key id.
        allow_custom_key_ids: bool,
    }

    /// Certificate templates.
    CertificateTemplates {
        /// The templates.
        certificate_templates: Vec<CertificateTemplate>,
    }

    /// A host group.
    HostGroup {
        /// The ID of the host group.
        id: String,
        /// The ID of its project.
        project_id: String,
        /// The name of the host group.
        name: String,
        /// The mappings that its hosts inherit.
        login_mappings: Vec<LoginMapping>,
        /// How many hosts are in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(any(test, feature = "openapi"), schemars(with = "u64"), serde(default))]
        host_count: Option<usize>,
    }

    /// The host groups of a project.
    HostGroups {
        /// The groups.
        groups: Vec<HostGroup>,
    }

    /// A host as its group sees it.
    GroupHost {
        /// The ID of the SSH host.
        id: String,
        /// The hostname of the SSH host.
        hostname: String,
        /// The alias of the SSH host.
        alias: Option<String>,
        /// Whether the host is in the group.
        is_part_of_group: bool,
        /// Since when it is.
        joined_group_at: Option<String>,
    }

    /// Hosts as a group sees them.
    GroupHosts {
        /// The hosts, by hostname.
        hosts: Vec<GroupHost>,
        /// How many there are.
        total_count: usize,
    }

    /// The hosts of a project.
    Hosts {
        /// The hosts, newest change first.
        hosts: Vec<Host>,
    }

    /// The record of an SSH certificate.
    Certificate {
        /// The ID of the record.
        id: String,
        /// The ID of the CA that signed it.
        ssh_ca_id: String,
        /// The ID of the template, if it came through one.
        ssh_certificate_template_id: Option<String>,
        /// The serial number in decimal.
        serial_number: String,
        /// `user` or `host`.
        cert_type: String,
        /// The principals.
        principals: Vec<String>,
        /// The key id.
        key_id: String,
        /// The beginning of its validity.
        not_before: String,
        /// The end of its validity.
        not_after: String,
    }

    /// The certificates of a project.
    Certificates {
        /// One page of them, newest first.
        certificates: Vec<Certificate>,
        /// How many there are.
        total_count: usize,
    }

    /// The SSH settings of a project.
    SshConfig {
        /// The ID of the settings.
        id: String,
        /// When they were made.
        created_at: String,
        /// When they were changed last.
        updated_at: String,
        /// The ID of the project.
        project_id: String,
        /// The CA that signs user certificates of new hosts.
        default_user_ssh_ca_id: Option<String>,
        /// The CA that signs host certificates of new hosts.
        default_host_ssh_ca_id: Option<String>,
    }

    /// A project.
    Project {
        /// The ID of the project.
        id: String,
        /// The same.
        #[serde(rename = "_id")]
        legacy_id: String,
        /// The name of the project.
        name: String,
        /// The slug of the project.
        slug: String,
        /// What the project is for.
        description: Option<String>,
        /// `ssh`.
        r#type: String,
        /// The ID of the organization.
        org_id: String,
        /// Always empty: SSH projects have none.
        environments: Vec<String>,
        /// When it was made.
        created_at: String,
        /// When it was changed last.
        updated_at: String,
    }

    /// One project.
    ProjectAnswer {
        /// The project.
        project: Project,
    }

    /// Projects.
    Projects {
        /// The projects.
        projects: Vec<Project>,
    }

    /// One project, as it was called before.
    WorkspaceAnswer {
        /// The project.
        workspace: Project,
    }

    /// Projects, as they were called before.
    Workspaces {
        /// The projects.
        workspaces: Vec<Project>,
    }

    /// An organization.
    Organization {
        /// The ID of the organization.
        id: String,
        /// The name of the organization.
        name: String,
        /// The slug of the organization.
        slug: String,
    }

    /// The organizations of the caller.
    Organizations {
        /// The organizations.
        organizations: Vec<Organization>,
    }

    /// The token of an identity.
    IdentityToken {
        /// The token.
        access_token: String,
        /// How long it lives in seconds; 0 without end.
        expires_in: u64,
        /// How long it can be kept alive in seconds; 0 without end.
        #[serde(rename = "accessTokenMaxTTL")]
        access_token_max_ttl: u64,
        /// `Bearer`.
        token_type: String,
    }

    /// The token of a user who has not chosen an organization yet.
    UserLogin {
        /// The token.
        access_token: String,
    }

    /// The token of a user.
    SelectedOrganization {
        /// The token.
        token: String,
        /// Always false.
        is_mfa_enabled: bool,
    }

    /// What became of a document.
    Applied {
        /// The ID of the organization.
        organization_id: String,
        /// The projects, in the order of the document.
        projects: Vec<AppliedProject>,
    }

    /// A project of a document.
    AppliedProject {
        /// The ID of the project.
        id: String,
        /// The name of the project.
        name: String,
        /// The slug of the project.
        slug: String,
        /// The algorithm of the key pairs that are made for users.
        key_algorithm: KeyAlgorithm,
        /// The CA that signs user certificates of new hosts.
        default_user_ssh_ca_id: Option<String>,
        /// The CA that signs host certificates of new hosts.
        default_host_ssh_ca_id: Option<String>,
        /// The people, in the order of the document.
        users: Vec<AppliedUser>,
        /// The machines, in the order of the document.
        identities: Vec<AppliedIdentity>,
        /// The groups, in the order of the document.
        groups: Vec<AppliedGroup>,
        /// The hosts, in the order of the document.
        hosts: Vec<Host>,
    }

    /// A person of a document.
    AppliedUser {
        /// The ID of the user.
        id: String,
        /// The e-mail address, by which login mappings name the user.
        email: String,
        /// The password, as the document has it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(any(test, feature = "openapi"), schemars(with = "String"), serde(default))]
        password: Option<String>,
        /// What the user is in the project.
        role: String,
    }

    /// A machine of a document.
    AppliedIdentity {
        /// The ID of the identity.
        id: String,
        /// Its name.
        name: String,
        /// What it is known by when it logs in.
        client_id: String,
        /// Its secret, as the document has it, or as it was made just now.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(any(test, feature = "openapi"), schemars(with = "String"), serde(default))]
        client_secret: Option<String>,
        /// What the identity is in the project.
        role: String,
    }

    /// A group of people of a document.
    AppliedGroup {
        /// The ID of the group.
        id: String,
        /// By which login mappings name the group.
        slug: String,
        /// The e-mail addresses of its members.
        users: Vec<String>,
        /// What the group is in the project.
        role: String,
    }

    /// What happened.
    Message {
        /// A sentence.
        message: String,
    }
}
