//! `/api/v1/ssh/host-groups`: host groups.

use super::Answer;
use crate::{
    auth::{Actor, Kinds},
    error::Problem,
    hosts,
    input::{CreateHostGroup, Input, UpdateHostGroup},
    mappings,
    model::{GroupMembership, Host, HostGroup, HostGroupName},
    permission::{Action, Subject},
    records::{Kept, Stored},
    request::Call,
    standing::Standing,
    time::iso_time,
    validation::Issue,
    wire,
};
use axum::Json;
use countersign::store::{Condition, StoreError, Write};
use serde::Deserialize;

pub(crate) async fn create(mut call: Call) -> Answer<wire::HostGroup> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = CreateHostGroup::parse(&call.body()?)?;
    let standing = call.standing_in_target(&actor, &input.project_id).await?;
    standing.require(Action::Create, Subject::SshHostGroups)?;
    mappings::check(&mut call.records, &standing.project.value, &input.login_mappings).await?;
    let group = HostGroup {
        id: call.records.uuid()?,
        project_id: input.project_id,
        name: input.name,
        login_mappings: input.login_mappings,
    };
    let writes = [HostGroupName::of(&group).create()?, group.create()?];
    store(&mut call, &writes, &group).await
}

pub(crate) async fn get(mut call: Call) -> Answer<wire::HostGroup> {
    let (group, standing) = find(&mut call).await?;
    standing.require(Action::Read, Subject::SshHostGroups)?;
    Ok(Json(wire::HostGroup::of(&group.value, None)))
}

pub(crate) async fn update(mut call: Call) -> Answer<wire::HostGroup> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = UpdateHostGroup::parse(&call.body()?)?;
    let (kept, standing) = find_for(&mut call, &actor).await?;
    standing.require(Action::Edit, Subject::SshHostGroups)?;
    let mut group = kept.value.clone();
    if let Some(login_mappings) = input.login_mappings {
        mappings::check(&mut call.records, &standing.project.value, &login_mappings).await?;
        group.login_mappings = login_mappings;
    }
    group.name = input.name.unwrap_or(group.name);
    let mut writes = Vec::new();
    if group.name != kept.value.name {
        writes.push(HostGroupName::of(&group).create()?);
        writes.push(Write::Delete(
            HostGroupName::of(&kept.value).key(),
            Condition::Always,
        ));
    }
    writes.push(kept.replace(&group)?);
    store(&mut call, &writes, &group).await
}

/// Carries out `writes`, of which the first takes the name if there is more than one.
async fn store(call: &mut Call, writes: &[Write], group: &HostGroup) -> Answer<wire::HostGroup> {
    match call.records.write(writes).await {
        Err(StoreError::ConditionFailed(0)) if writes.len() > 1 => Err(Problem::bad_request(format!(
            "SSH host group with name '{}' already exists in the organization",
            group.name
        ))),
        outcome => {
            outcome?;
            Ok(Json(wire::HostGroup::of(group, None)))
        }
    }
}

/// The hosts stay; what they inherited is gone at once.
pub(crate) async fn delete(mut call: Call) -> Answer<wire::HostGroup> {
    let (group, standing) = find(&mut call).await?;
    standing.require(Action::Delete, Subject::SshHostGroups)?;
    let name = HostGroupName::of(&group.value).key();
    let writes = [group.delete(), Write::Delete(name, Condition::Always)];
    call.records.write(&writes).await?;
    Ok(Json(wire::HostGroup::of(&group.value, None)))
}

/// The groups of a project.
pub(crate) async fn list(mut call: Call) -> Answer<wire::HostGroups> {
    let (_, standing) = super::projects::of_path(&mut call).await?;
    standing.require(Action::Read, Subject::SshHostGroups)?;
    let id = &standing.project.value.id;
    let names: Vec<Kept<HostGroupName>> = call.records.list(HostGroupName::PARTITION).await?;
    let keys: Vec<_> = names
        .iter()
        .filter(|name| name.value.project_id == *id)
        .map(|name| HostGroup::key_of(&name.value.group_id))
        .collect();
    let groups: Vec<Kept<HostGroup>> = call.records.find_all(&keys).await?;
    let hosts = hosts::of_project(&mut call.records, id).await?;
    let count = |group: &HostGroup| {
        let members = hosts.iter().filter(|host| host.value.joined(&group.id).is_some());
        members.count()
    };
    let groups = groups
        .iter()
        .map(|group| wire::HostGroup::of(&group.value, Some(count(&group.value))));
    Ok(Json(wire::HostGroups {
        groups: groups.collect(),
    }))
}

#[derive(Deserialize)]
struct HostsQuery {
    filter: Option<String>,
}

/// The hosts of the group, those that are not in it, or all of the project.
pub(crate) async fn hosts(mut call: Call) -> Answer<wire::GroupHosts> {
    let (group, standing) = find(&mut call).await?;
    let query: HostsQuery = call.query()?;
    let wants_members = match query.filter.as_deref() {
        None => None,
        Some("group-members") => Some(true),
        Some("non-group-members") => Some(false),
        Some(other) => {
            let options = ["group-members", "non-group-members"];
            let issue = Issue::bad_enum(&["filter".into()], &options, other);
            return Err(Problem::validation(vec![issue]));
        }
    };
    standing.require(Action::Read, Subject::SshHostGroups)?;
    let hosts: Vec<wire::GroupHost> = hosts::of_project(&mut call.records, &group.value.project_id)
        .await?
        .iter()
        .map(|host| as_seen_by(&group.value, &host.value))
        .filter(|host| wants_members.is_none_or(|members| members == host.is_part_of_group))
        .collect();
    Ok(Json(wire::GroupHosts {
        total_count: hosts.len(),
        hosts,
    }))
}

fn as_seen_by(group: &HostGroup, host: &Host) -> wire::GroupHost {
    let joined = host.joined(&group.id);
    wire::GroupHost {
        id: host.id.clone(),
        hostname: host.hostname.clone(),
        alias: host.alias.clone(),
        is_part_of_group: joined.is_some(),
        joined_group_at: joined.map(iso_time),
    }
}

pub(crate) async fn add_host(mut call: Call) -> Answer<wire::Host> {
    let (group, standing) = find(&mut call).await?;
    let host_id = call.param("hostId");
    let kept = find_host(&mut call, &standing, &host_id).await?;
    standing.require(Action::Edit, Subject::SshHostGroups)?;
    if kept.value.joined(&group.value.id).is_some() {
        return Err(Problem::bad_request(format!(
            "SSH host with ID {host_id} is already in SSH host group with ID {}",
            group.value.id
        )));
    }
    let before = without_sources(&mut call, &kept.value).await?;
    let mut host = kept.value.clone();
    host.groups.push(GroupMembership {
        group_id: group.value.id.clone(),
        joined_at: call.records.now(),
    });
    let writes = [kept.replace(&host)?, group.still_there()];
    call.records.write(&writes).await?;
    Ok(Json(before))
}

pub(crate) async fn remove_host(mut call: Call) -> Answer<wire::Host> {
    let (group, standing) = find(&mut call).await?;
    let host_id = call.param("hostId");
    let kept = find_host(&mut call, &standing, &host_id).await?;
    standing.require(Action::Edit, Subject::SshHostGroups)?;
    if kept.value.joined(&group.value.id).is_none() {
        return Err(Problem::not_found(format!(
            "SSH host with ID {host_id} not found in SSH host group with ID {}",
            group.value.id
        )));
    }
    let before = without_sources(&mut call, &kept.value).await?;
    let mut host = kept.value.clone();
    host.groups
        .retain(|membership| membership.group_id != group.value.id);
    let write = kept.replace(&host)?;
    call.records.write(&[write]).await?;
    Ok(Json(before))
}

async fn without_sources(call: &mut Call, host: &Host) -> Result<wire::Host, Problem> {
    let effective = mappings::of_host(&mut call.records, host).await?;
    let mappings = effective
        .iter()
        .map(|effective| wire::LoginMapping::of(&effective.mapping, None));
    Ok(wire::Host::with_mappings(host, mappings.collect()))
}

async fn find_host(call: &mut Call, standing: &Standing, host_id: &str) -> Result<Kept<Host>, Problem> {
    let host = call.records.find::<Host>(&Host::key_of(host_id)).await?;
    let host = host.ok_or_else(|| Problem::not_found(format!("SSH host with ID {host_id} not found")))?;
    let project_id = &standing.project.value.id;
    if host.value.project_id != *project_id {
        return Err(Problem::bad_request(format!(
            "SSH host with ID {host_id} not found in project {project_id}"
        )));
    }
    Ok(host)
}

async fn find(call: &mut Call) -> Result<(Kept<HostGroup>, Standing), Problem> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    find_for(call, &actor).await
}

async fn find_for(call: &mut Call, actor: &Actor) -> Result<(Kept<HostGroup>, Standing), Problem> {
    let id = call.param("id");
    let group = call.records.find::<HostGroup>(&HostGroup::key_of(&id)).await?;
    let group =
        group.ok_or_else(|| Problem::not_found(format!("SSH host group with ID '{id}' not found")))?;
    let standing = call.standing(actor, &group.value.project_id).await?;
    Ok((group, standing))
}
