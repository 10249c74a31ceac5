//! What requests bring, read against the original's schema.

use crate::{
    algorithm::KeyAlgorithm,
    error::Problem,
    model::{KeySource, LoginMapping, Status},
    names,
    validation::{Issue, Reader, Text},
};
use countersign::types::CertType;
use serde_json::Value;

/// The largest login user that a mapping holds.
const MAX_LOGIN_USER: usize = 255;

/// The lifetimes of a host's certificates where nobody says.
const USER_CERT_TTL: &str = "8h";
const HOST_CERT_TTL: &str = "1y";

/// Reads one body.
pub(crate) trait Input: Sized {
    fn read(reader: &mut Reader<'_>) -> Self;

    /// Reads `body`.
    ///
    /// # Errors
    /// 422 with all faults.
    fn parse(body: &Value) -> Result<Self, Problem> {
        let mut reader = Reader::new(body);
        let input = Self::read(&mut reader);
        reader.finish(input)
    }
}

/// Defines inputs.
macro_rules! inputs {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name { $($(#[$field_meta])* pub(crate) $field: $type,)* }
    )*};
}

mod document;
mod template;

pub(crate) use document::{Document, GroupSpec, HostSpec, IdentitySpec, ProjectSpec, UserSpec};
pub(crate) use template::{CreateTemplate, IssueCredentials, SignKey, UpdateTemplate, Wanted};

inputs! {
    /// `POST …/issue-user-cert`
    IssueUserCert { login_user: String, }

    /// `POST …/issue-host-cert`
    IssueHostCert { public_key: String, }

    /// `POST /ssh/hosts`
    CreateHost {
        project_id: String,
        hostname: String,
        alias: String,
        user_cert_ttl: String,
        host_cert_ttl: String,
        login_mappings: Vec<LoginMapping>,
        user_ssh_ca_id: Option<String>,
        host_ssh_ca_id: Option<String>,
    }

    /// `PATCH /ssh/hosts/{id}`
    UpdateHost {
        hostname: Option<String>,
        alias: Option<String>,
        user_cert_ttl: Option<String>,
        host_cert_ttl: Option<String>,
        login_mappings: Option<Vec<LoginMapping>>,
    }

    /// `POST /ssh/host-groups`
    CreateHostGroup { project_id: String, name: String, login_mappings: Vec<LoginMapping>, }

    /// `PATCH /ssh/host-groups/{id}`
    UpdateHostGroup { name: Option<String>, login_mappings: Option<Vec<LoginMapping>>, }

    /// `POST /ssh/ca`
    CreateCa {
        project_id: String,
        friendly_name: String,
        key_algorithm: KeyAlgorithm,
        /// The two keys, for a key from outside.
        external: Option<(String, String)>,
    }

    /// `PATCH /ssh/ca/{id}`
    UpdateCa { friendly_name: Option<String>, status: Option<Status>, }

    /// `PATCH …/ssh-config`
    UpdateSshConfig { default_user_ssh_ca_id: Option<String>, default_host_ssh_ca_id: Option<String>, }

    /// `POST /projects`
    CreateProject { name: String, kind: String, slug: Option<String>, description: Option<String>, }

    /// `POST …/universal-auth/login`
    UniversalLogin { client_id: String, client_secret: String, }

    /// `POST …/token/renew` and `…/token/revoke`
    PresentedToken { access_token: String, }

    /// `POST /v3/auth/login`
    UserLogin { email: String, password: String, }

    /// `POST /v3/auth/select-organization`
    SelectOrganization { organization_id: String, }
}

impl Input for IssueUserCert {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            login_user: reader.text("loginUser", &Text::any()),
        }
    }
}

impl Input for IssueHostCert {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            public_key: reader.text("publicKey", &Text::any()),
        }
    }
}

fn ttl() -> Text {
    Text::duration("TTL")
}

fn alias() -> Text {
    Text::slug("alias", 0)
}

impl Input for CreateHost {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            project_id: reader.text("projectId", &Text::any()),
            hostname: reader.text("hostname", &Text::hostname()),
            alias: reader.optional_text("alias", &alias()).unwrap_or_default(),
            user_cert_ttl: reader
                .optional_text("userCertTtl", &ttl())
                .unwrap_or_else(|| USER_CERT_TTL.into()),
            host_cert_ttl: reader
                .optional_text("hostCertTtl", &ttl())
                .unwrap_or_else(|| HOST_CERT_TTL.into()),
            login_mappings: login_mappings(reader).unwrap_or_default(),
            user_ssh_ca_id: reader.optional_text("userSshCaId", &Text::any()),
            host_ssh_ca_id: reader.optional_text("hostSshCaId", &Text::any()),
        }
    }
}

impl Input for UpdateHost {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            hostname: reader.optional_text("hostname", &Text::hostname()),
            alias: reader.optional_text("alias", &alias()),
            user_cert_ttl: reader.optional_text("userCertTtl", &ttl()),
            host_cert_ttl: reader.optional_text("hostCertTtl", &ttl()),
            login_mappings: login_mappings(reader),
        }
    }
}

/// Reads `loginMappings`, if it is there.
pub(crate) fn login_mappings(reader: &mut Reader<'_>) -> Option<Vec<LoginMapping>> {
    reader.optional_objects("loginMappings", |reader| {
        let login_user = reader.text("loginUser", &login_user());
        let (usernames, groups) = reader.object("allowedPrincipals", allowed_principals);
        LoginMapping {
            login_user,
            usernames,
            groups,
        }
    })
}

/// What could not stand in a certificate as a principal is refused here, where it can be mended.
fn login_user() -> Text {
    Text::trimmed().at_least(1).at_most(MAX_LOGIN_USER).matching(
        names::is_principal,
        "Login user must not hold commas or control characters",
    )
}

fn allowed_principals(reader: &mut Reader<'_>) -> (Vec<String>, Vec<String>) {
    let mut list = |name| {
        let names = reader.optional_texts(name, &Text::trimmed()).unwrap_or_default();
        without_duplicates(names)
    };
    let (usernames, groups) = (list("usernames"), list("groups"));
    if usernames.is_empty() && groups.is_empty() && reader.is_clean() {
        // The last name of the path really is there twice.
        let path = reader.path_of("allowedPrincipals");
        reader.add(Issue::custom(
            &path,
            "At least one username or group must be provided",
        ));
    }
    (usernames, groups)
}

fn without_duplicates(names: Vec<String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

impl Input for CreateHostGroup {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            project_id: reader.text("projectId", &Text::any()),
            name: reader.text("name", &Text::slug("name", 1)),
            login_mappings: login_mappings(reader).unwrap_or_default(),
        }
    }
}

impl Input for UpdateHostGroup {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            name: reader.optional_text("name", &Text::slug("name", 1)),
            login_mappings: login_mappings(reader),
        }
    }
}

impl Input for CreateCa {
    fn read(reader: &mut Reader<'_>) -> Self {
        let project_id = reader.text("projectId", &Text::any());
        let friendly_name = reader.text("friendlyName", &Text::any());
        let key_algorithm = reader.optional_choice("keyAlgorithm", &KeyAlgorithm::NAMES);
        let public_key = reader.optional_text("publicKey", &Text::trimmed());
        let private_key = reader.optional_text("privateKey", &Text::trimmed());
        let source = reader.optional_choice("keySource", &KeySource::NAMES);
        let is_external = source == Some(KeySource::External);
        let given = |key: Option<String>| key.filter(|key| !key.is_empty());
        let keys = given(public_key).zip(given(private_key));
        if is_external && keys.is_none() && reader.is_clean() {
            let message = "publicKey and privateKey are required when keySource is external";
            reader.add(Issue::custom(&reader.path_of("publicKey"), message));
        }
        Self {
            project_id,
            friendly_name,
            key_algorithm: key_algorithm.unwrap_or_default(),
            external: keys.filter(|_| is_external),
        }
    }
}

impl Input for UpdateCa {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            friendly_name: reader.optional_text("friendlyName", &Text::any()),
            status: reader.optional_choice("status", &Status::NAMES),
        }
    }
}

impl Input for UpdateSshConfig {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            default_user_ssh_ca_id: reader.optional_text("defaultUserSshCaId", &Text::any()),
            default_host_ssh_ca_id: reader.optional_text("defaultHostSshCaId", &Text::any()),
        }
    }
}

impl Input for CreateProject {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            name: reader.text("projectName", &Text::trimmed().at_least(1).at_most(64)),
            kind: reader
                .optional_text("type", &Text::any())
                .unwrap_or_else(|| "ssh".into()),
            slug: reader.optional_text("slug", &Text::slug("slug", 1)),
            description: reader.optional_text("projectDescription", &Text::trimmed().at_most(256)),
        }
    }
}

impl Input for UniversalLogin {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            client_id: reader.text("clientId", &Text::trimmed()),
            client_secret: reader.text("clientSecret", &Text::trimmed()),
        }
    }
}

impl Input for PresentedToken {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            access_token: reader.text("accessToken", &Text::trimmed()),
        }
    }
}

impl Input for UserLogin {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            email: reader.text("email", &Text::trimmed()),
            password: reader.text("password", &Text::any()),
        }
    }
}

impl Input for SelectOrganization {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            organization_id: reader.text("organizationId", &Text::trimmed()),
        }
    }
}

/// `certType` in the schema.
pub(super) const CERT_TYPES: [(&str, CertType); 2] = [("user", CertType::User), ("host", CertType::Host)];
