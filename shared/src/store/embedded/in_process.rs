//! The calls to the embedded engine without the SDK.
//!
//! Most of what a call costs by way of the SDK is the SDK: the request as JSON and back, its signature, its endpoint, its
//! interceptors. Here the engine gets the same request in its own types. No attempt gets lost on the way.

use super::{
    super::{
        StoreError,
        dynamodb::{
            calls::{Calls, Refusal},
            failure,
            item::Item,
            sdk::Sdk,
        },
    },
    Engine,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::{
        batch_get_item::BatchGetItemOutput,
        query::{QueryOutput, builders::QueryInputBuilder},
    },
    types::{
        AttributeValue, CancellationReason, ConditionCheck, Delete, KeysAndAttributes, Put, TransactWriteItem,
    },
};
use dynoxide::{
    DynoxideError,
    actions::{batch_get_item, get_item, transact_write_items as transaction},
    types as engine,
};
use std::collections::HashMap;

/// The engine, asked in its own types.
///
/// A read or a write blocks the thread that asks, while another is under way and while a file is synced: that is for a
/// thread that may, as [`Gathering`](super::super::gathering::Gathering) has one. A listing goes by way of the SDK, which
/// sees to the thread: beside what a listing takes, the SDK costs little.
#[derive(Debug)]
pub(super) struct InProcess {
    pub(super) engine: Engine,
    pub(super) sdk: Sdk,
}

#[async_trait]
impl Calls for InProcess {
    async fn get_item(&self, table: &str, key: Item) -> Result<Option<Item>, StoreError> {
        let request = get_item::GetItemRequest {
            table_name: table.to_owned(),
            key: to_engine(key)?,
            ..Default::default()
        };
        let answer = self.engine.database.get_item(request);
        let answer = answer.map_err(|error| meaning("GetItem", &error))?;
        answer.item.map(of_engine).transpose()
    }

    async fn batch_get_item(
        &self,
        wanted: HashMap<String, KeysAndAttributes>,
    ) -> Result<BatchGetItemOutput, StoreError> {
        let mut request = batch_get_item::BatchGetItemRequest::default();
        for (table, wanted) in wanted {
            let keys = wanted.keys.into_iter().map(to_engine);
            // The engine has one state: every read is consistent.
            let keys = batch_get_item::KeysAndAttributes {
                keys: keys.collect::<Result<_, _>>()?,
                ..Default::default()
            };
            request.request_items.insert(table, keys);
        }
        let answer = self.engine.database.batch_get_item(request);
        let answer = answer.map_err(|error| meaning("BatchGetItem", &error))?;
        let mut output = BatchGetItemOutput::builder();
        for (table, items) in answer.responses {
            output = output.responses(table, items.into_iter().map(of_engine).collect::<Result<_, _>>()?);
        }
        for (table, left) in answer.unprocessed_keys {
            let left: batch_get_item::KeysAndAttributes =
                serde_json::from_value(left).map_err(failure::unusable)?;
            let keys = left.keys.into_iter().map(of_engine);
            let keys = KeysAndAttributes::builder().set_keys(Some(keys.collect::<Result<_, _>>()?));
            output = output.unprocessed_keys(table, keys.build().map_err(failure::unusable)?);
        }
        Ok(output.build())
    }

    async fn write(&self, items: Vec<TransactWriteItem>) -> Result<(), Refusal> {
        self.transact(items).map_err(|why| Refusal { why, lost: None })
    }

    async fn query(&self, query: QueryInputBuilder) -> Result<QueryOutput, StoreError> {
        self.sdk.query(query).await
    }
}

impl InProcess {
    fn transact(
        &self,
        items: Vec<TransactWriteItem>,
    ) -> Result<(), Result<Vec<CancellationReason>, StoreError>> {
        let items = items.into_iter().map(action).collect::<Result<_, _>>();
        let request = transaction::TransactWriteItemsRequest {
            transact_items: items.map_err(Err)?,
            ..Default::default()
        };
        let items = request.transact_items.len();
        match self.engine.database.transact_write_items(request) {
            Ok(_) => {
                if let Some(checkpoints) = &self.engine.checkpoints {
                    checkpoints.note(items);
                }
                Ok(())
            }
            Err(DynoxideError::TransactionCanceledException(_, reasons)) => {
                Err(reasons.into_iter().map(reason).collect())
            }
            Err(error) => Err(Err(meaning("TransactWriteItems", &error))),
        }
    }
}

/// One action of a transaction, in the engine's types.
fn action(item: TransactWriteItem) -> Result<transaction::TransactWriteItem, StoreError> {
    Ok(transaction::TransactWriteItem {
        condition_check: item.condition_check.map(condition_check).transpose()?,
        delete: item.delete.map(delete).transpose()?,
        put: item.put.map(put).transpose()?,
        update: None, // the store has none
    })
}

fn condition_check(check: ConditionCheck) -> Result<transaction::TransactConditionCheck, StoreError> {
    Ok(transaction::TransactConditionCheck {
        table_name: check.table_name,
        key: to_engine(check.key)?,
        condition_expression: check.condition_expression,
        expression_attribute_names: check.expression_attribute_names,
        expression_attribute_values: check.expression_attribute_values.map(to_engine).transpose()?,
        return_values_on_condition_check_failure: None,
    })
}

fn delete(delete: Delete) -> Result<transaction::TransactDelete, StoreError> {
    Ok(transaction::TransactDelete {
        table_name: delete.table_name,
        key: to_engine(delete.key)?,
        condition_expression: delete.condition_expression,
        expression_attribute_names: delete.expression_attribute_names,
        expression_attribute_values: delete.expression_attribute_values.map(to_engine).transpose()?,
        return_values_on_condition_check_failure: None,
    })
}

fn put(put: Put) -> Result<transaction::TransactPut, StoreError> {
    let found = put.return_values_on_condition_check_failure;
    Ok(transaction::TransactPut {
        table_name: put.table_name,
        item: to_engine(put.item)?,
        condition_expression: put.condition_expression,
        expression_attribute_names: put.expression_attribute_names,
        expression_attribute_values: put.expression_attribute_values.map(to_engine).transpose()?,
        return_values_on_condition_check_failure: found.map(|found| found.as_str().to_owned()),
    })
}

/// Why an action stood in the way, in the SDK's types.
fn reason(given: dynoxide::errors::CancellationReason) -> Result<CancellationReason, StoreError> {
    let found = given.item.map(of_engine).transpose()?;
    Ok(CancellationReason::builder()
        .code(given.code)
        .set_message(given.message)
        .set_item(found)
        .build())
}

/// What the engine's `error` means to a store: the same as DynamoDB's of that name.
fn meaning(operation: &'static str, error: &DynoxideError) -> StoreError {
    let name = error.error_type();
    let code = name.rsplit_once('#').map_or(name, |(_, code)| code);
    failure::of_answer(operation, code, &error.to_string(), error.status_code())
}

/// An item, a key or the values of an expression in the engine's types. The store's hold texts and numbers alone.
fn to_engine(item: Item) -> Result<engine::Item, StoreError> {
    let attribute = |(name, value)| match value {
        AttributeValue::N(number) => Ok((name, engine::AttributeValue::N(number))),
        AttributeValue::S(text) => Ok((name, engine::AttributeValue::S(text))),
        _ => Err(failure::unusable("an attribute is neither text nor a number")),
    };
    item.into_iter().map(attribute).collect()
}

/// The same from the engine's types.
fn of_engine(item: engine::Item) -> Result<Item, StoreError> {
    let attribute = |(name, value)| match value {
        engine::AttributeValue::N(number) => Ok((name, AttributeValue::N(number))),
        engine::AttributeValue::S(text) => Ok((name, AttributeValue::S(text))),
        _ => Err(failure::unusable("an attribute is neither text nor a number")),
    };
    item.into_iter().map(attribute).collect()
}
