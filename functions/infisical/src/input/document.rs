//! The document of an operator's set-up. It is our own, not the original's.

use super::{CreateHost, Input, alias, login_mappings, ttl};
use crate::{
    algorithm::KeyAlgorithm,
    model::LoginMapping,
    names,
    permission::ProjectRole,
    validation::{Reader, Text},
};

/// The longest name of a person, a machine, a project.
const MAX_NAME: usize = 255;
/// The lengths of a client secret that is chosen.
const MIN_CLIENT_SECRET: usize = 8;
const MAX_CLIENT_SECRET: usize = 512;

inputs! {
    /// `POST /api/v1/countersign/apply`
    Document { projects: Vec<ProjectSpec>, }

    /// A project and all that is in it.
    ProjectSpec {
        name: String,
        key_algorithm: Option<KeyAlgorithm>,
        users: Vec<UserSpec>,
        identities: Vec<IdentitySpec>,
        groups: Vec<GroupSpec>,
        hosts: Vec<HostSpec>,
    }

    /// A person in a project.
    UserSpec { email: String, password: Option<String>, role: ProjectRole, }

    /// A machine in a project.
    IdentitySpec { name: String, client_id: Option<String>, client_secret: Option<String>, role: ProjectRole, }

    /// A group of people, and what it is in the project.
    GroupSpec { slug: String, users: Vec<String>, role: ProjectRole, }

    /// A host of a project. What is not said stays as it is, or becomes the default of a new host.
    HostSpec {
        hostname: String,
        alias: Option<String>,
        user_cert_ttl: Option<String>,
        host_cert_ttl: Option<String>,
        login_mappings: Option<Vec<LoginMapping>>,
    }
}

fn name() -> Text {
    Text::trimmed().at_least(1).at_most(MAX_NAME)
}

/// What stands in certificates as a principal.
fn email() -> Text {
    name().matching(
        names::is_principal,
        "Email must not hold commas or control characters",
    )
}

fn secret() -> Text {
    Text::any().at_least(1)
}

/// One that the operator chose. Guessing is slowed down by the lock on logins; without a choice, a long random one is
/// made.
fn client_secret() -> Text {
    Text::trimmed()
        .at_least(MIN_CLIENT_SECRET)
        .at_most(MAX_CLIENT_SECRET)
}

fn role(reader: &mut Reader<'_>) -> ProjectRole {
    let role = reader.optional_choice("role", &ProjectRole::NAMES);
    role.unwrap_or(ProjectRole::Member)
}

impl Input for Document {
    fn read(reader: &mut Reader<'_>) -> Self {
        let projects = reader.optional_objects("projects", ProjectSpec::read);
        Self {
            projects: projects.unwrap_or_default(),
        }
    }
}

impl Input for ProjectSpec {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            name: reader.text("name", &name().at_most(64)),
            key_algorithm: reader.optional_choice("keyAlgorithm", &KeyAlgorithm::NAMES),
            users: reader
                .optional_objects("users", UserSpec::read)
                .unwrap_or_default(),
            identities: reader
                .optional_objects("identities", IdentitySpec::read)
                .unwrap_or_default(),
            groups: reader
                .optional_objects("groups", GroupSpec::read)
                .unwrap_or_default(),
            hosts: reader
                .optional_objects("hosts", HostSpec::read)
                .unwrap_or_default(),
        }
    }
}

impl Input for UserSpec {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            email: reader.text("email", &email()),
            password: reader.optional_text("password", &secret()),
            role: role(reader),
        }
    }
}

impl Input for IdentitySpec {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            name: reader.text("name", &name()),
            client_id: reader.optional_text("clientId", &name()),
            client_secret: reader.optional_text("clientSecret", &client_secret()),
            role: role(reader),
        }
    }
}

impl Input for GroupSpec {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            slug: reader.text("slug", &Text::slug("slug", 1)),
            users: reader.optional_texts("users", &email()).unwrap_or_default(),
            role: role(reader),
        }
    }
}

impl Input for HostSpec {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            hostname: reader.text("hostname", &Text::hostname()),
            alias: reader.optional_text("alias", &alias()),
            user_cert_ttl: reader.optional_text("userCertTtl", &ttl()),
            host_cert_ttl: reader.optional_text("hostCertTtl", &ttl()),
            login_mappings: login_mappings(reader),
        }
    }
}

impl HostSpec {
    /// The request that registers it.
    pub(crate) fn into_create(self, project_id: &str) -> CreateHost {
        CreateHost {
            project_id: project_id.to_owned(),
            hostname: self.hostname,
            alias: self.alias.unwrap_or_default(),
            user_cert_ttl: self.user_cert_ttl.unwrap_or_else(|| super::USER_CERT_TTL.into()),
            host_cert_ttl: self.host_cert_ttl.unwrap_or_else(|| super::HOST_CERT_TTL.into()),
            login_mappings: self.login_mappings.unwrap_or_default(),
            user_ssh_ca_id: None,
            host_ssh_ca_id: None,
        }
    }
}
