//! Projects.

use crate::{algorithm::KeyAlgorithm, permission::ProjectRole, records::Stored};
use countersign::store::{Key, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) description: Option<String>,
    /// `ssh`, the only kind that is served here.
    pub(crate) kind: String,
    /// The algorithm of the key pairs that are made for users.
    pub(crate) key_algorithm: KeyAlgorithm,
    /// The groups of users in the project, by slug, and their roles.
    pub(crate) groups: BTreeMap<String, ProjectRole>,
    /// The CAs, by id, oldest first.
    pub(crate) cas: Vec<String>,
    /// Absent until the first host or the first setting.
    pub(crate) settings: Option<SshSettings>,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
}

/// Which CAs new hosts get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SshSettings {
    pub(crate) id: String,
    pub(crate) user_ca: Option<String>,
    pub(crate) host_ca: Option<String>,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
}

impl Project {
    /// The partition of all projects.
    pub(crate) const PARTITION: &'static str = "infisical/project";

    pub(crate) fn key_of(id: &str) -> Key {
        Key::new(Table::Roles, Self::PARTITION, non_empty(id))
    }
}

impl Stored for Project {
    fn key(&self) -> Key {
        Self::key_of(&self.id)
    }
}

/// That a project has a slug: no two have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProjectSlug {
    pub(crate) slug: String,
    pub(crate) project_id: String,
}

impl Stored for ProjectSlug {
    fn key(&self) -> Key {
        Key::new(Table::Roles, "infisical/project-slug", non_empty(&self.slug))
    }
}

/// Which project set-up documents mean by a name. Names themselves need not be unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProjectName {
    pub(crate) name: String,
    pub(crate) project_id: String,
}

impl ProjectName {
    pub(crate) fn key_of(name: &str) -> Key {
        Key::new(Table::Roles, "infisical/project-name", non_empty(name))
    }
}

impl Stored for ProjectName {
    fn key(&self) -> Key {
        Self::key_of(&self.name)
    }
}

/// A key has no empty part; nothing is called so.
pub(super) fn non_empty(id: &str) -> &str {
    if id.is_empty() { "-" } else { id }
}
