//! `/api/v1/ssh/hosts`: hosts.

use super::Answer;
use crate::{
    auth::{Actor, Kinds},
    error::Problem,
    hosts,
    input::{CreateHost, Input, UpdateHost},
    mappings,
    model::{Effective, Host, Project},
    permission::{Action, Subject},
    records::Kept,
    request::Call,
    standing::Standing,
    wire,
};
use axum::Json;
use std::{cmp::Reverse, collections::BTreeSet};

/// The caller's own hosts: those with a mapping that admits the caller.
pub(crate) async fn mine(mut call: Call) -> Answer<Vec<wire::Host>> {
    let actor = call.actor(Kinds::User, |_| Vec::new()).await?;
    let Actor::User(_, user) = &actor else {
        return Err(Problem::wrong_kind(call.target()));
    };
    let mut mine = Vec::new();
    for project in super::projects::visible(&mut call, &actor).await? {
        let hosts = hosts::of_project(&mut call.records, &project.value.id).await?;
        let effective = mappings::of_hosts(&mut call.records, &hosts).await?;
        for (host, effective) in hosts.iter().zip(effective) {
            let open = open_to(&effective, &user.username, &user.groups);
            if !open.is_empty() {
                mine.push(wire::Host::with_mappings(&host.value, open));
            }
        }
    }
    Ok(Json(mine))
}

/// The login users that are open to a user, each once; the host's own mapping goes before an inherited one.
fn open_to(effective: &[Effective], username: &str, groups: &[String]) -> Vec<wire::LoginMapping> {
    let mut seen = BTreeSet::new();
    effective
        .iter()
        .filter(|effective| effective.mapping.admits(username, groups))
        .filter(|effective| seen.insert(&effective.mapping.login_user))
        .map(|effective| wire::LoginMapping::mine(&effective.mapping.login_user, username, effective.source))
        .collect()
}

pub(crate) async fn create(mut call: Call) -> Answer<wire::Host> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = CreateHost::parse(&call.body()?)?;
    let standing = call.standing_in_target(&actor, &input.project_id).await?;
    standing.require(Action::Create, Subject::SshHosts)?;
    let host = hosts::register(&mut call.records, standing.project, input).await?;
    render(&mut call, &host).await
}

pub(crate) async fn get(mut call: Call) -> Answer<wire::Host> {
    let (host, standing) = find(&mut call, |id| format!("SSH host with ID {id} not found")).await?;
    standing.require(Action::Read, Subject::SshHosts)?;
    render(&mut call, &host.value).await
}

pub(crate) async fn update(mut call: Call) -> Answer<wire::Host> {
    let (actor, input) = {
        let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
        (actor, UpdateHost::parse(&call.body()?)?)
    };
    let (host, standing) = find_for(&mut call, &actor, quoted).await?;
    standing.require(Action::Edit, Subject::SshHosts)?;
    let host = hosts::update(&mut call.records, &standing.project.value, &host, input).await?;
    render(&mut call, &host).await
}

pub(crate) async fn delete(mut call: Call) -> Answer<wire::Host> {
    let (host, standing) = find(&mut call, quoted).await?;
    standing.require(Action::Delete, Subject::SshHosts)?;
    let effective = mappings::of_host(&mut call.records, &host.value).await?;
    hosts::delete(&mut call.records, &host).await?;
    Ok(Json(wire::Host::of(&host.value, &effective)))
}

/// The hosts of a project that the caller may read, newest change first.
pub(crate) async fn list(mut call: Call) -> Answer<wire::Hosts> {
    let (_, standing) = super::projects::of_path(&mut call).await?;
    let Project { id, .. } = &standing.project.value;
    let mut hosts = if standing.may(Action::Read, Subject::SshHosts) {
        hosts::of_project(&mut call.records, id).await?
    } else {
        Vec::new()
    };
    hosts.sort_by_key(|host| Reverse(host.value.updated_at));
    let effective = mappings::of_hosts(&mut call.records, &hosts).await?;
    let hosts = hosts.iter().zip(&effective);
    let hosts = hosts.map(|(host, effective)| wire::Host::of(&host.value, effective));
    Ok(Json(wire::Hosts {
        hosts: hosts.collect(),
    }))
}

/// The message where a host to be changed is not there: unlike elsewhere, with quotes.
fn quoted(id: &str) -> String {
    format!("SSH host with ID '{id}' not found")
}

async fn find(
    call: &mut Call,
    message: impl FnOnce(&str) -> String,
) -> Result<(Kept<Host>, Standing), Problem> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    find_for(call, &actor, message).await
}

async fn find_for(
    call: &mut Call,
    actor: &Actor,
    message: impl FnOnce(&str) -> String,
) -> Result<(Kept<Host>, Standing), Problem> {
    let id = call.param("id");
    let host = call.records.find::<Host>(&Host::key_of(&id)).await?;
    let host = host.ok_or_else(|| Problem::not_found(message(&id)))?;
    let standing = call.standing(actor, &host.value.project_id).await?;
    Ok((host, standing))
}

async fn render(call: &mut Call, host: &Host) -> Answer<wire::Host> {
    let effective = mappings::of_host(&mut call.records, host).await?;
    Ok(Json(wire::Host::of(host, &effective)))
}
