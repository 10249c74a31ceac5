//! The CAs of projects: a name and a state around an authority of the account.

use super::project::{Project, non_empty};
use crate::{algorithm::KeyAlgorithm, records::Stored};
use countersign::{
    authority::AuthorityId,
    authority_use::AuthorityUse,
    store::{Key, Table},
};
use serde::{Deserialize, Serialize};

/// One CA of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ca {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) friendly_name: String,
    pub(crate) status: Status,
    pub(crate) key_algorithm: KeyAlgorithm,
    pub(crate) key_source: KeySource,
    pub(crate) authority: AuthorityId,
    pub(crate) updated_at: u64,
}

/// Whether a CA or a template may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
pub(crate) enum Status {
    Active,
    Disabled,
}

impl Status {
    /// Both, by their names.
    pub(crate) const NAMES: [(&'static str, Self); 2] =
        [("active", Self::Active), ("disabled", Self::Disabled)];
}

/// Where a CA key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
pub(crate) enum KeySource {
    External,
    Internal,
}

impl KeySource {
    /// Both, by their names.
    pub(crate) const NAMES: [(&'static str, Self); 2] =
        [("internal", Self::Internal), ("external", Self::External)];
}

impl Ca {
    pub(crate) fn key_of(id: &str) -> Key {
        Key::new(Table::Roles, format!("infisical/ca/{}", non_empty(id)), "ca")
    }

    /// The use that it makes of its authority, for `project`.
    pub(crate) fn authority_use(&self, project: &Project) -> AuthorityUse {
        AuthorityUse {
            id: self.use_id(),
            user: format!(
                "the CA {} of the Infisical project {}",
                self.friendly_name, project.name
            ),
        }
    }

    /// The id of this use.
    pub(crate) fn use_id(&self) -> String {
        format!("infisical/{}", self.id)
    }
}

impl Stored for Ca {
    fn key(&self) -> Key {
        Self::key_of(&self.id)
    }
}
