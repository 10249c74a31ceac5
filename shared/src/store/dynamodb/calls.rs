//! The calls that the store makes of DynamoDB, and who can make them.

use super::super::StoreError;
use super::item::Item;
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::{
        batch_get_item::BatchGetItemOutput,
        query::{QueryOutput, builders::QueryInputBuilder},
    },
    types::{CancellationReason, KeysAndAttributes, TransactWriteItem},
};
use std::{collections::HashMap, fmt};

/// DynamoDB, as far as the store asks it for anything. In a deployment the SDK is the way there ([`Sdk`](super::sdk::Sdk));
/// an engine in the same process can be asked without it. All that the answers mean is the store's own affair.
#[async_trait]
pub(in super::super) trait Calls: fmt::Debug + Send + Sync {
    /// A consistent read of one item.
    async fn get_item(&self, table: &str, key: Item) -> Result<Option<Item>, StoreError>;

    /// One attempt at a batched read.
    async fn batch_get_item(
        &self,
        wanted: HashMap<String, KeysAndAttributes>,
    ) -> Result<BatchGetItemOutput, StoreError>;

    /// Carries out all `items`, at least one of them and no key twice, or none.
    async fn write(&self, items: Vec<TransactWriteItem>) -> Result<(), Refusal>;

    /// One page.
    async fn query(&self, query: QueryInputBuilder) -> Result<QueryOutput, StoreError>;
}

/// Why nothing was written, as far as can be told.
#[derive(Debug)]
pub(in super::super) struct Refusal {
    /// One reason for each item, where conditions stood in the way; otherwise what went wrong.
    pub(in super::super) why: Result<Vec<CancellationReason>, StoreError>,
    /// The operation of which an earlier attempt ended without an answer. It may have done its work.
    pub(in super::super) lost: Option<&'static str>,
}
