use super::{admission::Admitted, policies};
use crate::{
    acl::{Acl, Policy},
    error::Error,
    hints::Hints,
    store::Key,
};
use std::sync::Arc;

/// How many sets of policy texts it remembers the reading of.
const MAX_ACLS: usize = 256;
/// Longer sets of texts are read each time.
const MAX_ACL_BYTES: usize = 64 * 1024;

/// What a process remembers of access: for each token the keys that were needed last time, and for each set of
/// policy texts what they say. Neither can be out of date: keys are read anew, and texts say the same for ever.
#[derive(Debug)]
pub(crate) struct Memory {
    keys: Hints<String, Arc<[Key]>>,
    acls: Hints<String, Arc<Acl>>,
    admitted: Hints<String, Admitted>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            keys: Hints::default(),
            acls: Hints::at_most(MAX_ACLS),
            admitted: Hints::default(),
        }
    }
}

impl Memory {
    /// The keys that the token with `hash` needed last time, as far as this process knows.
    pub(super) fn keys(&self, hash: &str) -> Option<Arc<[Key]>> {
        self.keys.of(hash)
    }

    /// Remembers what the token with `hash` needs. Only for tokens that are good: nobody else can fill the memory.
    pub(super) fn remember_keys(&self, hash: &str, keys: Arc<[Key]>) {
        self.keys.remember(hash, keys);
    }

    /// The token that this process made for an identity of the gateway.
    pub(super) fn admitted(&self, identity: &str) -> Option<Admitted> {
        self.admitted.of(identity)
    }

    /// Remembers it. Whether it still may be used is asked on every request.
    pub(super) fn remember_admitted(&self, identity: &str, admitted: Admitted) {
        self.admitted.remember(identity, admitted);
    }

    /// What the policies `(name, text)` say together; a policy without a text grants nothing.
    pub(super) fn acl(&self, policies: &[(&str, Option<&str>)]) -> Result<Arc<Acl>, Error> {
        let all = signature(policies);
        if let Some(acl) = self.acls.of(&all) {
            return Ok(acl);
        }
        let parsed: Vec<Policy> = policies
            .iter()
            .filter_map(|(name, text)| policies::parse_stored(name, *text).transpose())
            .collect::<Result<_, _>>()?;
        let acl = Arc::new(Acl::new(&parsed.iter().collect::<Vec<_>>()));
        if all.len() <= MAX_ACL_BYTES {
            self.acls.remember(&all, Arc::clone(&acl));
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
