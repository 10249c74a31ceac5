//! The OpenAPI document of the family, from the table of routes and the types of `wire`.

use crate::{
    routes::{Access, Route, TABLE},
    wire,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The statuses of failures.
const FAILURES: [(&str, &str); 9] = [
    ("400", "The request must be mended"),
    ("401", "The token is missing, unknown or over"),
    ("403", "The scope or a right is missing"),
    ("404", "What the request names is not there"),
    ("405", "The path has other methods"),
    ("409", "It exists already, is in use, or changed meanwhile"),
    ("429", "Too many requests"),
    ("500", "An internal error"),
    ("503", "A service is unavailable: try again"),
];

/// The document.
pub fn document() -> Value {
    let settings = |serialize: bool| {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let settings = if serialize {
            settings.for_serialize()
        } else {
            settings.for_deserialize()
        };
        settings.into_generator()
    };
    let (mut asked, mut answered) = (settings(false), settings(true));
    let mut paths = Map::new();
    for route in TABLE {
        let operation = operation(route, &mut asked, &mut answered);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation;
    }
    let mut schemas = answered.take_definitions(true);
    schemas.extend(asked.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign: the SSH certificate API of Venafi (CyberArk SSH Protect)",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": "/" }],
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "apiKey": { "type": "apiKey", "in": "header", "name": "x-venafi-api-key" },
            },
        },
        "paths": paths,
    })
}

/// What a route takes and gives.
enum Answer {
    Empty(&'static [&'static str]),
    Json(Value),
    Text,
}

fn operation(route: &Route, asked: &mut SchemaGenerator, answered: &mut SchemaGenerator) -> Value {
    let (summary, body, answer) = described(route, asked, answered);
    let mut responses = Map::new();
    let is_text = matches!(answer, Answer::Text);
    match answer {
        Answer::Empty(statuses) => {
            for status in statuses {
                responses.insert((*status).into(), json!({ "description": summary }));
            }
        }
        Answer::Json(schema) => {
            let content = json!({ "application/json": { "schema": schema } });
            responses.insert(
                "200".into(),
                json!({ "description": summary, "content": content }),
            );
        }
        Answer::Text => {
            let content = json!({ "text/plain": { "schema": { "type": "string" } } });
            responses.insert(
                "200".into(),
                json!({ "description": summary, "content": content }),
            );
        }
    }
    let oauth = schema::<wire::OauthFailure>(answered);
    let web = schema::<wire::WebFailure>(answered);
    for (status, description) in FAILURES {
        let is_oauth = route.path.starts_with("/vedauth") || status == "401";
        let mut content = if is_oauth || route.path == "/vedsdk/authorize" && status == "400" {
            json!({ "application/json": { "schema": oauth } })
        } else if status == "403" {
            json!({ "application/json": { "schema": { "anyOf": [oauth, web] } } })
        } else {
            json!({ "application/json": { "schema": web } })
        };
        if is_text && matches!(status, "400" | "404") {
            content = json!({ "text/plain": { "schema": { "type": "string" } } });
        }
        responses.insert(
            status.into(),
            json!({ "description": description, "content": content }),
        );
    }
    let mut operation = json!({
        "summary": summary,
        "responses": responses,
        "security": match route.access {
            Access::Public => json!([]),
            Access::Ssh | Access::Token => json!([{ "bearer": [] }, { "apiKey": [] }]),
        },
    });
    if is_text {
        let parameter = |name: &str| json!({ "name": name, "in": "query", "required": false, "schema": { "type": "string" } });
        operation["parameters"] = json!([parameter("DN"), parameter("guid")]);
    }
    if let Some(schema) = body {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schema } },
        });
    }
    operation
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// A sentence about each route, the schema of its body, and what it answers. A route without one does not get past the
/// tests.
fn described(
    route: &Route,
    asked: &mut SchemaGenerator,
    answered: &mut SchemaGenerator,
) -> (&'static str, Option<Value>, Answer) {
    let mut json =
        |text, body, answer: fn(&mut SchemaGenerator) -> Value| (text, body, Answer::Json(answer(answered)));
    match route.path {
        "/vedauth/authorize/isAuthServer" => {
            ("Whether tokens can be had here", None, Answer::Empty(&["202"]))
        }
        "/vedauth/authorize/verify" => json("What a token is", None, schema::<wire::Verification>),
        "/vedauth/revoke/token" => ("End a token and its grant", None, Answer::Empty(&["200", "202"])),
        "/vedsdk" => json("Whether the server is there", None, schema::<wire::Ping>),
        "/vedsdk/Identity/Self" => json("Who calls", None, schema::<wire::Identities>),
        "/vedsdk/SSHCertificates/Template/Available" => json(
            "The templates that the caller may use",
            None,
            schema::<Vec<wire::TemplateName>>,
        ),
        "/vedsdk/SSHCertificates/Template/Retrieve/PublicKeyData" => {
            ("The CA key of a template", None, Answer::Text)
        }
        "/vedauth/authorize/certificate" => (
            "A client certificate for a token: not here",
            None,
            Answer::Empty(&[]),
        ),
        "/vedauth/authorize/oauth" => json(
            "A name and a password for a token",
            Some(schema::<wire::OauthRequest>(asked)),
            schema::<wire::TokenAnswer>,
        ),
        "/vedauth/authorize/token" => json(
            "A refresh token for a new token",
            Some(schema::<wire::RefreshRequest>(asked)),
            schema::<wire::TokenAnswer>,
        ),
        "/vedsdk/SSHCertificates/Request" => json(
            "Request a certificate",
            Some(schema::<wire::CertificateRequest>(asked)),
            schema::<wire::CertificateAnswer>,
        ),
        "/vedsdk/SSHCertificates/Retrieve" => json(
            "Fetch a certificate",
            Some(schema::<wire::Retrieval>(asked)),
            schema::<wire::CertificateAnswer>,
        ),
        "/vedsdk/SSHCertificates/Template/Create" => json(
            "Make a template",
            Some(schema::<wire::TemplateCreation>(asked)),
            schema::<wire::TemplateName>,
        ),
        "/vedsdk/SSHCertificates/Template/Delete" => json(
            "Delete a template of which no certificate is valid",
            Some(schema::<wire::TemplateDeletion>(asked)),
            schema::<wire::TemplateName>,
        ),
        "/vedsdk/SSHCertificates/Template/Retrieve" => json(
            "Show a template",
            Some(schema::<wire::TemplateRetrieval>(asked)),
            schema::<wire::TemplateAnswer>,
        ),
        "/vedsdk/SSHCertificates/Template/Update" => json(
            "Replace sections of a template",
            Some(schema::<wire::TemplateUpdate>(asked)),
            schema::<wire::TemplateName>,
        ),
        "/vedsdk/authorize" => json(
            "A name and a password for an API key",
            Some(schema::<wire::ApiKeyRequest>(asked)),
            schema::<wire::ApiKey>,
        ),
        other => panic!("{other} is not described"),
    }
}
