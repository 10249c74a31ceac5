//! Registering, changing and removing hosts.

use crate::{
    authorities::{self, Duty},
    error::Problem,
    input::{CreateHost, UpdateHost},
    mappings,
    model::{AliasEntry, Ca, Host, HostnameEntry, Project},
    records::{Kept, Records, Stored},
};
use countersign::{
    Error,
    store::{Condition, StoreError, TRIES, Write, contended},
};

/// What a failed condition of a set of writes means, by the place of the write.
type Meanings = Vec<Option<Problem>>;

fn taken(what: &str, name: &str) -> Problem {
    Problem::bad_request(format!(
        "SSH host with {what} {name} already exists in the project"
    ))
}

/// Collects writes and what it means where one is refused.
#[derive(Default)]
struct Plan {
    writes: Vec<Write>,
    meanings: Meanings,
}

impl Plan {
    fn add(&mut self, write: Write, meaning: Option<Problem>) {
        self.writes.push(write);
        self.meanings.push(meaning);
    }

    /// Whether it was carried out: not where a write was refused without a meaning, since another request was quicker.
    async fn carry_out(mut self, records: &mut Records) -> Result<bool, Problem> {
        match records.write(&self.writes).await {
            Ok(()) => Ok(true),
            Err(StoreError::ConditionFailed(place)) => {
                match self.meanings.get_mut(place).and_then(Option::take) {
                    Some(problem) => Err(problem),
                    None => Ok(false),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Registers a host, with everything that belongs to it or nothing.
pub(crate) async fn register(
    records: &mut Records,
    project: Kept<Project>,
    input: CreateHost,
) -> Result<Host, Problem> {
    mappings::check(records, &project.value, &input.login_mappings).await?;
    let project = authorities::ensure_settings(records, project).await?;
    let user_ca = authorities::choose(records, &project, Duty::User, input.user_ssh_ca_id.as_deref()).await?;
    let host_ca = authorities::choose(records, &project, Duty::Host, input.host_ssh_ca_id.as_deref()).await?;
    let now = records.now();
    let host = Host {
        id: records.uuid()?,
        project_id: project.id,
        hostname: input.hostname,
        alias: Some(input.alias).filter(|alias| !alias.is_empty()),
        user_cert_ttl: input.user_cert_ttl,
        host_cert_ttl: input.host_cert_ttl,
        user_ca,
        host_ca,
        login_mappings: input.login_mappings,
        groups: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    let mut plan = Plan::default();
    plan.add(host.create()?, None);
    plan.add(
        HostnameEntry::of(&host).create()?,
        Some(taken("hostname", &host.hostname)),
    );
    if let Some(alias) = AliasEntry::of(&host) {
        plan.add(alias.create()?, Some(taken("alias", &alias.alias)));
    }
    // Neither CA may be deleted meanwhile, which would take its hosts along.
    let mut cas = vec![Ca::key_of(&host.user_ca.id), Ca::key_of(&host.host_ca.id)];
    cas.dedup();
    for key in cas {
        plan.add(Write::Check(key, Condition::Present), None);
    }
    match plan.carry_out(records).await? {
        true => Ok(host),
        // One of its CAs was removed meanwhile.
        false => Err(Error::from(StoreError::ConditionFailed(0)).into()),
    }
}

/// Changes a host: what `input` does not name stays, also what another request changes at the same time.
pub(crate) async fn update(
    records: &mut Records,
    project: &Project,
    kept: &Kept<Host>,
    input: UpdateHost,
) -> Result<Host, Problem> {
    if let Some(mappings) = &input.login_mappings {
        mappings::check(records, project, mappings).await?;
    }
    let mut kept = kept.clone();
    for _ in 0..TRIES {
        if let Some(host) = change(records, &kept, input.clone()).await? {
            return Ok(host);
        }
        let key = kept.value.key();
        let message = format!("SSH host with ID '{}' not found", kept.value.id);
        let found = records.find::<Host>(&key).await?;
        kept = found.ok_or_else(|| Problem::not_found(message))?;
    }
    Err(contended("the host").into())
}

/// The host as changed; `None` where somebody else changed it first.
async fn change(
    records: &mut Records,
    kept: &Kept<Host>,
    input: UpdateHost,
) -> Result<Option<Host>, Problem> {
    let old = &kept.value;
    let mut host = old.clone();
    host.login_mappings = input.login_mappings.unwrap_or(host.login_mappings);
    if let Some(alias) = input.alias {
        host.alias = Some(alias).filter(|alias| !alias.is_empty());
    }
    host.hostname = input.hostname.unwrap_or(host.hostname);
    host.user_cert_ttl = input.user_cert_ttl.unwrap_or(host.user_cert_ttl);
    host.host_cert_ttl = input.host_cert_ttl.unwrap_or(host.host_cert_ttl);
    host.updated_at = records.now();

    let mut plan = Plan::default();
    plan.add(kept.replace(&host)?, None);
    if host.hostname != old.hostname {
        plan.add(
            HostnameEntry::of(&host).create()?,
            Some(taken("hostname", &host.hostname)),
        );
        plan.add(removal(&HostnameEntry::of(old)), None);
    }
    if host.alias != old.alias {
        if let Some(alias) = AliasEntry::of(&host) {
            plan.add(alias.create()?, Some(taken("alias", &alias.alias)));
        }
        if let Some(alias) = AliasEntry::of(old) {
            plan.add(removal(&alias), None);
        }
    }
    Ok(plan.carry_out(records).await?.then_some(host))
}

/// Removes a host. Its certificates stay listed.
pub(crate) async fn delete(records: &mut Records, kept: &Kept<Host>) -> Result<(), Problem> {
    let mut writes = vec![kept.delete(), removal(&HostnameEntry::of(&kept.value))];
    writes.extend(AliasEntry::of(&kept.value).map(|alias| removal(&alias)));
    Ok(records.write(&writes).await?)
}

fn removal(entry: &impl Stored) -> Write {
    Write::Delete(entry.key(), Condition::Always)
}

/// All hosts of a project, by hostname.
pub(crate) async fn of_project(records: &mut Records, project_id: &str) -> Result<Vec<Kept<Host>>, Error> {
    let entries: Vec<Kept<HostnameEntry>> = records.list(HostnameEntry::partition(project_id)).await?;
    let keys: Vec<_> = entries
        .iter()
        .map(|entry| Host::key_of(&entry.value.host_id))
        .collect();
    records.find_all(&keys).await
}
