//! One fault of a request, as the original's schema library reports it.

use serde_json::{Map, Value, json};

/// One fault: a code, where it is, what is wrong, and whatever else the code brings.
#[derive(Clone, Debug)]
pub(crate) struct Issue(Map<String, Value>);

impl Issue {
    fn new(code: &str, path: &[Value], message: impl Into<String>, extra: Value) -> Self {
        let mut fields = Map::new();
        fields.insert("code".into(), code.into());
        if let Value::Object(extra) = extra {
            fields.extend(extra);
        }
        fields.insert("path".into(), Value::Array(path.to_vec()));
        fields.insert("message".into(), Value::String(message.into()));
        Self(fields)
    }

    pub(crate) fn custom(path: &[Value], message: impl Into<String>) -> Self {
        Self::new("custom", path, message, Value::Null)
    }

    /// `received` is `None` where the key is missing.
    pub(crate) fn wrong_type(path: &[Value], expected: &str, received: Option<&Value>) -> Self {
        let received = received.map_or("undefined", type_name);
        let message = if received == "undefined" {
            "Required".to_owned()
        } else {
            format!("Expected {expected}, received {received}")
        };
        let extra = json!({"expected": expected, "received": received});
        Self::new("invalid_type", path, message, extra)
    }

    pub(crate) fn bad_enum(path: &[Value], options: &[&str], received: &str) -> Self {
        let quoted: Vec<String> = options.iter().map(|option| format!("'{option}'")).collect();
        let message = format!(
            "Invalid enum value. Expected {}, received '{received}'",
            quoted.join(" | ")
        );
        let extra = json!({"received": received, "options": options});
        Self::new("invalid_enum_value", path, message, extra)
    }

    /// `kind` is `string` or `array`.
    pub(crate) fn too_small(path: &[Value], kind: &str, minimum: usize, message: impl Into<String>) -> Self {
        let extra = json!({"minimum": minimum, "type": kind, "inclusive": true, "exact": false});
        Self::new("too_small", path, message, extra)
    }

    /// `kind` is `string` or `array`.
    pub(crate) fn too_big(path: &[Value], kind: &str, maximum: usize, message: impl Into<String>) -> Self {
        let extra = json!({"maximum": maximum, "type": kind, "inclusive": true, "exact": false});
        Self::new("too_big", path, message, extra)
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(_) => "number",
        Value::Object(_) => "object",
        Value::String(_) => "string",
    }
}
