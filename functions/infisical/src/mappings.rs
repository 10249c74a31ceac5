//! Whom login mappings name, and which mappings hold on a host.

use crate::{
    error::Problem,
    model::{ActorKind, Effective, Host, HostGroup, LoginMapping, Membership, Project, effective},
    permission::{Action, Subject},
    records::{Kept, Records},
    user,
};
use countersign::{Error, access::Identity};
use std::collections::BTreeSet;

/// Checks that `mappings` name nobody whom they cannot let in.
///
/// # Errors
/// 400 for an unknown user or group, 403 for a user who is not in the project.
pub(crate) async fn check(
    records: &mut Records,
    project: &Project,
    mappings: &[LoginMapping],
) -> Result<(), Problem> {
    check_login_users(mappings)?;
    let usernames: BTreeSet<&String> = mappings.iter().flat_map(|mapping| &mapping.usernames).collect();
    for username in usernames {
        let identity = user::by_username(&records.services, username).await?;
        let identity =
            identity.ok_or_else(|| Problem::bad_request(format!("Invalid username: {username}")))?;
        if !is_member(records, project, &identity.identity).await? {
            return Err(Problem::not_a_member(&project.id, ActorKind::User.name()));
        }
    }
    check_groups(project, mappings)
}

fn check_login_users(mappings: &[LoginMapping]) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    match mappings.iter().find(|mapping| !seen.insert(&mapping.login_user)) {
        Some(twice) => Err(Problem::bad_request(format!(
            "Login user {} is listed more than once",
            twice.login_user
        ))),
        None => Ok(()),
    }
}

async fn is_member(records: &mut Records, project: &Project, identity: &Identity) -> Result<bool, Error> {
    let groups = user::Details::of(identity)?.groups;
    if groups.iter().any(|slug| project.groups.contains_key(slug)) {
        return Ok(true);
    }
    let key = Membership::key_of(&project.id, ActorKind::User, &identity.id);
    Ok(records.find::<Membership>(&key).await?.is_some())
}

fn check_groups(project: &Project, mappings: &[LoginMapping]) -> Result<(), Problem> {
    let slugs: BTreeSet<&String> = mappings.iter().flat_map(|mapping| &mapping.groups).collect();
    let unknown: Vec<&str> = slugs
        .iter()
        .filter(|slug| !project.groups.contains_key(**slug))
        .map(|slug| slug.as_str())
        .collect();
    if !unknown.is_empty() {
        return Err(Problem::bad_request(format!(
            "Invalid group slugs: {}",
            unknown.join(", ")
        )));
    }
    let may_read = |slug: &str| {
        let role = project.groups.get(slug);
        role.is_some_and(|role| role.allows(Action::Read, Subject::SshHosts))
    };
    match slugs.into_iter().find(|slug| !may_read(slug)) {
        Some(slug) => Err(Problem::bad_request(format!(
            "Group {slug} does not have access to the SSH project"
        ))),
        None => Ok(()),
    }
}

/// The mappings that hold on `host`. Groups that are gone give none.
pub(crate) async fn of_host(records: &mut Records, host: &Host) -> Result<Vec<Effective>, Error> {
    let keys: Vec<_> = host
        .groups
        .iter()
        .map(|group| HostGroup::key_of(&group.group_id))
        .collect();
    let groups: Vec<Kept<HostGroup>> = records.find_all(&keys).await?;
    let inherited = groups.iter().flat_map(|group| &group.value.login_mappings);
    Ok(effective(&host.login_mappings, inherited))
}

/// The mappings that hold on each of `hosts`, read together.
pub(crate) async fn of_hosts(
    records: &mut Records,
    hosts: &[Kept<Host>],
) -> Result<Vec<Vec<Effective>>, Error> {
    let groups = hosts.iter().flat_map(|host| &host.value.groups);
    let keys: Vec<_> = groups.map(|group| HostGroup::key_of(&group.group_id)).collect();
    records.load(keys).await?;
    let mut all = Vec::with_capacity(hosts.len());
    for host in hosts {
        all.push(of_host(records, &host.value).await?);
    }
    Ok(all)
}
