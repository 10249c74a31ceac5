//! The JSON schema of a body, from the very reader that checks it.

use super::Reader;
use serde_json::{Map, Value, json};

/// What a reader was asked for, where its schema is wanted.
#[derive(Default)]
pub(super) struct Description(Option<Fields>);

#[derive(Default)]
struct Fields {
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Description {
    pub(super) fn wanted() -> Self {
        Self(Some(Fields::default()))
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Notes a field, if anybody wants to know.
    pub(super) fn add(&mut self, name: &str, is_required: bool, schema: impl FnOnce() -> Value) {
        if let Some(fields) = &mut self.0 {
            fields.properties.insert(name.to_owned(), schema());
            if is_required {
                fields.required.push(name.to_owned());
            }
        }
    }

    fn into_schema(self) -> Value {
        let Fields { properties, required } = self.0.unwrap_or_default();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    }
}

impl Reader<'_> {
    /// The schema of what `read` reads.
    pub(crate) fn described<'a, T>(read: impl FnOnce(&mut Reader<'a>) -> T) -> Value {
        let mut reader = Reader {
            object: None,
            path: Vec::new(),
            issues: Vec::new(),
            fatal: None,
            description: Description::wanted(),
        };
        read(&mut reader);
        reader.description.into_schema()
    }
}

pub(super) fn boolean() -> Value {
    json!({"type": "boolean"})
}

pub(super) fn choice(names: &[&str]) -> Value {
    json!({"type": "string", "enum": names})
}

pub(super) fn array(items: Value) -> Value {
    json!({"type": "array", "items": items})
}
