//! Conditional writes, alone and in sets.

use super::super::{Condition, Key, Record, StoreError, Write};
use super::{DynamoDb, condition::Expression, failure, item};
use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
    },
    error::{BoxError, BuildError, SdkError},
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError, transact_write_items::TransactWriteItemsError,
    },
    types::{
        CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem,
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

impl DynamoDb {
    pub(super) async fn put(&self, record: &Record, condition: Condition) -> Result<(), StoreError> {
        const OPERATION: &str = "PutItem";
        let lost = LostAttempt::default();
        let Expression { text, names, values } = condition.into();
        let answer = self
            .client
            .put_item()
            .table_name(self.names.of(record.key.table))
            .set_item(Some(item::render(record)?))
            .set_condition_expression(text.map(Into::into))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .customize()
            .interceptor(lost.clone())
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        if let SdkError::ServiceError(service) = &error
            && let PutItemError::ConditionalCheckFailedException(failed) = service.err()
        {
            if is_own(record, failed.item.as_ref()) {
                return Ok(());
            }
            return Err(lost.end(OPERATION, StoreError::ConditionFailed(0)));
        }
        Err(lost.end(OPERATION, failure::of(OPERATION, &error)))
    }

    pub(super) async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        const OPERATION: &str = "DeleteItem";
        let lost = LostAttempt::default();
        let Expression { text, names, values } = condition.into();
        let answer = self
            .client
            .delete_item()
            .table_name(self.names.of(key.table))
            .set_key(Some(item::key(key)))
            .set_condition_expression(text.map(Into::into))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .customize()
            .interceptor(lost.clone())
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        let meaning = match &error {
            SdkError::ServiceError(service)
                if matches!(service.err(), DeleteItemError::ConditionalCheckFailedException(_)) =>
            {
                StoreError::ConditionFailed(0)
            }
            error => failure::of(OPERATION, error),
        };
        Err(lost.end(OPERATION, meaning))
    }

    pub(super) async fn transact(&self, writes: &[Write]) -> Result<(), StoreError> {
        const OPERATION: &str = "TransactWriteItems";
        if writes.is_empty() {
            return Err(failure::unusable("an empty set of writes"));
        }
        // A check of nothing is no part of a transaction; those that are keep their places in the set.
        let (places, items): (Vec<usize>, Vec<TransactWriteItem>) = writes
            .iter()
            .enumerate()
            .filter(|(_, write)| !matches!(write, Write::Check(_, Condition::Always)))
            .map(|(place, write)| Ok((place, self.transact_item(write)?)))
            .collect::<Result<_, StoreError>>()?;
        if items.is_empty() {
            return Ok(());
        }
        let lost = LostAttempt::default();
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .customize()
            .interceptor(lost.clone())
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        if let SdkError::ServiceError(service) = &error
            && let TransactWriteItemsError::TransactionCanceledException(cancelled) = service.err()
        {
            let outcome = judge(writes, &places, cancelled.cancellation_reasons());
            return outcome.map_err(|error| lost.end(OPERATION, error));
        }
        Err(lost.end(OPERATION, failure::of(OPERATION, &error)))
    }

    fn transact_item(&self, write: &Write) -> Result<TransactWriteItem, StoreError> {
        let item = TransactWriteItem::builder();
        let item = match write {
            Write::Check(key, condition) => item.condition_check(self.check(key, *condition)?),
            Write::Delete(key, condition) => {
                let Expression { text, names, values } = (*condition).into();
                let delete = Delete::builder()
                    .table_name(self.names.of(key.table))
                    .set_key(Some(item::key(key)))
                    .set_condition_expression(text.map(Into::into))
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                item.delete(delete.build().map_err(failure::unusable)?)
            }
            Write::Put(record, condition) => {
                let Expression { text, names, values } = (*condition).into();
                let put = Put::builder()
                    .table_name(self.names.of(record.key.table))
                    .set_item(Some(item::render(record)?))
                    .set_condition_expression(text.map(Into::into))
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
                item.put(put.build().map_err(failure::unusable)?)
            }
        };
        Ok(item.build())
    }

    fn check(&self, key: &Key, condition: Condition) -> Result<ConditionCheck, StoreError> {
        let Expression { text, names, values } = condition.into();
        ConditionCheck::builder()
            .table_name(self.names.of(key.table))
            .set_key(Some(item::key(key)))
            .set_condition_expression(text.map(Into::into))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error: BuildError| failure::unusable(error))
    }
}

/// What it means that the set of `writes` was cancelled for `reasons`, one for each of `places`.
fn judge(writes: &[Write], places: &[usize], reasons: &[CancellationReason]) -> Result<(), StoreError> {
    let mut first_own = None;
    let mut all_in_place = reasons.len() == places.len();
    for (&place, reason) in places.iter().zip(reasons) {
        match (&writes[place], reason.code().unwrap_or("None")) {
            (Write::Check(..), "None") => {}
            (_, "None") => all_in_place = false,
            (Write::Put(record, _), "ConditionalCheckFailed") if is_own(record, reason.item()) => {
                first_own.get_or_insert(place);
            }
            (_, "ConditionalCheckFailed") => return Err(StoreError::ConditionFailed(place)),
            // A condition further on may have failed too, but this one was not judged: there is no first failure.
            (_, code) => return Err(failure::of_reason("TransactWriteItems", code)),
        }
    }
    match first_own {
        Some(_) if all_in_place => Ok(()),
        Some(place) => Err(StoreError::ConditionFailed(place)),
        None => Err(failure::unusable(
            "a transaction was cancelled for no known reason",
        )),
    }
}

/// Whether `found`, which keeps `record` from being put, is that very record.
fn is_own(record: &Record, found: Option<&item::Item>) -> bool {
    found
        .is_some_and(|found| item::parse(record.key.table, found.clone()).is_ok_and(|found| found == *record))
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
    /// The end of a call that did not succeed: `error`, unless an attempt before it may have.
    fn end(&self, operation: &'static str, error: StoreError) -> StoreError {
        match error {
            StoreError::Unavailable(_) => error,
            _ if self.0.earlier_lost.load(Ordering::Acquire) => failure::lost(operation),
            _ => error,
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
