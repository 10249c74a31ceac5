//! What came back, held against the OpenAPI document.

use axum::{body::to_bytes, response::Response};
use http::{HeaderMap, Method};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex},
};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../openapi.json");
    let mut document = serde_json::from_str(text).unwrap();
    plain_nulls(&mut document);
    document
});

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    /// The body; `Null` where it is empty.
    pub(crate) body: Value,
}

impl Answer {
    pub(super) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            bytes,
        }
    }

    /// Itself, which must have this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Itself, which must be this error.
    pub(crate) fn expect_error(self, status: u16, code: u16) -> Self {
        let found = (self.status, self.body["error_code"].as_str());
        assert_eq!(
            found,
            (status, Some(&*format!("ERR_NGROK_{code}"))),
            "{}",
            self.body
        );
        self
    }

    /// Itself, which must be the 404 of a resource.
    pub(crate) fn expect_not_found(self) -> Self {
        assert_eq!(
            (self.status, &self.body["msg"]),
            (404, &json!("Resource not found"))
        );
        assert_eq!(self.body.get("error_code"), None);
        self
    }

    /// Whose message must contain this.
    pub(crate) fn says(&self, text: &str) {
        assert!(self.text("msg").contains(text), "{}", self.body);
    }

    /// A member that is a text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in {}", self.body))
    }

    /// The path of the resource.
    pub(crate) fn path(&self) -> &str {
        self.text("uri").strip_prefix(super::BASE).unwrap()
    }

    /// The members of a list.
    pub(crate) fn ids(&self, name: &str) -> Vec<String> {
        let items = self.body[name].as_array().unwrap();
        items
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What every answer must satisfy: the document, and what an error says of itself.
    pub(super) fn check(&self, method: &Method, path: &str) {
        let operation_id = self.headers["ngrok-operation-id"].to_str().unwrap();
        assert!(
            operation_id.starts_with("op_") && operation_id.len() == 30,
            "{operation_id}"
        );
        if self.status == 204 {
            assert!(self.bytes.is_empty());
            return;
        }
        assert_eq!(self.headers["content-type"], "application/json");
        let schema = schema(method, path, self.status);
        let mut validators = VALIDATORS.lock().unwrap();
        let validator = validators
            .entry(schema.clone())
            .or_insert_with(|| validator(&schema));
        let errors: Vec<_> = validator
            .iter_errors(&self.body)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{method} {path}: {errors:?} in {}", self.body);
        if self.status >= 400 {
            assert_eq!(self.body["status_code"], self.status);
            let details = &self.body["details"];
            match self.body["msg"].as_str() {
                Some("Not Found") => assert_eq!(details, &json!({ "path": path })),
                _ => assert_eq!(details, &json!({ "operation_id": operation_id })),
            }
        }
    }
}

static VALIDATORS: Mutex<BTreeMap<String, Validator>> = Mutex::new(BTreeMap::new());

/// The reference of the schema of an answer.
fn schema(method: &Method, path: &str, status: u16) -> String {
    let resource = path.trim_start_matches('/').split('/').next().unwrap();
    let is_item = path.trim_start_matches('/').contains('/');
    let template = format!("/{resource}{}", if is_item { "/{id}" } else { "" });
    let operation = &DOCUMENT["paths"][&template][method.as_str().to_lowercase()];
    let answer = match &operation["responses"][status.to_string()] {
        Value::Null => &operation["responses"]["default"],
        found => found,
    };
    match &answer["content"]["application/json"]["schema"]["$ref"] {
        Value::String(reference) => reference.clone(),
        // No such operation: the error is the same everywhere.
        _ if status == 404 => "#/components/schemas/Error".into(),
        _ => panic!("{method} {path} answers with {status}, which the document does not have"),
    }
}

fn validator(reference: &str) -> Validator {
    let schema = json!({ "$ref": reference, "components": DOCUMENT["components"] });
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft4)
        .build(&schema)
        .unwrap()
}

/// OpenAPI 3.0 has `nullable` where JSON Schema has a list of types.
fn plain_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain_nulls),
        Value::Object(members) => {
            if members.remove("nullable") == Some(Value::Bool(true)) {
                let kind = members["type"].clone();
                members.insert("type".into(), json!([kind, "null"]));
            }
            members.values_mut().for_each(plain_nulls);
        }
        _ => {}
    }
}
