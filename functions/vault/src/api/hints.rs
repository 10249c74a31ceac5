//! Which records a path needed the last time, so that they can be read together with the token the next time.

use countersign::{hints, store::Key};

/// The most keys of one path.
const MAX_KEYS: usize = 8;

/// For each path, the keys.
#[derive(Debug, Default)]
pub(crate) struct Hints(hints::Hints<String, Vec<Key>>);

impl Hints {
    /// The keys for `path`.
    pub(crate) fn of(&self, path: &str) -> Vec<Key> {
        self.0.of(path).unwrap_or_default()
    }

    /// Remembers `keys` for `path`.
    pub(crate) fn remember(&self, path: &str, keys: Vec<Key>) {
        if keys.len() <= MAX_KEYS {
            self.0.remember(path, keys);
        }
    }
}
