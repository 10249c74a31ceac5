//! Conditional writes, alone and in sets.

use super::super::{Condition, Key, Record, StoreError, Write};
use super::{DynamoDb, condition::Expression, failure, item};
use aws_sdk_dynamodb::{
    error::BuildError,
    types::{
        CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem,
    },
};

impl DynamoDb {
    pub(super) async fn write_all(&self, writes: &[Write]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Err(failure::unusable("an empty set of writes"));
        }
        // A check of nothing is no part of the set; those that are keep their places in it.
        let (places, items): (Vec<usize>, Vec<TransactWriteItem>) = writes
            .iter()
            .enumerate()
            .filter(|(_, write)| !matches!(write, Write::Check(_, Condition::Always)))
            .map(|(place, write)| Ok((place, self.transact_item(write)?)))
            .collect::<Result<_, StoreError>>()?;
        if items.is_empty() {
            return Ok(());
        }
        let Err(refusal) = self.calls.write(items).await else {
            return Ok(());
        };
        let outcome = match refusal.why {
            Ok(reasons) => judge(writes, &places, &reasons),
            Err(error) => Err(error),
        };
        outcome.map_err(|error| match (error, refusal.lost) {
            (StoreError::Unavailable(cause), _) => StoreError::Unavailable(cause),
            (_, Some(operation)) => failure::lost(operation),
            (error, None) => error,
        })
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
