//! What a failed call of KMS means.

use crate::{error::chain, signer::SignerError};
use aws_sdk_kms::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use std::{error::Error as StdError, fmt};

/// A failed call, for the log: its action, and what KMS or the connection said. Requests and answers, which can hold
/// keys and secrets, are left out.
#[derive(Debug)]
pub(super) struct KmsFailure {
    action: &'static str,
    detail: String,
}

impl fmt::Display for KmsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.detail)
    }
}

impl StdError for KmsFailure {}

/// Sorts the failure of `action`.
pub(super) fn failed<E>(action: &'static str, error: SdkError<E, HttpResponse>) -> SignerError
where
    E: ProvideErrorMetadata + RequestId + StdError + 'static,
{
    let SdkError::ServiceError(context) = &error else {
        let failure = KmsFailure {
            action,
            detail: chain(&error),
        };
        return match error {
            SdkError::ConstructionFailure(_) => SignerError::KeyUnusable(failure.into()),
            _ => SignerError::Unavailable(failure.into()),
        };
    };
    let answer = context.err();
    let code = answer.code().unwrap_or("no code");
    let detail = format!(
        "{code}: {} (request {})",
        answer.message().unwrap_or("no message"),
        answer.request_id().unwrap_or("without id")
    );
    match (code, context.raw().status().as_u16()) {
        ("ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded", _)
        | (_, 429) => SignerError::Throttled,
        // Credentials that were right when the process started: the next one has new ones.
        ("ExpiredTokenException", _)
        | ("DependencyTimeoutException" | "KMSInternalException" | "KeyUnavailableException", _)
        | (_, 500..) => SignerError::Unavailable(KmsFailure { action, detail }.into()),
        // Disabled, gone, denied, of another kind: only the operator can mend it.
        _ => SignerError::KeyUnusable(KmsFailure { action, detail }.into()),
    }
}

/// An answer of `action` that lacks what the API promises.
pub(super) fn incomplete(action: &'static str) -> SignerError {
    SignerError::Unavailable(
        KmsFailure {
            action,
            detail: "the answer is incomplete".into(),
        }
        .into(),
    )
}
