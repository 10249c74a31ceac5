//! The OpenAPI document of the family: what `functions/ngrok/openapi.json` holds. The schemas come from
//! [`crate::wire`], the rest from the same table that names the resources.

use crate::wire;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// One resource: its path, its tag, how its operations' names begin, what people call one and several.
struct Section {
    path: &'static str,
    tag: &'static str,
    operation: &'static str,
    one: &'static str,
    several: &'static str,
    schema: &'static str,
}

const SECTIONS: [Section; 3] = [
    Section {
        path: "/ssh_certificate_authorities",
        tag: "SSHCertificateAuthorities",
        operation: "SshCertificateAuthorities",
        one: "an SSH Certificate Authority",
        several: "SSH Certificate Authorities",
        schema: "SSHCertificateAuthority",
    },
    Section {
        path: "/ssh_host_certificates",
        tag: "SSHHostCertificates",
        operation: "SshHostCertificates",
        one: "an SSH Host Certificate",
        several: "SSH Host Certificates",
        schema: "SSHHostCertificate",
    },
    Section {
        path: "/ssh_user_certificates",
        tag: "SSHUserCertificates",
        operation: "SshUserCertificates",
        one: "an SSH User Certificate",
        several: "SSH User Certificates",
        schema: "SSHUserCertificate",
    },
];

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for section in &SECTIONS {
        paths.insert(section.path.into(), section.collection());
        paths.insert(format!("{}/{{id}}", section.path), section.item());
    }
    json!({
        "openapi": "3.0.0",
        "info": {
            "title": "Countersign: the ngrok SSH certificate API",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": "/" }],
        "security": [{ "authentication": [] }],
        "paths": paths,
        "components": {
            "parameters": {
                "ngrokVersion": {
                    "name": "ngrok-version",
                    "in": "header",
                    "required": true,
                    "schema": { "type": "integer", "default": 2 },
                },
            },
            "schemas": schemas(),
            "securitySchemes": {
                "authentication": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}

impl Section {
    fn collection(&self) -> Value {
        let mut list = vec![
            query_parameter("before_id", "only resources older than this one", "string"),
            query_parameter("limit", "at most so many, 1 to 100; 100 if unspecified", "string"),
        ];
        if self.schema == "SSHCertificateAuthority" {
            list.push(query_parameter(
                "filter",
                "a CEL expression; not supported here",
                "string",
            ));
        }
        json!({
            "get": self.operation("List", &format!("List all {} on this account, newest first", self.several), list, None,
                "200", Some(format!("{}List", self.schema))),
            "post": self.operation("Create", &format!("Create {}", self.one), vec![],
                Some(format!("{}Create", self.schema)), "201", Some(self.schema.to_owned())),
        })
    }

    fn item(&self) -> Value {
        let schema = || Some(self.schema.to_owned());
        let one = self.one;
        json!({
            "get": self.operation("Get", &format!("Get detailed information about {one}"), vec![id_parameter()], None,
                "200", schema()),
            "patch": self.operation("Update", &format!("Update {one}"), vec![id_parameter()], Some("Update".into()),
                "200", schema()),
            "delete": self.operation("Delete", &format!("Delete {one}"), vec![id_parameter()], None, "204", None),
        })
    }

    fn operation(
        &self,
        summary: &str,
        description: &str,
        parameters: Vec<Value>,
        body: Option<String>,
        status: &str,
        answer: Option<String>,
    ) -> Value {
        let mut all = vec![json!({ "$ref": "#/components/parameters/ngrokVersion" })];
        all.extend(parameters);
        let mut success = json!({ "description": description });
        if let Some(answer) = answer {
            success["content"] = content(&answer);
        }
        let mut operation = json!({
            "tags": [self.tag],
            "summary": summary,
            "description": description,
            "operationId": format!("{}{summary}", self.operation),
            "parameters": all,
            "responses": {
                status: success,
                "default": { "description": "The request failed", "content": content("Error") },
            },
        });
        if let Some(body) = body {
            operation["requestBody"] = json!({ "required": true, "content": content(&body) });
        }
        operation
    }
}

fn content(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

fn id_parameter() -> Value {
    json!({
        "name": "id",
        "description": "a resource identifier",
        "in": "path",
        "required": true,
        "schema": { "type": "string" },
    })
}

fn query_parameter(name: &str, description: &str, kind: &str) -> Value {
    json!({
        "name": name,
        "description": description,
        "in": "query",
        "required": false,
        "schema": { "type": kind },
    })
}

fn schemas() -> Map<String, Value> {
    let mut asked = SchemaSettings::openapi3().for_deserialize().into_generator();
    add::<wire::SshCertificateAuthorityCreate>(&mut asked);
    add::<wire::SshHostCertificateCreate>(&mut asked);
    add::<wire::SshUserCertificateCreate>(&mut asked);
    add::<wire::Update>(&mut asked);
    let mut answered = SchemaSettings::openapi3().for_serialize().into_generator();
    add::<wire::SshCertificateAuthorityList>(&mut answered);
    add::<wire::SshHostCertificateList>(&mut answered);
    add::<wire::SshUserCertificateList>(&mut answered);
    add::<wire::Error>(&mut answered);
    let mut schemas = asked.take_definitions(true);
    schemas.extend(answered.take_definitions(true));
    schemas
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    let _ = generator.subschema_for::<T>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_in_the_repository_is_the_generated_one() {
        let kept: Value = serde_json::from_str(include_str!("../openapi.json")).unwrap();
        assert!(kept == document(), "run `cargo xtask openapi`");
    }

    #[test]
    fn the_document_agrees_with_ngroks() {
        let theirs: Value = serde_json::from_str(include_str!("ngrok-openapi.json")).unwrap();
        // Title and server are each its own.
        for part in ["openapi", "security", "paths", "components"] {
            assert_within(&theirs[part], &document()[part], part);
        }
    }

    /// Whether all of `theirs` stands in `ours`. Descriptions may differ: ours does not offer certificates for
    /// everyone.
    fn assert_within(theirs: &Value, ours: &Value, place: &str) {
        match (theirs, ours) {
            (Value::Object(theirs), Value::Object(ours)) => {
                for (name, value) in theirs
                    .iter()
                    .filter(|(name, value)| *name != "description" || value.is_object())
                {
                    let place = format!("{place}/{name}");
                    let found = ours.get(name).unwrap_or_else(|| panic!("{place} is missing"));
                    assert_within(value, found, &place);
                }
            }
            (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
                for (theirs, ours) in theirs.iter().zip(ours) {
                    assert_within(theirs, ours, place);
                }
            }
            _ => assert_eq!(theirs, ours, "{place}"),
        }
    }
}
