//! The [`Store`] over DynamoDB, the only implementation: the tests run it against an embedded engine by way of the SDK, as
//! it runs in AWS, and local mode reads and writes there without the SDK (`calls.rs`).
//!
//! A record is one item: its key (`pk`, `sk`), `body` as text, `version` as a number, and where the record has
//! them `expires_at` (a number, the table's time to live) and the key attributes of the listing index.
//!
//! # What an answer means
//!
//! The client repeats an attempt that failed on the way, so an answer may belong to a second attempt while the
//! first one did its work unheard. Success is always true. Any other end of a write of which an attempt was lost
//! (no answer, or a server error) is reported as `Unavailable`: nobody can tell any more whether a condition
//! failed because of somebody else or because of the lost attempt itself. What can be told is told:
//! - a lone `Put` whose condition fails and that finds its own record in its place succeeded;
//! - a set of writes carries a token of its own, by which DynamoDB knows a repeated attempt and gives the first
//!   one's answer (for ten minutes);
//! - a set of writes that its caller repeats later, under a new token, succeeded if it consists of `Put`s that all
//!   fail and all find their own record, beside `Check`s that hold. Then nothing of its effect is missing,
//!   whoever brought it about. A set that holds a `Delete`, or a `Put` whose condition still holds, is never
//!   explained away: that something of it lies there does not prove that the rest was done.
//!
//! A caller that needs to be the only one to succeed therefore puts something of its own into the body, such as
//! an identifier drawn at random: two callers who write the very same bytes are one caller.

pub(super) mod calls;
mod client;
mod condition;
pub(super) mod failure;
pub(super) mod item;
mod range;
pub(super) mod sdk;
mod tables;
mod write;

pub use client::{CONNECT_TIMEOUT, client_config, timeouts};
pub use tables::{TableNames, create_tables};

use self::{calls::Calls, item::Item, sdk::Sdk};
use super::{Key, Query, Record, Store, StoreError, Write};
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    operation::query::builders::QueryInputBuilder,
    types::{AttributeValue, KeysAndAttributes},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// The longest keys.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
const MAX_PARTITION_BYTES: usize = 2048;
const MAX_SORT_BYTES: usize = 1024;
/// DynamoDB gives at most so many items to one batched read.
const BATCH: usize = 100;
/// A batched read that gets nowhere so many times in a row is being throttled.
const FRUITLESS_ROUNDS: u32 = 4;
/// The wait after the first such time; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Three DynamoDB tables.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    calls: Arc<dyn Calls>,
    names: TableNames,
}

impl DynamoDb {
    /// The tables called `names`, reached through `client`, which [`client_config`] has configured.
    pub fn new(client: Client, names: TableNames) -> Self {
        Self::over(Arc::new(Sdk(client)), names)
    }

    /// The tables called `names`, reached by these `calls`.
    pub(super) fn over(calls: Arc<dyn Calls>, names: TableNames) -> Self {
        Self { calls, names }
    }

    async fn read_one(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let found = self
            .calls
            .get_item(self.names.of(key.table), item::key(key))
            .await?;
        found.map(|item| item::parse(key.table, item)).transpose()
    }

    async fn read_batch(&self, keys: &[&Key], found: &mut HashMap<Key, Record>) -> Result<(), StoreError> {
        let mut wanted = self.request(keys)?;
        let mut fruitless = 0;
        loop {
            let answer = self.calls.batch_get_item(wanted).await?;
            let before = found.len();
            for (name, items) in answer.responses.unwrap_or_default() {
                let table = self
                    .names
                    .table(&name)
                    .ok_or_else(|| failure::unusable("an answer for a foreign table"))?;
                for item in items {
                    let record = item::parse(table, item)?;
                    found.insert(record.key.clone(), record);
                }
            }
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(());
            }
            // A part may be left over for its size (16 MB), which is no reason to wait, or for want of capacity.
            if found.len() == before {
                fruitless += 1;
                if fruitless == FRUITLESS_ROUNDS {
                    return Err(StoreError::Throttled);
                }
                tokio::time::sleep(FIRST_PAUSE * 2u32.pow(fruitless - 1)).await;
            } else {
                fruitless = 0;
            }
        }
    }

    fn request(&self, keys: &[&Key]) -> Result<HashMap<String, KeysAndAttributes>, StoreError> {
        let mut tables: HashMap<&str, Vec<Item>> = HashMap::new();
        for key in keys {
            tables
                .entry(self.names.of(key.table))
                .or_default()
                .push(item::key(key));
        }
        tables
            .into_iter()
            .map(|(name, keys)| {
                let keys = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .consistent_read(true)
                    .build();
                Ok((name.to_owned(), keys.map_err(failure::unusable)?))
            })
            .collect()
    }
}

/// Whether a record can lie at `key`: one that is longer than DynamoDB allows is a name that somebody made up, and not
/// a defect of ours.
fn is_possible(key: &Key) -> bool {
    key.partition.len() <= MAX_PARTITION_BYTES && key.sort.len() <= MAX_SORT_BYTES
}

#[async_trait]
impl Store for DynamoDb {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        if let [key] = keys {
            let record = if is_possible(key) {
                self.read_one(key).await?
            } else {
                None
            };
            return Ok(vec![record]);
        }
        let mut seen = HashSet::with_capacity(keys.len());
        let distinct: Vec<&Key> = keys
            .iter()
            .filter(|key| is_possible(key) && seen.insert(*key))
            .collect();
        let mut found = HashMap::with_capacity(distinct.len());
        for batch in distinct.chunks(BATCH) {
            self.read_batch(batch, &mut found).await?;
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.write_all(writes).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Record>, StoreError> {
        let Some(range) = range::Range::of(query) else {
            return Ok(Vec::new());
        };
        let (partition, sort) = if query.index {
            let (_, partition, sort) = item::index(query.table)?;
            (partition, sort)
        } else {
            (super::PARTITION, super::SORT)
        };
        let request = QueryInputBuilder::default()
            .table_name(self.names.of(query.table))
            .set_index_name(if query.index {
                Some(item::index(query.table)?.0.to_owned())
            } else {
                None
            })
            .consistent_read(!query.index)
            .scan_index_forward(!query.descending)
            .key_condition_expression(range.expression())
            .expression_attribute_names("#pk", partition)
            .expression_attribute_values(":pk", AttributeValue::S(query.partition.clone()));
        let request = range
            .values()
            .into_iter()
            .fold(request, |request, (name, value)| {
                request.expression_attribute_values(name, AttributeValue::S(value.to_owned()))
            });
        let request = if range.is_everything() {
            request
        } else {
            request.expression_attribute_names("#sk", sort)
        };

        let mut records: Vec<Record> = Vec::new();
        let mut start: Option<Item> = None;
        while records.len() < query.limit {
            // The range may take in one record that is not wanted, at the end where the listing begins.
            let page = (query.limit - records.len()).saturating_add(1);
            let request = request
                .clone()
                .set_limit(i32::try_from(page).ok())
                .set_exclusive_start_key(start);
            let answer = self.calls.query(request).await?;
            for item in answer.items.unwrap_or_default() {
                let record = item::parse(query.table, item)?;
                if records.len() < query.limit && range::wanted(query, &record) {
                    records.push(record);
                }
            }
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                break;
            }
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests;
