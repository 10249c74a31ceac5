//! The OpenAPI document.

use crate::openapi::document;
use serde_json::Value;

#[test]
fn the_committed_document_is_the_generated_one() {
    let committed: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    assert!(
        committed == document(),
        "run `cargo xtask openapi` and commit functions/venafi/openapi.json"
    );
}
