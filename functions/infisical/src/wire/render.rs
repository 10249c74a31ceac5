//! What is kept, as answers show it.

use super::{AllowedPrincipals, Ca, CertificateTemplate, Host, HostGroup, LoginMapping, Project, SshConfig};
use crate::{
    model::{self, Effective, Source},
    time::iso_time,
};

impl LoginMapping {
    /// `mapping` as administrators see it.
    pub(crate) fn of(mapping: &model::LoginMapping, source: Option<Source>) -> Self {
        Self {
            login_user: mapping.login_user.clone(),
            allowed_principals: AllowedPrincipals {
                usernames: mapping.usernames.clone(),
                groups: Some(mapping.groups.clone()),
            },
            source: source.map(source_name),
        }
    }

    /// `login_user` as the caller sees it who may log in.
    pub(crate) fn mine(login_user: &str, username: &str, source: Source) -> Self {
        Self {
            login_user: login_user.to_owned(),
            allowed_principals: AllowedPrincipals {
                usernames: vec![username.to_owned()],
                groups: None,
            },
            source: Some(source_name(source)),
        }
    }
}

fn source_name(source: Source) -> &'static str {
    match source {
        Source::Host => "host",
        Source::HostGroup => "hostGroup",
    }
}

impl Host {
    /// `host` with all its mappings.
    pub(crate) fn of(host: &model::Host, effective: &[Effective]) -> Self {
        let mapping = |effective: &Effective| LoginMapping::of(&effective.mapping, Some(effective.source));
        Self::with_mappings(host, effective.iter().map(mapping).collect())
    }

    /// `host` with `login_mappings`.
    pub(crate) fn with_mappings(host: &model::Host, login_mappings: Vec<LoginMapping>) -> Self {
        Self {
            id: host.id.clone(),
            project_id: host.project_id.clone(),
            hostname: host.hostname.clone(),
            alias: host.alias.clone(),
            user_cert_ttl: host.user_cert_ttl.clone(),
            host_cert_ttl: host.host_cert_ttl.clone(),
            user_ssh_ca_id: host.user_ca.id.clone(),
            host_ssh_ca_id: host.host_ca.id.clone(),
            login_mappings,
        }
    }
}

impl Ca {
    /// `ca`, without its public key unless one is given.
    pub(crate) fn of(ca: &model::Ca, public_key: Option<String>) -> Self {
        Self {
            id: ca.id.clone(),
            project_id: ca.project_id.clone(),
            friendly_name: ca.friendly_name.clone(),
            status: ca.status,
            key_algorithm: ca.key_algorithm,
            key_source: ca.key_source,
            public_key,
        }
    }
}

impl From<&model::Template> for CertificateTemplate {
    fn from(template: &model::Template) -> Self {
        Self {
            id: template.id.clone(),
            ssh_ca_id: template.ca.id.clone(),
            status: template.status,
            name: template.name.clone(),
            ttl: template.ttl.clone(),
            max_ttl: template.max_ttl.clone(),
            allowed_users: template.allowed_users.clone(),
            allowed_hosts: template.allowed_hosts.clone(),
            allow_user_certificates: template.allow_user_certificates,
            allow_host_certificates: template.allow_host_certificates,
            allow_custom_key_ids: template.allow_custom_key_ids,
        }
    }
}

impl HostGroup {
    /// `group`, with its number of hosts where it is listed.
    pub(crate) fn of(group: &model::HostGroup, host_count: Option<usize>) -> Self {
        let mappings = group.login_mappings.iter();
        Self {
            id: group.id.clone(),
            project_id: group.project_id.clone(),
            name: group.name.clone(),
            login_mappings: mappings.map(|mapping| LoginMapping::of(mapping, None)).collect(),
            host_count,
        }
    }
}

impl Project {
    /// `project` of the organization with `org_id`.
    pub(crate) fn of(project: &model::Project, org_id: &str) -> Self {
        Self {
            id: project.id.clone(),
            legacy_id: project.id.clone(),
            name: project.name.clone(),
            slug: project.slug.clone(),
            description: project.description.clone(),
            r#type: project.kind.clone(),
            org_id: org_id.to_owned(),
            environments: Vec::new(),
            created_at: iso_time(project.created_at),
            updated_at: iso_time(project.updated_at),
        }
    }
}

impl SshConfig {
    /// The settings of `project`, if it has any.
    pub(crate) fn of(project: &model::Project) -> Option<Self> {
        let settings = project.settings.as_ref()?;
        Some(Self {
            id: settings.id.clone(),
            created_at: iso_time(settings.created_at),
            updated_at: iso_time(settings.updated_at),
            project_id: project.id.clone(),
            default_user_ssh_ca_id: settings.user_ca.clone(),
            default_host_ssh_ca_id: settings.host_ca.clone(),
        })
    }
}
