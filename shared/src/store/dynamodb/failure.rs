//! What an AWS error means to the caller of a store.

use super::super::StoreError;
use crate::error::{Cause, chain};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::{error::Error, fmt};

/// So much of a service's message goes to the log.
const MESSAGE: usize = 300;

/// Why a call failed. Made of the names and messages alone: the SDK's own errors carry the raw answer along, and
/// with it the records in it.
#[derive(Debug)]
struct Failure {
    operation: &'static str,
    reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DynamoDB {}: {}", self.operation, self.reason)
    }
}

impl Error for Failure {}

/// A defect found on our side of the wire.
pub(in super::super) fn unusable(cause: impl Into<Cause>) -> StoreError {
    StoreError::Unusable(cause.into())
}

/// The outcome of a write of which nobody can tell whether it happened.
pub(super) fn lost(operation: &'static str) -> StoreError {
    let reason = "an earlier attempt was not answered, so its outcome is unknown".into();
    StoreError::Unavailable(Box::new(Failure { operation, reason }))
}

/// The meaning of `error` from `operation`.
pub(super) fn of<E>(operation: &'static str, error: &SdkError<E>) -> StoreError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let failure = |reason: String| Box::new(Failure { operation, reason });
    match error {
        SdkError::ConstructionFailure(_) => StoreError::Unusable(failure(chain(error))),
        SdkError::DispatchFailure(dispatch) if dispatch.is_user() => {
            StoreError::Unusable(failure(chain(error)))
        }
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("an error without a code");
            let message = service.err().message().unwrap_or_default();
            of_answer(operation, code, message, service.raw().status().as_u16())
        }
        SdkError::ResponseError(_) => StoreError::Unavailable(failure("the answer is unreadable".into())),
        _ => StoreError::Unavailable(failure(chain(error))),
    }
}

/// The meaning of an answer to `operation` with this HTTP status that is an error.
pub(in super::super) fn of_answer(
    operation: &'static str,
    code: &str,
    message: &str,
    status: u16,
) -> StoreError {
    let message: String = message.chars().take(MESSAGE).collect();
    meaning(code, status).error(Box::new(Failure {
        operation,
        reason: format!("{code}: {message}"),
    }))
}

/// The meaning of one reason for which a transaction was cancelled.
pub(super) fn of_reason(operation: &'static str, code: &str) -> StoreError {
    let meaning = match code {
        "ProvisionedThroughputExceeded" | "ThrottlingError" | "TransactionConflict" => Meaning::Throttled,
        _ => Meaning::Unusable,
    };
    meaning.error(Box::new(Failure {
        operation,
        reason: format!("cancelled for {code}"),
    }))
}

enum Meaning {
    Throttled,
    Unavailable,
    Unusable,
}

impl Meaning {
    fn error(self, failure: Box<Failure>) -> StoreError {
        match self {
            Self::Throttled => StoreError::Throttled,
            Self::Unavailable => StoreError::Unavailable(failure),
            Self::Unusable => StoreError::Unusable(failure),
        }
    }
}

fn meaning(code: &str, status: u16) -> Meaning {
    match code {
        "LimitExceededException"
        | "ProvisionedThroughputExceededException"
        | "ReplicatedWriteConflictException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "TransactionConflictException" => Meaning::Throttled,
        // Another attempt at the same transaction is still under way.
        "TransactionInProgressException" => Meaning::Unavailable,
        // The credentials were right when the process started, and outlived: the next one has new ones.
        "ExpiredTokenException" => Meaning::Unavailable,
        _ => match status {
            429 => Meaning::Throttled,
            400..=407 | 409..=499 => Meaning::Unusable,
            // A server error, or no error at all but nothing that can be read: something on the way answered.
            _ => Meaning::Unavailable,
        },
    }
}
