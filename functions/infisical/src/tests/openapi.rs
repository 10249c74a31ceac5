//! The OpenAPI document.

use crate::openapi::document;
use serde_json::{Value, json};

#[test]
fn the_committed_document_is_the_generated_one() {
    let committed: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    assert_eq!(
        committed,
        document(),
        "run `cargo xtask openapi` and commit functions/infisical/openapi.json"
    );
}

#[test]
fn issue_user_cert_is_as_the_seed_publishes_it() {
    let document = document();
    let operation = &document["paths"]["/api/v1/ssh/hosts/{id}/issue-user-cert"]["post"];
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let expected = json!({
        "type": "object",
        "properties": {"loginUser": {"type": "string"}},
        "required": ["loginUser"],
        "additionalProperties": false,
    });
    assert_eq!(*body, expected);
    let name = &operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(*name, "#/components/schemas/IssuedCredentials");
    let answer = &document["components"]["schemas"]["IssuedCredentials"];
    let fields = [
        "serialNumber",
        "signedKey",
        "privateKey",
        "publicKey",
        "keyAlgorithm",
    ];
    let mut required: Vec<&str> = answer["required"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    required.sort_unstable();
    let mut expected = fields;
    expected.sort_unstable();
    assert_eq!(required, expected);
    assert_eq!(answer["properties"].as_object().unwrap().len(), fields.len());
    assert_eq!(answer["additionalProperties"], false);
    let algorithms = &document["components"]["schemas"]["KeyAlgorithm"]["enum"];
    assert_eq!(
        *algorithms,
        json!(["RSA_2048", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "ED25519"])
    );
    for status in ["400", "401", "403", "404", "422", "500"] {
        assert!(operation["responses"][status].is_object(), "{status}");
    }
}
