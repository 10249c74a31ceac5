//! What HCL and JSON policies have in common: a tree of keyed items.

use serde_json::Number;

/// One key with its value: `path "secret/*" { ... }` has the label `secret/*`, `a = 1` has none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) key: String,
    pub(super) labels: Vec<String>,
    /// The line of the key; JSON has none.
    pub(super) line: Option<u32>,
    pub(super) value: Value,
}

/// A value. The items of an object keep their order, and keys that repeat.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    List(Vec<Value>),
    Null,
    Number(Number),
    Object(Vec<Item>),
    Text(String),
}

impl Value {
    /// The blocks that this value stands for: JSON writes a repeated block as a list of objects.
    pub(super) fn into_objects(self) -> Option<Vec<Vec<Item>>> {
        match self {
            Self::Object(items) => Some(vec![items]),
            Self::List(values) => values.into_iter().map(Self::into_object).collect(),
            _ => None,
        }
    }

    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn into_texts(self) -> Option<Vec<String>> {
        self.into_list()?.into_iter().map(Self::into_text).collect()
    }

    pub(super) fn into_list(self) -> Option<Vec<Value>> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// The same value as JSON, for comparing with a request; null cannot be written in HCL and is none.
    pub(super) fn into_json(self) -> Option<serde_json::Value> {
        match self {
            Self::Bool(value) => Some(value.into()),
            Self::List(values) => values.into_iter().map(Self::into_json).collect(),
            Self::Null => None,
            Self::Number(number) => Some(number.into()),
            Self::Object(items) => items.into_iter().map(Item::into_json).collect(),
            Self::Text(text) => Some(text.into()),
        }
    }

    fn into_object(self) -> Option<Vec<Item>> {
        match self {
            Self::Object(items) => Some(items),
            _ => None,
        }
    }
}

impl Item {
    fn into_json(self) -> Option<(String, serde_json::Value)> {
        if self.labels.is_empty() {
            Some((self.key, self.value.into_json()?))
        } else {
            None
        }
    }
}
