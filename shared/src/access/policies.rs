use crate::{
    acl::{DEFAULT_POLICY, DEFAULT_POLICY_NAME, Policy, ROOT_POLICY_NAME},
    error::Error,
    services::Services,
    store::{Condition, Key, Query, Record, Store, StoreError, TRIES, Table, Write, contended, read_one},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The partition of all policies.
const PARTITION: &str = "policy";
/// The longest name, in bytes. Ours.
const MAX_NAME_BYTES: usize = 256;

/// A policy as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Its name, in lower case.
    pub name: String,
    /// Its text, verbatim. Empty for `root`, which has none.
    pub text: String,
    /// How often it was written; 0 for one that is built in.
    pub version: u64,
    /// When it was written last, in Unix seconds.
    pub modified_at: u64,
}

#[derive(Deserialize, Serialize)]
struct Body {
    text: String,
    #[serde(default)]
    modified_at: u64,
}

pub(super) fn key(name: &str) -> Key {
    Key::new(Table::Roles, PARTITION, name)
}

/// The text in the record of a policy.
pub(super) fn text(record: &Record) -> Result<String, Error> {
    Ok(record.value::<Body>()?.text)
}

/// Reads a policy that was stored, or is built in. One that is not there is none.
pub(super) fn parse_stored(name: &str, text: Option<&str>) -> Result<Option<Policy>, Error> {
    match (name, text) {
        (ROOT_POLICY_NAME, _) => Ok(Some(Policy::root())),
        (DEFAULT_POLICY_NAME, None) => Ok(Some(Policy::builtin_default())),
        (_, None) => Ok(None),
        (_, Some(text)) => Policy::parse(name, text)
            .map(Some)
            .map_err(|error| Error::internal(format!("the stored policy {name:?} cannot be read: {error}"))),
    }
}

/// Policy names as they are kept: in lower case, without blanks around, sorted, each once; `root` alone where it is
/// among them; with `default` where `add_default` asks for it.
pub(super) fn sanitize_policies<S: AsRef<str>>(
    names: impl IntoIterator<Item = S>,
    add_default: bool,
) -> Vec<String> {
    let names = names.into_iter().map(|name| normal(name.as_ref()));
    let mut names: BTreeSet<String> = names.filter(|name| !name.is_empty()).collect();
    if names.contains(ROOT_POLICY_NAME) {
        return vec![ROOT_POLICY_NAME.to_owned()];
    }
    if add_default {
        names.insert(DEFAULT_POLICY_NAME.to_owned());
    }
    names.into_iter().collect()
}

fn normal(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Writes a policy; its text is kept as it is. One read, one write.
///
/// # Errors
/// `InvalidRequest` where the name is `root` or unusable, or the text is not a policy.
pub async fn put_policy(services: &Services, name: &str, text: &str) -> Result<(), Error> {
    let name = normal(name);
    check_name(&name)?;
    Policy::parse(&name, text).map_err(|error| Error::invalid("policy", error.to_string()))?;
    let body = Body {
        text: text.to_owned(),
        modified_at: services.clock.now(),
    };
    for _ in 0..TRIES {
        let write = match read_one(&*services.store, &key(&name)).await? {
            Some(old) => Write::Put(old.replaced(&body)?, Condition::Version(old.version)),
            None => Write::Put(Record::new(key(&name), &body)?, Condition::Absent),
        };
        match services.store.write(&[write]).await {
            Err(StoreError::ConditionFailed(_)) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(contended("the policy"))
}

fn check_name(name: &str) -> Result<(), Error> {
    if name == ROOT_POLICY_NAME {
        return Err(Error::invalid("name", "cannot update \"root\" policy"));
    }
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        let reason = format!("a policy's name has 1 to {MAX_NAME_BYTES} bytes without control characters");
        return Err(Error::invalid("name", reason));
    }
    Ok(())
}

/// The policy `name`, as it was written or as it is built in. One read.
///
/// # Errors
/// As [`Store::read`].
pub async fn read_policy(store: &dyn Store, name: &str) -> Result<Option<StoredPolicy>, Error> {
    let name = normal(name);
    if name.is_empty() || name == ROOT_POLICY_NAME {
        return Ok(built_in(name));
    }
    match read_one(store, &key(&name)).await? {
        Some(record) => stored(&record).map(Some),
        None => Ok(built_in(name)),
    }
}

fn stored(record: &Record) -> Result<StoredPolicy, Error> {
    let Body { text, modified_at } = record.value()?;
    Ok(StoredPolicy {
        name: record.key.sort.clone(),
        text,
        version: record.version,
        modified_at,
    })
}

fn built_in(name: String) -> Option<StoredPolicy> {
    let text = match name.as_str() {
        DEFAULT_POLICY_NAME => DEFAULT_POLICY.to_owned(),
        ROOT_POLICY_NAME => String::new(),
        _ => return None,
    };
    Some(StoredPolicy {
        name,
        text,
        version: 0,
        modified_at: 0,
    })
}

/// The names of all policies, sorted, `default` and `root` among them. One query.
///
/// # Errors
/// As [`Store::query`].
pub async fn list_policies(store: &dyn Store) -> Result<Vec<String>, Error> {
    let records = store.query(&Query::partition(Table::Roles, PARTITION)).await?;
    let mut names: BTreeSet<String> = records.into_iter().map(|record| record.key.sort).collect();
    names.extend([DEFAULT_POLICY_NAME, ROOT_POLICY_NAME].map(str::to_owned));
    Ok(names.into_iter().collect())
}

/// Which of `names` are not the name of a policy. One read.
///
/// # Errors
/// As [`Store::read`].
pub async fn missing_policies(store: &dyn Store, names: &[String]) -> Result<Vec<String>, Error> {
    let names = names
        .iter()
        .filter(|name| built_in(name.to_string()).is_none() && !name.is_empty());
    let names: Vec<&String> = names.collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = names.iter().map(|name| key(name)).collect();
    let found = super::lookup::read_all(store, &keys).await?;
    let missing = names
        .into_iter()
        .zip(found)
        .filter(|(_, record)| record.is_none());
    Ok(missing.map(|(name, _)| name.clone()).collect())
}

/// Removes a policy; one that is not there is removed already. One write.
///
/// # Errors
/// `InvalidRequest` for `default` and `root`.
pub async fn delete_policy(store: &dyn Store, name: &str) -> Result<(), Error> {
    let name = normal(name);
    if name == DEFAULT_POLICY_NAME || name == ROOT_POLICY_NAME {
        return Err(Error::invalid("name", format!("cannot delete {name:?} policy")));
    }
    if name.is_empty() {
        return Ok(());
    }
    Ok(store
        .write(&[Write::Delete(key(&name), Condition::Always)])
        .await?)
}
