use super::{admission::Admitted, policies};
use crate::{
    acl::{Acl, Policy},
    error::Error,
    lock,
    store::Key,
};
use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex},
};

/// For how many tokens a process remembers what to read along.
const MAX_TOKENS: usize = 4096;
/// How many sets of policy texts it remembers the reading of.
const MAX_ACLS: usize = 256;
/// Longer sets of texts are read each time.
const MAX_ACL_BYTES: usize = 64 * 1024;

/// What a process remembers of access: for each token the keys that were needed last time, and for each set of
/// policy texts what they say. Neither can be out of date: keys are read anew, and texts say the same for ever.
#[derive(Default)]
pub(crate) struct Memory {
    keys: Mutex<HashMap<String, Arc<[Key]>>>,
    acls: Mutex<HashMap<String, Arc<Acl>>>,
    admitted: Mutex<HashMap<String, Admitted>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory {
    /// The keys that the token with `hash` needed last time, as far as this process knows.
    pub(super) fn keys(&self, hash: &str) -> Option<Arc<[Key]>> {
        lock(&self.keys).get(hash).cloned()
    }

    /// Remembers what the token with `hash` needs. Only for tokens that are good: nobody else can fill the memory.
    pub(super) fn remember_keys(&self, hash: &str, keys: Arc<[Key]>) {
        insert(&mut lock(&self.keys), MAX_TOKENS, hash.to_owned(), keys);
    }

    /// The token that this process made for an identity of the gateway.
    pub(super) fn admitted(&self, identity: &str) -> Option<Admitted> {
        lock(&self.admitted).get(identity).cloned()
    }

    /// Remembers it. Whether it still may be used is asked on every request.
    pub(super) fn remember_admitted(&self, identity: String, admitted: Admitted) {
        insert(&mut lock(&self.admitted), MAX_TOKENS, identity, admitted);
    }

    /// What the policies `(name, text)` say together; a policy without a text grants nothing.
    pub(super) fn acl(&self, policies: &[(&str, Option<&str>)]) -> Result<Arc<Acl>, Error> {
        let all = signature(policies);
        if let Some(acl) = lock(&self.acls).get(&all) {
            return Ok(Arc::clone(acl));
        }
        let parsed: Vec<Policy> = policies
            .iter()
            .filter_map(|(name, text)| policies::parse_stored(name, *text).transpose())
            .collect::<Result<_, _>>()?;
        let acl = Arc::new(Acl::new(&parsed.iter().collect::<Vec<_>>()));
        if all.len() <= MAX_ACL_BYTES {
            insert(&mut lock(&self.acls), MAX_ACLS, all, Arc::clone(&acl));
        }
        Ok(acl)
    }
}

/// Names and texts in one, each with its length before it: no two sets have the same.
fn signature(policies: &[(&str, Option<&str>)]) -> String {
    let mut all = String::new();
    for (name, text) in policies {
        let (present, text) = (u8::from(text.is_some()), text.unwrap_or_default());
        all.push_str(&format!("{}:{name}{present}{}:{text}", name.len(), text.len()));
    }
    all
}

fn insert<K: Clone + Eq + Hash, V>(map: &mut HashMap<K, V>, max: usize, key: K, value: V) {
    if map.len() >= max && !map.contains_key(&key) {
        // Any one: whatever is missed costs one more read.
        if let Some(victim) = map.keys().next().cloned() {
            map.remove(&victim);
        }
    }
    map.insert(key, value);
}
