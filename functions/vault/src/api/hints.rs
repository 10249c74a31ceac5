//! Which records a path needed the last time, so that they can be read together with the token the next time.
//!
//! A hint is a list of keys, never of values: every request reads what it decides by. A hint that has become wrong
//! costs one more read.

use countersign::store::Key;
use std::{collections::HashMap, sync::Mutex};

/// How many paths are remembered. A role each, so more than most accounts have.
const MAX_PATHS: usize = 4096;
/// The most keys of one path.
const MAX_KEYS: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Hints(Mutex<HashMap<String, Vec<Key>>>);

impl Hints {
    /// The keys for `path`.
    pub(crate) fn of(&self, path: &str) -> Vec<Key> {
        self.0
            .lock()
            .ok()
            .and_then(|hints| hints.get(path).cloned())
            .unwrap_or_default()
    }

    /// Remembers `keys` for `path`.
    pub(crate) fn remember(&self, path: &str, keys: Vec<Key>) {
        let Ok(mut hints) = self.0.lock() else { return };
        if keys.len() > MAX_KEYS || hints.get(path) == Some(&keys) {
            return;
        }
        if hints.len() >= MAX_PATHS {
            hints.clear();
        }
        hints.insert(path.to_owned(), keys);
    }
}
