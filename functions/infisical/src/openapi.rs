//! The OpenAPI document, from the table of routes: bodies from the readers that check them, answers from their types.

use crate::{
    error::Problem,
    input::Input,
    routes::{Access, NoBody, Route, TABLE, Text},
    validation::Reader,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The schemas of one route.
#[derive(Clone, Copy)]
pub(crate) struct Schemas {
    body: fn() -> Option<Value>,
    answer: fn(&mut SchemaGenerator) -> Value,
}

impl Schemas {
    pub(crate) const fn of<B: BodySchema, A: AnswerSchema>() -> Self {
        Self {
            body: B::schema,
            answer: A::content,
        }
    }
}

/// What a request's body is like.
pub(crate) trait BodySchema {
    fn schema() -> Option<Value>;
}

impl BodySchema for NoBody {
    fn schema() -> Option<Value> {
        None
    }
}

impl<T: Input> BodySchema for T {
    fn schema() -> Option<Value> {
        Some(Reader::described(T::read))
    }
}

/// What an answer's content is like.
pub(crate) trait AnswerSchema {
    fn content(generator: &mut SchemaGenerator) -> Value;
}

impl AnswerSchema for Text {
    fn content(_: &mut SchemaGenerator) -> Value {
        json!({"text/plain": {"schema": {"type": "string"}}})
    }
}

impl<T: JsonSchema> AnswerSchema for T {
    fn content(generator: &mut SchemaGenerator) -> Value {
        json!({"application/json": {"schema": generator.subschema_for::<T>()}})
    }
}

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in TABLE {
        let operation = operation(route, &mut generator);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation;
    }
    let mut schemas = Value::Object(generator.take_definitions(true));
    schemas["Problem"] = problem_schema();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Infisical's SSH API, as Countersign speaks it",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "components": {
            "responses": {
                "Problem": {
                    "description": "Default Response",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                },
            },
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "paths": paths,
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let content = (route.schemas.answer)(generator);
    responses.insert(
        "200".into(),
        json!({"description": "Default Response", "content": content}),
    );
    for status in Problem::STATUSES {
        responses.insert(
            status.to_string(),
            json!({"$ref": "#/components/responses/Problem"}),
        );
    }
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters(route.path),
        "responses": responses,
        "security": match route.access {
            Access::Public => json!([]),
            Access::Account | Access::Any | Access::User => json!([{"bearer": []}]),
        },
    });
    if let Some(schema) = (route.schemas.body)() {
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": schema}},
        });
    }
    operation
}

/// The names in braces.
fn parameters(path: &str) -> Vec<Value> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect()
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a request did not succeed.",
        "properties": {
            "reqId": {"type": "string"},
            "statusCode": {"type": "integer", "enum": Problem::STATUSES},
            "message": {"description": "A sentence; for 422 a list of issues."},
            "details": {"description": "For 403, the rules that were looked at."},
            "error": {"type": "string"},
        },
        "required": ["reqId", "statusCode", "message", "error"],
        "additionalProperties": false,
    })
}
