//! `/api/v1/projects` and `/api/v1/workspace`: projects, their settings, and the lists below them.

use super::Answer;
use crate::{
    auth::{Actor, Kinds},
    authorities::{self, Duty},
    error::Problem,
    input::{CreateProject, Input, UpdateSshConfig},
    model::{Membership, Project, SshSettings},
    organization::Organization,
    permission::{Action, ProjectRole, Subject},
    projects,
    records::{Kept, Stored},
    request::Call,
    standing::Standing,
    wire,
};
use axum::Json;
use serde::Deserialize;

/// The caller, and what the caller is in the project that the path names.
pub(crate) async fn of_path(call: &mut Call) -> Result<(Actor, Standing), Problem> {
    let id = call.param("projectId");
    let key = Project::key_of(&id);
    let actor = call.actor(Kinds::Any, |_| vec![key]).await?;
    let standing = call.standing(&actor, &id).await?;
    Ok((actor, standing))
}

/// The projects that the caller is in, by age of their ids' making.
pub(crate) async fn visible(call: &mut Call, actor: &Actor) -> Result<Vec<Kept<Project>>, Problem> {
    let all: Vec<Kept<Project>> = call.records.list(Project::PARTITION).await?;
    let Some((kind, id)) = actor.member() else {
        return Ok(all);
    };
    let key = |project: &Kept<Project>| Membership::key_of(&project.value.id, kind, id);
    call.records.load(all.iter().map(key)).await?;
    let records = &call.records;
    let in_group = |project: &Project| {
        let mut groups = actor.groups().iter();
        groups.any(|slug| project.groups.contains_key(slug))
    };
    Ok(all
        .into_iter()
        .filter(|project| records.known_record(&key(project)).is_some() || in_group(&project.value))
        .collect())
}

#[derive(Deserialize)]
struct ListQuery {
    r#type: Option<String>,
}

async fn listed(mut call: Call) -> Result<Vec<wire::Project>, Problem> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let query: ListQuery = call.query()?;
    let org_id = Organization::find(&mut call.records).await?.id;
    let wanted = |project: &Project| {
        let kind = query.r#type.as_deref();
        kind.is_none_or(|kind| kind == "all" || kind == project.kind)
    };
    let visible = visible(&mut call, &actor).await?;
    let wanted = visible.iter().filter(|project| wanted(&project.value));
    Ok(wanted
        .map(|project| wire::Project::of(&project.value, &org_id))
        .collect())
}

pub(crate) async fn list(call: Call) -> Answer<wire::Projects> {
    let projects = listed(call).await?;
    Ok(Json(wire::Projects { projects }))
}

pub(crate) async fn list_workspaces(call: Call) -> Answer<wire::Workspaces> {
    let workspaces = listed(call).await?;
    Ok(Json(wire::Workspaces { workspaces }))
}

async fn one(mut call: Call) -> Result<wire::Project, Problem> {
    let (_, standing) = of_path(&mut call).await?;
    let org_id = Organization::find(&mut call.records).await?.id;
    Ok(wire::Project::of(&standing.project.value, &org_id))
}

pub(crate) async fn get(call: Call) -> Answer<wire::ProjectAnswer> {
    let project = one(call).await?;
    Ok(Json(wire::ProjectAnswer { project }))
}

pub(crate) async fn get_workspace(call: Call) -> Answer<wire::WorkspaceAnswer> {
    let workspace = one(call).await?;
    Ok(Json(wire::WorkspaceAnswer { workspace }))
}

/// A new project, whose maker is its administrator.
pub(crate) async fn create(mut call: Call) -> Answer<wire::ProjectAnswer> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = CreateProject::parse(&call.body()?)?;
    if input.kind != "ssh" {
        return Err(Problem::bad_request(format!(
            "The project is of type {}. Operations of type ssh are not allowed.",
            input.kind
        )));
    }
    let project = projects::draft(&call.records, &input.name, input.slug, input.description)?;
    let admin = actor.member().map(|(kind, id)| Membership {
        project_id: project.id.clone(),
        kind,
        actor_id: id.to_owned(),
        role: ProjectRole::Admin,
    });
    let membership = admin.map(|admin| admin.create()).transpose()?;
    projects::store(&mut call.records, &project, membership.as_slice()).await?;
    let org_id = Organization::find(&mut call.records).await?.id;
    let project = wire::Project::of(&project, &org_id);
    Ok(Json(wire::ProjectAnswer { project }))
}

pub(crate) async fn get_ssh_config(mut call: Call) -> Answer<wire::SshConfig> {
    let (_, standing) = of_path(&mut call).await?;
    standing.require(Action::Read, Subject::Settings)?;
    render_ssh_config(&standing.project.value)
}

pub(crate) async fn update_ssh_config(mut call: Call) -> Answer<wire::SshConfig> {
    let (_, standing) = of_path(&mut call).await?;
    let input = UpdateSshConfig::parse(&call.body()?)?;
    standing.require(Action::Edit, Subject::Settings)?;
    let mut project = standing.project.value.clone();
    let now = call.records.now();
    let Some(settings) = project.settings.as_mut() else {
        return Err(no_settings(&project.id));
    };
    let user_ca = input.default_user_ssh_ca_id;
    let host_ca = input.default_host_ssh_ca_id;
    for (duty, asked) in [(Duty::User, &user_ca), (Duty::Host, &host_ca)] {
        if let Some(id) = asked {
            authorities::choose(&mut call.records, &standing.project.value, duty, Some(id)).await?;
        }
    }
    *settings = SshSettings {
        user_ca: user_ca.or(settings.user_ca.take()),
        host_ca: host_ca.or(settings.host_ca.take()),
        updated_at: now,
        ..settings.clone()
    };
    project.updated_at = now;
    let write = standing.project.replace(&project)?;
    call.records.write(&[write]).await?;
    render_ssh_config(&project)
}

fn render_ssh_config(project: &Project) -> Answer<wire::SshConfig> {
    let config = wire::SshConfig::of(project);
    config.map(Json).ok_or_else(|| no_settings(&project.id))
}

fn no_settings(project_id: &str) -> Problem {
    Problem::not_found(format!("Project SSH config with ID '{project_id}' not found"))
}

/// The organization of the account, to everybody who has a token.
pub(crate) async fn organizations(mut call: Call) -> Answer<wire::Organizations> {
    call.actor(Kinds::AnyWithoutOrganization, |_| Vec::new()).await?;
    let Organization { id, name, slug } = Organization::find(&mut call.records).await?;
    let organizations = vec![wire::Organization { id, name, slug }];
    Ok(Json(wire::Organizations { organizations }))
}
