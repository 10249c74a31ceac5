//! What a host needed the last time, so that it can be read together with the token the next time.

use crate::model::Host;
use countersign::{authority::AuthorityId, hints};
use std::sync::Arc;

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
pub(crate) struct Hints(hints::Hints<String, Arc<HostHint>>);

impl Hints {
    /// The hint for the host with `id`.
    pub(crate) fn host(&self, id: &str) -> Option<Arc<HostHint>> {
        self.0.of(id)
    }

    /// Remembers what `host` leads to.
    pub(crate) fn remember_host(&self, host: &Host) {
        let hint = HostHint {
            project_id: host.project_id.clone(),
            user_authority: host.user_ca.authority.clone(),
            host_authority: host.host_ca.authority.clone(),
            groups: host.groups.iter().map(|group| group.group_id.clone()).collect(),
        };
        self.0.remember(&host.id, Arc::new(hint));
    }
}
