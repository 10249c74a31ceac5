//! Bringing projects, people, machines and hosts into the state of a document.
//!
//! What the document names is made, or changed to be as it says; what it does not name is left alone. So it can be
//! applied as often as one likes, also after an attempt that stopped half-way.

mod identities;
mod people;

use crate::{
    authorities,
    error::Problem,
    hosts,
    input::{Document, HostSpec, ProjectSpec, UpdateHost},
    mappings,
    model::{ActorKind, Host, HostnameEntry, Membership, Project},
    organization::Organization,
    permission::ProjectRole,
    projects,
    records::{Kept, Records, Stored},
    wire,
};

/// Applies `document`.
///
/// # Errors
/// As the requests that would do the same one by one; what came before the fault stays done.
pub(crate) async fn apply(records: &mut Records, document: Document) -> Result<wire::Applied, Problem> {
    let organization_id = Organization::find(records).await?.id;
    let mut projects = Vec::with_capacity(document.projects.len());
    for spec in document.projects {
        projects.push(apply_project(records, spec).await?);
    }
    Ok(wire::Applied {
        organization_id,
        projects,
    })
}

async fn apply_project(records: &mut Records, spec: ProjectSpec) -> Result<wire::AppliedProject, Problem> {
    let id = projects::named(records, &spec.name).await?;
    let mut users = Vec::with_capacity(spec.users.len());
    for user in spec.users {
        users.push(people::user(records, &id, user).await?);
    }
    let mut identities = Vec::with_capacity(spec.identities.len());
    for identity in spec.identities {
        identities.push(identities::identity(records, &id, identity).await?);
    }
    let mut groups = Vec::with_capacity(spec.groups.len());
    for group in &spec.groups {
        groups.push(people::group(records, group).await?);
    }
    let kept = project(records, &id).await?;
    let mut changed = kept.value.clone();
    changed.key_algorithm = spec.key_algorithm.unwrap_or(changed.key_algorithm);
    for group in spec.groups {
        changed.groups.insert(group.slug, group.role);
    }
    if changed != kept.value {
        changed.updated_at = records.now();
        records.write(&[kept.replace(&changed)?]).await?;
    }
    let kept = project(records, &id).await?;
    let project = authorities::ensure_settings(records, kept).await?;
    let mut hosts = Vec::with_capacity(spec.hosts.len());
    for host in spec.hosts {
        hosts.push(apply_host(records, &id, host).await?);
    }
    let (user_ca, host_ca) = match project.settings {
        Some(settings) => (settings.user_ca, settings.host_ca),
        None => (None, None),
    };
    Ok(wire::AppliedProject {
        id: project.id,
        name: project.name,
        slug: project.slug,
        key_algorithm: project.key_algorithm,
        default_user_ssh_ca_id: user_ca,
        default_host_ssh_ca_id: host_ca,
        users,
        identities,
        groups,
        hosts,
    })
}

async fn project(records: &mut Records, id: &str) -> Result<Kept<Project>, Problem> {
    let project = records.find::<Project>(&Project::key_of(id)).await?;
    project.ok_or_else(|| Problem::not_found(format!("Project with {id} not found")))
}

/// Puts somebody into a project.
async fn join(
    records: &mut Records,
    project_id: &str,
    kind: ActorKind,
    actor_id: &str,
    role: ProjectRole,
) -> Result<(), Problem> {
    let wanted = Membership {
        project_id: project_id.to_owned(),
        kind,
        actor_id: actor_id.to_owned(),
        role,
    };
    let known = records.find::<Membership>(&wanted.key()).await?;
    let write = match known {
        Some(known) if known.value == wanted => return Ok(()),
        Some(known) => known.replace(&wanted)?,
        None => wanted.create()?,
    };
    Ok(records.write(&[write]).await?)
}

async fn apply_host(records: &mut Records, project_id: &str, spec: HostSpec) -> Result<wire::Host, Problem> {
    let entry = HostnameEntry::key_of(project_id, &spec.hostname);
    let host = match records.find::<HostnameEntry>(&entry).await? {
        None => {
            let project = project(records, project_id).await?;
            hosts::register(records, project, spec.into_create(project_id)).await?
        }
        Some(entry) => {
            let key = Host::key_of(&entry.value.host_id);
            let kept = records.find::<Host>(&key).await?;
            let kept = kept.ok_or_else(|| Problem::not_found("SSH host not found"))?;
            change_host(records, project_id, kept, spec).await?
        }
    };
    let effective = mappings::of_host(records, &host).await?;
    Ok(wire::Host::of(&host, &effective))
}

async fn change_host(
    records: &mut Records,
    project_id: &str,
    kept: Kept<Host>,
    spec: HostSpec,
) -> Result<Host, Problem> {
    let host = &kept.value;
    let differs = |wanted: &Option<String>, is: &str| wanted.as_ref().is_some_and(|wanted| wanted != is);
    let same = !differs(&spec.alias, host.alias.as_deref().unwrap_or_default())
        && !differs(&spec.user_cert_ttl, &host.user_cert_ttl)
        && !differs(&spec.host_cert_ttl, &host.host_cert_ttl)
        && spec
            .login_mappings
            .as_ref()
            .is_none_or(|wanted| *wanted == host.login_mappings);
    if same {
        return Ok(kept.value);
    }
    let update = UpdateHost {
        hostname: None,
        alias: spec.alias,
        user_cert_ttl: spec.user_cert_ttl,
        host_cert_ttl: spec.host_cert_ttl,
        login_mappings: spec.login_mappings,
    };
    let project = project(records, project_id).await?;
    hosts::update(records, &project.value, &kept, update).await
}
