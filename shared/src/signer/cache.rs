//! The signers that are open.

use super::Signer;
use crate::{authority::AuthorityId, lock};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// One open signer for each authority that has signed, at most: an entry comes only from a stored authority.
#[derive(Default)]
pub(super) struct SignerCache(Mutex<HashMap<AuthorityId, Arc<dyn Signer>>>);

impl SignerCache {
    /// The signer of the authority `id`, if it is open.
    pub(super) fn find(&self, id: &AuthorityId) -> Option<Arc<dyn Signer>> {
        lock(&self.0).get(id).cloned()
    }

    /// Keeps `signer` open.
    pub(super) fn keep(&self, id: &AuthorityId, signer: &Arc<dyn Signer>) {
        lock(&self.0).insert(id.clone(), Arc::clone(signer));
    }

    /// Lets the signer of the authority `id` go.
    pub(super) fn forget(&self, id: &AuthorityId) {
        lock(&self.0).remove(id);
    }
}
