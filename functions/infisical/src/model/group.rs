//! Host groups, whose login mappings their hosts inherit.

use super::{LoginMapping, project::non_empty};
use crate::records::Stored;
use countersign::store::{Key, Table};
use serde::{Deserialize, Serialize};

/// One group of hosts. Which hosts are in it, they say themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostGroup {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) name: String,
    pub(crate) login_mappings: Vec<LoginMapping>,
}

impl HostGroup {
    pub(crate) fn key_of(id: &str) -> Key {
        let partition = format!("infisical/host-group/{}", non_empty(id));
        Key::new(Table::Roles, partition, "host-group")
    }
}

impl Stored for HostGroup {
    fn key(&self) -> Key {
        Self::key_of(&self.id)
    }
}

/// That the name of a group is taken in the organization, and by which group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HostGroupName {
    pub(crate) name: String,
    pub(crate) project_id: String,
    pub(crate) group_id: String,
}

impl HostGroupName {
    /// The partition that lists the groups of the organization.
    pub(crate) const PARTITION: &'static str = "infisical/host-group-name";

    pub(crate) fn of(group: &HostGroup) -> Self {
        Self {
            name: group.name.clone(),
            project_id: group.project_id.clone(),
            group_id: group.id.clone(),
        }
    }
}

impl Stored for HostGroupName {
    fn key(&self) -> Key {
        Key::new(Table::Roles, Self::PARTITION, self.name.as_str())
    }
}
