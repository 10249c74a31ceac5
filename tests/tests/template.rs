//! The template makes the same tables as the local server.

#![allow(missing_docs)]

use anyhow::Result;
use countersign::store::{EXPIRES_AT, PARTITION, SCHEMA, SORT};
use countersign_tests::run_python;
use serde_json::{Value, json};

#[test]
fn the_tables_of_the_template_have_the_keys_of_the_store() -> Result<()> {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/template.yaml");
    let printed = run_python("contract/infra/tables.py", &[template], &[])?.stdout;
    let expected: Value = SCHEMA
        .iter()
        .map(|table| {
            let indexes: Value = table
                .index
                .iter()
                .map(|(name, partition, sort)| ((*name).to_owned(), json!([partition, sort])))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let keys = json!({
                "keys": [PARTITION, SORT], "ttl": EXPIRES_AT, "indexes": indexes, "protected": true
            });
            (table.suffix.to_owned(), keys)
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(serde_json::from_str::<Value>(&printed)?, expected);
    Ok(())
}
