//! The calls by way of the SDK, which repeats an attempt that failed on the way.

use super::super::StoreError;
use super::{
    calls::{Calls, Refusal},
    failure,
    item::Item,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
    operation::{
        batch_get_item::BatchGetItemOutput,
        delete_item::DeleteItemError,
        put_item::PutItemError,
        query::{QueryOutput, builders::QueryInputBuilder},
        transact_write_items::TransactWriteItemsError,
    },
    types::{CancellationReason, Delete, KeysAndAttributes, Put, TransactWriteItem},
};
use std::{
    collections::HashMap,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A client of the SDK, which [`client_config`](super::client_config) has configured.
#[derive(Clone, Debug)]
pub(in super::super) struct Sdk(pub(in super::super) Client);

#[async_trait]
impl Calls for Sdk {
    async fn get_item(&self, table: &str, key: Item) -> Result<Option<Item>, StoreError> {
        let request = self.0.get_item().table_name(table).set_key(Some(key));
        let answer = request.consistent_read(true).send().await;
        answer
            .map(|answer| answer.item)
            .map_err(|error| failure::of("GetItem", &error))
    }

    async fn batch_get_item(
        &self,
        wanted: HashMap<String, KeysAndAttributes>,
    ) -> Result<BatchGetItemOutput, StoreError> {
        let request = self.0.batch_get_item().set_request_items(Some(wanted));
        let answer = request.send().await;
        answer.map_err(|error| failure::of("BatchGetItem", &error))
    }

    /// A lone `Put` or `Delete` is an operation of its own, for half the price.
    async fn write(&self, mut items: Vec<TransactWriteItem>) -> Result<(), Refusal> {
        if let [item] = &mut items[..] {
            if let Some(put) = item.put.take() {
                return self.put_item(put).await;
            }
            if let Some(delete) = item.delete.take() {
                return self.delete_item(delete).await;
            }
        }
        self.transact_write_items(items).await
    }

    async fn query(&self, query: QueryInputBuilder) -> Result<QueryOutput, StoreError> {
        let answer = query.send_with(&self.0).await;
        answer.map_err(|error| failure::of("Query", &error))
    }
}

impl Sdk {
    async fn put_item(&self, put: Put) -> Result<(), Refusal> {
        let lost = LostAttempt::default();
        let request = self
            .0
            .put_item()
            .table_name(put.table_name)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_names(put.expression_attribute_names)
            .set_expression_attribute_values(put.expression_attribute_values)
            .set_return_values_on_condition_check_failure(put.return_values_on_condition_check_failure);
        let answer = request.customize().interceptor(lost.clone()).send().await;
        let refused = |error: &PutItemError| match error {
            PutItemError::ConditionalCheckFailedException(failed) => {
                Some(vec![condition_failed(failed.item.clone())])
            }
            _ => None,
        };
        answer
            .map(drop)
            .map_err(|error| lost.refusal("PutItem", &error, refused))
    }

    async fn delete_item(&self, delete: Delete) -> Result<(), Refusal> {
        let lost = LostAttempt::default();
        let request = self
            .0
            .delete_item()
            .table_name(delete.table_name)
            .set_key(Some(delete.key))
            .set_condition_expression(delete.condition_expression)
            .set_expression_attribute_names(delete.expression_attribute_names)
            .set_expression_attribute_values(delete.expression_attribute_values);
        let answer = request.customize().interceptor(lost.clone()).send().await;
        let refused = |error: &DeleteItemError| match error {
            DeleteItemError::ConditionalCheckFailedException(_) => Some(vec![condition_failed(None)]),
            _ => None,
        };
        answer
            .map(drop)
            .map_err(|error| lost.refusal("DeleteItem", &error, refused))
    }

    async fn transact_write_items(&self, items: Vec<TransactWriteItem>) -> Result<(), Refusal> {
        let lost = LostAttempt::default();
        let request = self.0.transact_write_items().set_transact_items(Some(items));
        let answer = request.customize().interceptor(lost.clone()).send().await;
        let refused = |error: &TransactWriteItemsError| match error {
            TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                Some(cancelled.cancellation_reasons().to_vec())
            }
            _ => None,
        };
        answer
            .map(drop)
            .map_err(|error| lost.refusal("TransactWriteItems", &error, refused))
    }
}

/// What a transaction says of an item whose condition does not hold.
fn condition_failed(found: Option<Item>) -> CancellationReason {
    CancellationReason::builder()
        .code("ConditionalCheckFailed")
        .set_item(found)
        .build()
}

/// Notes whether an attempt before the last one ended without an answer that tells its outcome.
#[derive(Clone, Debug, Default)]
struct LostAttempt(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    latest_lost: AtomicBool,
    earlier_lost: AtomicBool,
}

impl LostAttempt {
    /// What `error` comes to; `reasons` knows of conditions that did not hold.
    fn refusal<E>(
        &self,
        operation: &'static str,
        error: &SdkError<E>,
        reasons: impl FnOnce(&E) -> Option<Vec<CancellationReason>>,
    ) -> Refusal
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let reasons = error.as_service_error().and_then(reasons);
        Refusal {
            why: reasons.ok_or_else(|| failure::of(operation, error)),
            lost: self.0.earlier_lost.load(Ordering::Acquire).then_some(operation),
        }
    }
}

impl Intercept for LostAttempt {
    fn name(&self) -> &'static str {
        "LostAttempt"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.latest_lost.load(Ordering::Acquire) {
            self.0.earlier_lost.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answered = context
            .response()
            .is_some_and(|response| !response.status().is_server_error());
        self.0.latest_lost.store(!answered, Ordering::Release);
        Ok(())
    }
}
