//! Records as DynamoDB items.

use super::super::{EXPIRES_AT, Key, Listing, PARTITION, Record, SCHEMA, SORT, StoreError, Table};
use super::failure::unusable;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;

pub(in super::super) type Item = HashMap<String, AttributeValue>;

/// The attribute of the content.
const BODY: &str = "body";
/// The attribute of the version.
pub(super) const VERSION: &str = "version";

/// The listing index of `table`: its name, and its key attributes.
pub(super) fn index(table: Table) -> Result<(&'static str, &'static str, &'static str), StoreError> {
    SCHEMA
        .iter()
        .find(|schema| schema.table == table)
        .and_then(|schema| schema.index)
        .ok_or_else(|| unusable(format!("the table {table:?} has no listing index")))
}

/// The key attributes of `key`.
pub(super) fn key(key: &Key) -> Item {
    HashMap::from([
        (PARTITION.into(), AttributeValue::S(key.partition.clone())),
        (SORT.into(), AttributeValue::S(key.sort.clone())),
    ])
}

/// All attributes of `record`.
pub(super) fn render(record: &Record) -> Result<Item, StoreError> {
    let mut item = key(&record.key);
    item.insert(BODY.into(), AttributeValue::S(record.body.clone()));
    item.insert(VERSION.into(), AttributeValue::N(record.version.to_string()));
    if let Some(expires_at) = record.expires_at {
        item.insert(EXPIRES_AT.into(), AttributeValue::N(expires_at.to_string()));
    }
    if let Some(listing) = &record.listing {
        let (_, partition, sort) = index(record.key.table)?;
        item.insert(partition.into(), AttributeValue::S(listing.partition.clone()));
        item.insert(sort.into(), AttributeValue::S(listing.sort.clone()));
    }
    Ok(item)
}

/// The record in `table` that `item` holds.
pub(super) fn parse(table: Table, mut item: Item) -> Result<Record, StoreError> {
    let key = Key::new(
        table,
        required(table, &mut item, PARTITION)?,
        required(table, &mut item, SORT)?,
    );
    let body = required(table, &mut item, BODY)?;
    let version = number(table, &mut item, VERSION)?.ok_or_else(|| damaged(table, VERSION))?;
    let expires_at = number(table, &mut item, EXPIRES_AT)?;
    let listing = match index(table) {
        Ok((_, partition, sort)) => match (text(&mut item, partition), text(&mut item, sort)) {
            (Some(partition), Some(sort)) => Some(Listing { partition, sort }),
            _ => None,
        },
        Err(_) => None,
    };
    Ok(Record {
        key,
        body,
        version,
        expires_at,
        listing,
    })
}

fn text(item: &mut Item, attribute: &str) -> Option<String> {
    match item.remove(attribute) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

fn required(table: Table, item: &mut Item, attribute: &'static str) -> Result<String, StoreError> {
    text(item, attribute).ok_or_else(|| damaged(table, attribute))
}

fn number(table: Table, item: &mut Item, attribute: &'static str) -> Result<Option<u64>, StoreError> {
    match item.remove(attribute) {
        None => Ok(None),
        Some(AttributeValue::N(text)) => text.parse().map(Some).map_err(|_| damaged(table, attribute)),
        Some(_) => Err(damaged(table, attribute)),
    }
}

/// Names the attribute, not the record: what it holds may be a secret.
fn damaged(table: Table, attribute: &str) -> StoreError {
    unusable(format!(
        "an item of the table {table:?} has no valid `{attribute}`: something else wrote it"
    ))
}
