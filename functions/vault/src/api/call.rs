//! What a handler is given.

use super::{
    fields::{Fields, Parameters},
    request::Operation,
    route::Captures,
};
use crate::{error::Failure, mounts::Mount};
use countersign::{
    Services,
    access::Caller,
    issue::{self, Issuance, Issued, Origin},
    store::{Key, Record, Write},
    types::SecretToken,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// The longest content of a record: an item of DynamoDB has at most 400 KB, with its keys.
pub(crate) const MAX_RECORD_BYTES: usize = 390_000;

/// One authorised call of a handler.
pub(crate) struct Call {
    pub(crate) services: Services,
    pub(crate) operation: Operation,
    /// The whole path below `/v1/`, without slashes at its ends.
    pub(crate) path: String,
    pub(crate) captures: Captures,
    pub(crate) fields: Fields,
    /// Everything that was sent, known or not.
    pub(crate) parameters: Parameters,
    /// For how many seconds the answer is to be wrapped, if it is.
    pub(crate) wrap_ttl: Option<u64>,
    /// The mount, for a route below one.
    pub(crate) mount: Option<Mount>,
    /// Who calls, except on a public route.
    pub(crate) caller: Option<Caller>,
    /// On a route that takes `create` or `update`: whether the caller has the first.
    pub(crate) may_create: bool,
    /// And the second.
    pub(crate) may_update: bool,
    /// The token that was sent, looked at or not.
    pub(crate) token: Option<SecretToken>,
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) request_id: String,
    pub(crate) records: Records,
    /// Whether the handler's work has written its own line to the log.
    pub(crate) is_logged: AtomicBool,
    /// Whether that line says that a certificate was issued. What goes wrong afterwards is not in it.
    pub(crate) has_issued: AtomicBool,
}

/// The records that a request has read so far.
#[derive(Debug, Default)]
pub(crate) struct Records(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    records: BTreeMap<Key, Option<Record>>,
    used: BTreeSet<Key>,
}

impl Records {
    /// Takes what was read along with something else.
    pub(crate) fn add(&self, keys: &[Key], records: Vec<Option<Record>>) {
        self.known().records.extend(keys.iter().cloned().zip(records));
    }

    /// The keys that the request had a use for.
    pub(crate) fn used(&self) -> Vec<Key> {
        self.known().used.iter().cloned().collect()
    }

    /// Reads those of `keys` that are not known yet, together.
    pub(crate) async fn prefetch(&self, services: &Services, keys: &[Key]) -> Result<(), Failure> {
        let unknown: Vec<Key> = {
            let known = self.known();
            keys.iter()
                .filter(|key| !known.records.contains_key(key))
                .cloned()
                .collect()
        };
        if !unknown.is_empty() {
            let records = services
                .store
                .read(&unknown)
                .await
                .map_err(countersign::Error::from)?;
            self.add(&unknown, records);
        }
        Ok(())
    }

    /// The records at `keys`; those that are not known yet are read together.
    pub(crate) async fn read(
        &self,
        services: &Services,
        keys: &[Key],
    ) -> Result<Vec<Option<Record>>, Failure> {
        self.prefetch(services, keys).await?;
        let mut known = self.known();
        known.used.extend(keys.iter().cloned());
        Ok(keys
            .iter()
            .map(|key| known.records.get(key).cloned().flatten())
            .collect())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        countersign::lock(&self.0)
    }
}

impl Call {
    /// The caller, on a route that needs one.
    pub(crate) fn caller(&self) -> Result<&Caller, Failure> {
        self.caller.as_ref().ok_or_else(Failure::no_token)
    }

    /// The mount, on a route below one.
    pub(crate) fn mount(&self) -> Result<&Mount, Failure> {
        self.mount
            .as_ref()
            .ok_or_else(|| Failure::internal("a route below a mount was called without one"))
    }

    /// What the path captured under `name`.
    pub(crate) fn captured(&self, name: &str) -> &str {
        self.captures
            .iter()
            .find(|(captured, _)| *captured == name)
            .map_or("", |(_, text)| text)
    }

    /// The records at `keys`, in one round trip, or in none where they came along with the token.
    pub(crate) async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, Failure> {
        self.records.read(&self.services, keys).await
    }

    /// The record at `key`.
    pub(crate) async fn read_one(&self, key: &Key) -> Result<Option<Record>, Failure> {
        Ok(self.read(std::slice::from_ref(key)).await?.pop().flatten())
    }

    /// Carries out `writes` together.
    ///
    /// # Errors
    /// 400 where a record would be larger than the store takes.
    pub(crate) async fn write(&self, writes: &[Write]) -> Result<(), Failure> {
        let is_too_large =
            |write: &Write| matches!(write, Write::Put(record, _) if record.body.len() > MAX_RECORD_BYTES);
        if writes.iter().any(is_too_large) {
            return Err(Failure::user(format!(
                "this is too large to be kept: more than {MAX_RECORD_BYTES} bytes"
            )));
        }
        Ok(self
            .services
            .store
            .write(writes)
            .await
            .map_err(countersign::Error::from)?)
    }

    /// Who asks, for records and logs; `role` as this family names it.
    pub(crate) fn origin(&self, role: String) -> Origin {
        let caller = self.caller.as_ref();
        Origin {
            family: "vault",
            role,
            accessor: caller.map(Caller::accessor).unwrap_or_default().to_owned(),
            display_name: caller.map(Caller::display_name).unwrap_or_default().to_owned(),
            source_ip: self.source_ip,
            request_id: self.request_id.clone(),
        }
    }

    /// Issues a certificate; the core logs the decision.
    pub(crate) async fn issue(&self, issuance: Issuance<'_>) -> Result<Issued, Failure> {
        self.is_logged.store(true, Ordering::Relaxed);
        let issued = issue::issue(&self.services, issuance).await?;
        self.has_issued.store(true, Ordering::Relaxed);
        Ok(issued)
    }
}
