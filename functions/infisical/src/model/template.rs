//! Certificate templates.

use super::{CaRef, Status, project::non_empty};
use crate::records::Stored;
use countersign::store::{Key, Table};
use serde::{Deserialize, Serialize};

/// One certificate template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) ca: CaRef,
    pub(crate) status: Status,
    pub(crate) name: String,
    /// As sent.
    pub(crate) ttl: String,
    /// As sent.
    pub(crate) max_ttl: String,
    pub(crate) allowed_users: Vec<String>,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) allow_user_certificates: bool,
    pub(crate) allow_host_certificates: bool,
    pub(crate) allow_custom_key_ids: bool,
}

impl Template {
    pub(crate) fn key_of(id: &str) -> Key {
        let partition = format!("infisical/template/{}", non_empty(id));
        Key::new(Table::Roles, partition, "template")
    }
}

impl Stored for Template {
    fn key(&self) -> Key {
        Self::key_of(&self.id)
    }
}

/// That the name of a template is taken in a project, and by which template.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TemplateName {
    pub(crate) project_id: String,
    pub(crate) name: String,
    pub(crate) template_id: String,
    pub(crate) ca_id: String,
}

impl TemplateName {
    /// The partition that lists the templates of a project.
    pub(crate) fn partition(project_id: &str) -> String {
        format!("infisical/project/{project_id}/template")
    }

    pub(crate) fn of(template: &Template) -> Self {
        Self {
            project_id: template.project_id.clone(),
            name: template.name.clone(),
            template_id: template.id.clone(),
            ca_id: template.ca.id.clone(),
        }
    }
}

impl Stored for TemplateName {
    fn key(&self) -> Key {
        Key::new(
            Table::Roles,
            Self::partition(&self.project_id),
            self.name.as_str(),
        )
    }
}
