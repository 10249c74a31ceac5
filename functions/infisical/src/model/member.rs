//! Who is in a project.

use crate::{permission::ProjectRole, records::Stored};
use countersign::store::{Key, Table};
use serde::{Deserialize, Serialize};

/// What kind of caller somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ActorKind {
    Identity,
    User,
}

impl ActorKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::User => "user",
        }
    }
}

/// That a user or an identity is in a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) project_id: String,
    pub(crate) kind: ActorKind,
    pub(crate) actor_id: String,
    pub(crate) role: ProjectRole,
}

impl Membership {
    pub(crate) fn key_of(project_id: &str, kind: ActorKind, actor_id: &str) -> Key {
        let actor = format!("{}/{actor_id}", kind.name());
        Key::new(Table::Roles, Self::partition(project_id), actor)
    }

    /// Where the members of a project lie.
    pub(crate) fn partition(project_id: &str) -> String {
        format!("infisical/project/{project_id}/member")
    }
}

impl Stored for Membership {
    fn key(&self) -> Key {
        Self::key_of(&self.project_id, self.kind, &self.actor_id)
    }
}
