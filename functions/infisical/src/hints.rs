//! What a host needed the last time, so that it can be read together with the token the next time.
//!
//! A hint holds ids, never what was found there: every request reads what it decides by. A hint that has become wrong
//! costs one more read.

use crate::model::Host;
use countersign::authority::AuthorityId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// How many hosts are remembered.
const MAX_HOSTS: usize = 4096;

/// The ids that a host leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HostHint {
    pub(crate) project_id: String,
    pub(crate) user_authority: AuthorityId,
    pub(crate) host_authority: AuthorityId,
    pub(crate) groups: Vec<String>,
}

/// What a process remembers of hosts.
#[derive(Debug, Default)]
pub(crate) struct Hints(Mutex<HashMap<String, Arc<HostHint>>>);

impl Hints {
    /// The hint for the host with `id`.
    pub(crate) fn host(&self, id: &str) -> Option<Arc<HostHint>> {
        self.0.lock().ok()?.get(id).cloned()
    }

    /// Remembers what `host` leads to.
    pub(crate) fn remember_host(&self, host: &Host) {
        let hint = HostHint {
            project_id: host.project_id.clone(),
            user_authority: host.user_ca.authority.clone(),
            host_authority: host.host_ca.authority.clone(),
            groups: host.groups.iter().map(|group| group.group_id.clone()).collect(),
        };
        let Ok(mut hints) = self.0.lock() else { return };
        if hints.get(&host.id).is_some_and(|known| **known == hint) {
            return;
        }
        if hints.len() >= MAX_HOSTS {
            hints.clear();
        }
        hints.insert(host.id.clone(), Arc::new(hint));
    }
}
