//! What our server has in the place of what the recorded one had drawn: tokens, ids, keys.

use serde_json::Value;
use std::collections::BTreeMap;

/// Recorded texts and ours.
#[derive(Clone, Default)]
pub(super) struct Learned(BTreeMap<String, String>);

impl Learned {
    /// `recorded` is `ours` here.
    pub(super) fn learn(&mut self, recorded: &str, ours: &str) {
        self.0.insert(recorded.to_owned(), ours.to_owned());
    }

    /// Whether there is something for `recorded`.
    pub(super) fn knows(&self, recorded: &str) -> bool {
        self.0.contains_key(recorded)
    }

    /// Ours for `recorded`, or `recorded` itself.
    pub(super) fn ours(&self, recorded: &str) -> String {
        self.0
            .get(recorded)
            .map_or_else(|| recorded.to_owned(), Clone::clone)
    }

    /// `text` with everything in it replaced that is long enough not to be there by chance.
    pub(super) fn in_text(&self, text: &str) -> String {
        if let Some(ours) = self.0.get(text) {
            return ours.clone();
        }
        let long = self.0.iter().filter(|(recorded, _)| recorded.len() >= 10);
        long.fold(text.to_owned(), |text, (recorded, ours)| {
            text.replace(recorded, ours)
        })
    }

    /// `value` with all its texts and names replaced.
    pub(super) fn in_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.in_text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.in_value(item)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (self.in_text(name), self.in_value(value)))
                .collect(),
            other => other.clone(),
        }
    }
}
