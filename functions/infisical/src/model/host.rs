//! Hosts.

use super::{LoginMapping, project::non_empty};
use crate::records::Stored;
use countersign::{
    authority::AuthorityId,
    store::{Key, Table},
};
use serde::{Deserialize, Serialize};

/// One host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) hostname: String,
    pub(crate) alias: Option<String>,
    /// As sent.
    pub(crate) user_cert_ttl: String,
    /// As sent.
    pub(crate) host_cert_ttl: String,
    pub(crate) user_ca: CaRef,
    pub(crate) host_ca: CaRef,
    pub(crate) login_mappings: Vec<LoginMapping>,
    pub(crate) groups: Vec<GroupMembership>,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
}

/// A CA of the project and the account's authority behind it. Neither ever changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CaRef {
    pub(crate) id: String,
    pub(crate) authority: AuthorityId,
}

/// That a host is in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupMembership {
    pub(crate) group_id: String,
    pub(crate) joined_at: u64,
}

impl Host {
    pub(crate) fn key_of(id: &str) -> Key {
        Key::new(Table::Roles, format!("infisical/host/{}", non_empty(id)), "host")
    }

    /// Whether it is in the group with `group_id`, and since when.
    pub(crate) fn joined(&self, group_id: &str) -> Option<u64> {
        let membership = self.groups.iter().find(|group| group.group_id == group_id);
        membership.map(|membership| membership.joined_at)
    }
}

impl Stored for Host {
    fn key(&self) -> Key {
        Self::key_of(&self.id)
    }
}

/// That a host name is taken in a project, and by which host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HostnameEntry {
    pub(crate) project_id: String,
    pub(crate) hostname: String,
    pub(crate) host_id: String,
}

impl HostnameEntry {
    /// The partition that lists the hosts of a project.
    pub(crate) fn partition(project_id: &str) -> String {
        format!("infisical/project/{project_id}/hostname")
    }

    pub(crate) fn key_of(project_id: &str, hostname: &str) -> Key {
        Key::new(Table::Roles, Self::partition(project_id), hostname)
    }

    pub(crate) fn of(host: &Host) -> Self {
        Self {
            project_id: host.project_id.clone(),
            hostname: host.hostname.clone(),
            host_id: host.id.clone(),
        }
    }
}

impl Stored for HostnameEntry {
    fn key(&self) -> Key {
        Self::key_of(&self.project_id, &self.hostname)
    }
}

/// That an alias is taken in a project, and by which host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AliasEntry {
    pub(crate) project_id: String,
    pub(crate) alias: String,
    pub(crate) host_id: String,
}

impl AliasEntry {
    pub(crate) fn of(host: &Host) -> Option<Self> {
        Some(Self {
            project_id: host.project_id.clone(),
            alias: host.alias.clone()?,
            host_id: host.id.clone(),
        })
    }
}

impl Stored for AliasEntry {
    fn key(&self) -> Key {
        let partition = format!("infisical/project/{}/alias", self.project_id);
        Key::new(Table::Roles, partition, self.alias.as_str())
    }
}
