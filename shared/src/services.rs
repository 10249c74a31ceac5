//! What a request works with: everything that has a side effect, behind traits.

use crate::{
    access::Memory,
    audit::AuditLog,
    authority::AuthorityId,
    certificates::CertificateList,
    clock::Clock,
    handed_out::Until,
    hosts::{Hosts, NoHosts},
    lock,
    random::Random,
    signer::Keyring,
    store::Store,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// How an account keeps its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a record stays after its certificate has ended, in seconds.
    pub retention_secs: u64,
    /// Whether every signature is kept, for one more write, or only those that a family must return again.
    pub keep_signatures: bool,
    /// How long a private key that was made for a caller stays, encrypted, until it is fetched, in seconds.
    pub private_key_secs: u64,
}

impl Default for Settings {
    /// Records stay for 400 days past the end; signatures are kept where they must be; private keys stay for a week.
    fn default() -> Self {
        Self {
            retention_secs: 400 * 86_400,
            keep_signatures: false,
            private_key_secs: 7 * 86_400,
        }
    }
}

/// The services of one process. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// The three tables.
    pub store: Arc<dyn Store>,
    /// The CA keys.
    pub keyring: Arc<dyn Keyring>,
    /// The hosts that can be logged in to: none, unless the program says which.
    pub hosts: Arc<dyn Hosts>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
    /// The log of decisions.
    pub audit: Arc<dyn AuditLog>,
    /// How records are kept.
    pub settings: Settings,
    days: Arc<Mutex<BTreeSet<(CertificateList, String)>>>,
    handed_out: Arc<Mutex<BTreeSet<(AuthorityId, Until)>>>,
    access: Arc<Memory>,
}

impl Services {
    /// These services, with the settings' defaults, and no hosts.
    pub fn new(
        store: Arc<dyn Store>,
        keyring: Arc<dyn Keyring>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        audit: Arc<dyn AuditLog>,
    ) -> Self {
        Self {
            store,
            keyring,
            hosts: Arc::new(NoHosts),
            clock,
            random,
            audit,
            settings: Settings::default(),
            days: Arc::default(),
            handed_out: Arc::default(),
            access: Arc::default(),
        }
    }

    /// What this process remembers of access.
    pub(crate) fn access(&self) -> &Memory {
        &self.access
    }

    /// Whether this process has noted `day` in the directory of `list`.
    pub(crate) fn day_is_noted(&self, list: CertificateList, day: &str) -> bool {
        let entry = (list, day.to_owned());
        lock(&self.days).contains(&entry)
    }

    /// Remembers that `day` is in the directory of `list`.
    pub(crate) fn remember_day(&self, list: CertificateList, day: String) {
        // A process lives for days, not years: the set stays small.
        lock(&self.days).insert((list, day));
    }

    /// Whether this process has noted that there are records under `authority` until then.
    pub(crate) fn handing_out_is_noted(&self, authority: &AuthorityId, until: Until) -> bool {
        let entry = (authority.clone(), until);
        lock(&self.handed_out).contains(&entry)
    }

    /// Remembers that it is noted that there are records under `authority` until then.
    pub(crate) fn remember_handing_out(&self, authority: AuthorityId, until: Until) {
        // A few weeks for each authority that this process signs with.
        lock(&self.handed_out).insert((authority, until));
    }
}
