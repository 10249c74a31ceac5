//! What a process remembers of earlier requests, so that a later one can read at once what it will need.
//!
//! A hint is what to read along, or what stays the same for ever; never what a request is judged by that may change.
//! So a hint that was forgotten or has become wrong costs one more read, and nothing else.

use crate::lock;
use std::{borrow::Borrow, collections::HashMap, fmt, hash::Hash, sync::Mutex};

/// How many entries are remembered unless said otherwise: more than most accounts have roles, hosts or tokens in use.
const MAX_ENTRIES: usize = 4096;

/// A memory of a limited number of entries, which many requests share.
pub struct Hints<K, V> {
    max_entries: usize,
    entries: Mutex<HashMap<K, V>>,
}

impl<K, V> Hints<K, V> {
    /// An empty memory of so many entries at most.
    pub fn at_most(max_entries: usize) -> Self {
        Self {
            max_entries,
            entries: Mutex::default(),
        }
    }
}

impl<K, V> Default for Hints<K, V> {
    /// An empty memory of 4096 entries at most.
    fn default() -> Self {
        Self::at_most(MAX_ENTRIES)
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Hints<K, V> {
    /// What is remembered of `key`.
    pub fn of<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        lock(&self.entries).get(key).cloned()
    }

    /// Remembers `hint` of `key`, in place of what was remembered of it. Where there is no room left, another entry, no
    /// matter which, is forgotten.
    pub fn remember<Q: Eq + Hash + ToOwned<Owned = K> + ?Sized>(&self, key: &Q, hint: V)
    where
        K: Borrow<Q>,
    {
        let mut entries = lock(&self.entries);
        if let Some(known) = entries.get_mut(key) {
            *known = hint;
            return;
        }
        if entries.len() >= self.max_entries
            && let Some(victim) = entries.keys().next().cloned()
        {
            entries.remove::<K>(&victim);
        }
        entries.insert(key.to_owned(), hint);
    }
}

/// Says nothing of the entries, whose keys may be hashes of tokens.
impl<K, V> fmt::Debug for Hints<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hints").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hint_of_a_key_is_remembered() {
        let hints: Hints<String, u8> = Hints::default();
        assert_eq!(hints.of("a"), None);
        hints.remember("a", 1);
        hints.remember("a", 2);
        hints.remember("b", 3);
        assert_eq!((hints.of("a"), hints.of("b")), (Some(2), Some(3)));
    }

    #[test]
    fn one_entry_makes_room_for_another() {
        let hints: Hints<u8, u8> = Hints::at_most(3);
        for key in 0..10 {
            hints.remember(&key, key);
            assert_eq!(hints.of(&key), Some(key), "the newest is always there");
        }
        let kept = (0..10).filter(|key| hints.of(key).is_some()).count();
        assert_eq!(kept, 3);
        let known = (0..9).find(|key| hints.of(key).is_some()).unwrap();
        hints.remember(&known, 77);
        let kept = (0..10).filter(|key| hints.of(key).is_some()).count();
        assert_eq!(
            (hints.of(&known), kept),
            (Some(77), 3),
            "what is known needs no room"
        );
    }
}
