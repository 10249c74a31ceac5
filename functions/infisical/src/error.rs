//! The errors of this dialect, and what a domain error becomes in it.

use crate::{request::RequestId, validation::Issue};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use countersign::Error;
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use serde::Serialize;
use serde_json::{Value, json};

/// An answer other than 200. [`crate::request`] adds the id of the request to it.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    pub(crate) message: Value,
    /// The caller's rules that were looked at, in a refusal for lack of a right.
    pub(crate) details: Option<Box<Value>>,
    retry_after_secs: Option<u64>,
    /// What only the operator may read.
    cause: Option<Box<str>>,
}

impl Problem {
    /// Every status of a problem that the published schema knows, the two that the gateway's limits bring, and that of
    /// a service behind which does not answer.
    #[cfg(any(test, feature = "openapi"))]
    pub(crate) const STATUSES: [u16; 9] = [400, 401, 403, 404, 413, 422, 429, 500, 503];

    fn new(status: StatusCode, error: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            message: Value::String(message.into()),
            details: None,
            retry_after_secs: None,
            cause: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UnauthorizedError", message)
    }

    /// A token that is no good: 403, although an absent one is 401.
    pub(crate) fn token(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "TokenError", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "ForbiddenError", message)
    }

    /// A good token of a kind that the route at `path` does not take.
    pub(crate) fn wrong_kind(path: &str) -> Self {
        let error = format!("Forbidden access to {path}");
        Self::new(StatusCode::FORBIDDEN, error, NOT_ALLOWED)
    }

    /// A user's token without an organization.
    pub(crate) fn no_organization(path: &str) -> Self {
        let error = format!("{path} Unauthorized Access, no organization found in request");
        Self::new(StatusCode::UNAUTHORIZED, error, NOT_ALLOWED)
    }

    pub(crate) fn permission_denied(action: &str, subject: &str) -> Self {
        let message = format!("You are not allowed to {action} on {subject}");
        let mut problem = Self::new(StatusCode::FORBIDDEN, "PermissionDenied", message);
        // No built-in role takes a right away, so whoever lacks one has no rule about it either.
        problem.details = Some(Box::new(json!([])));
        problem
    }

    pub(crate) fn not_a_member(project_id: &str, kind: &str) -> Self {
        let message = format!(
            "You are not a member of this project with ID {project_id}. Please assign this {kind} to the project \
             with the appropriate permissions, then try again."
        );
        Self::new(StatusCode::FORBIDDEN, "ProjectMembershipNotFound", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(crate) fn validation(issues: Vec<Issue>) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "ValidationFailure", "");
        problem.message = Value::Array(issues.into_iter().map(Issue::into_value).collect());
        problem
    }

    pub(crate) fn too_large() -> Self {
        let message = "Request body is too large";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", message)
    }

    fn internal(cause: String) -> Self {
        let (error, message) = ("InternalServerError", "Something went wrong");
        let mut problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, message);
        problem.cause = Some(cause.into());
        problem
    }

    /// 503, where the original has its 500 for everything: the same request may succeed a moment later.
    fn unavailable(cause: String) -> Self {
        let message = "A service that this request needs is unavailable. Please try again";
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message);
        problem.retry_after_secs = Some(1);
        problem.cause = Some(cause.into());
        problem
    }

    fn throttled(retry_after_secs: u64) -> Self {
        let message = format!("Rate limit exceeded. Please try again in {retry_after_secs} seconds");
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "RateLimitExceeded", message);
        problem.retry_after_secs = Some(retry_after_secs);
        problem
    }

    /// One word for the log.
    pub(crate) fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "unauthenticated",
            StatusCode::FORBIDDEN => "permission_denied",
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::TOO_MANY_REQUESTS => "throttled",
            StatusCode::INTERNAL_SERVER_ERROR => "internal",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            _ => "invalid_request",
        }
    }

    /// Why, for the log.
    pub(crate) fn reason(&self) -> String {
        match (&self.cause, &self.message) {
            (Some(cause), _) => cause.to_string(),
            (None, Value::String(message)) => message.clone(),
            (None, issues) => issues.to_string(),
        }
    }

    /// The answer, with the id by which the caller can ask about it.
    pub(crate) fn render(self, id: &RequestId) -> Response {
        if let Some(cause) = self.cause.as_deref() {
            tracing::error!(request_id = %id, cause, "a request failed");
        }
        let body = Body {
            req_id: id.as_str(),
            status_code: self.status.as_u16(),
            message: &self.message,
            error: &self.error,
            details: self.details.as_deref(),
        };
        let mut response = (self.status, crate::request::JSON, Json(body)).into_response();
        if let Some(secs) = self.retry_after_secs {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}

/// The text of a refusal about which nothing more is said.
const NOT_ALLOWED: &str = "You are not allowed to access this resource";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    req_id: &'a str,
    status_code: u16,
    message: &'a Value,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
}

/// Carries the problem to the layer that knows the id of the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match &error {
            Error::Conflict(_) | Error::InvalidRequest { .. } | Error::Refused(_) => {
                Self::bad_request(error.to_string())
            }
            Error::Internal(_) => Self::internal(error.chain()),
            Error::NotFound(text) => Self::not_found(text.clone()),
            Error::PermissionDenied => {
                let mut problem = Self::new(StatusCode::FORBIDDEN, "PermissionDenied", NOT_ALLOWED);
                problem.details = Some(Box::new(json!([])));
                problem
            }
            // The original names a number of seconds; without one from the store, a second is the least.
            Error::Throttled { retry_after } => {
                Self::throttled(retry_after.map_or(1, |wait| wait.as_secs().max(1)))
            }
            Error::Unauthenticated => Self::unauthorized("Invalid credentials"),
            Error::Unavailable(_) => Self::unavailable(error.chain()),
        }
    }
}

impl From<countersign::store::StoreError> for Problem {
    fn from(error: countersign::store::StoreError) -> Self {
        Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign::refusal::Refusal;
    use std::time::Duration;

    /// What the caller reads, and what only the log says.
    #[test]
    fn every_error_of_the_core_has_its_status_its_words_and_its_line_in_the_log() {
        let wrong = "Something went wrong";
        let unavailable = "a service that this request needs is unavailable; try again: the store is down";
        let limit = "Rate limit exceeded. Please try again in 1 seconds";
        let bad = "invalid_request";
        let cases = [
            (
                Error::Conflict("taken".into()),
                400,
                "BadRequest",
                "taken",
                bad,
                "taken",
            ),
            (
                Error::internal("a secret cause"),
                500,
                "InternalServerError",
                wrong,
                "internal",
                "internal error: a secret cause",
            ),
            (
                Error::invalid("ttl", "too long"),
                400,
                "BadRequest",
                "ttl: too long",
                bad,
                "ttl: too long",
            ),
            (
                Error::NotFound("no host".into()),
                404,
                "NotFound",
                "no host",
                "not_found",
                "no host",
            ),
            (
                Error::PermissionDenied,
                403,
                "PermissionDenied",
                NOT_ALLOWED,
                "permission_denied",
                NOT_ALLOWED,
            ),
            (
                Error::Refused(Refusal::KeyIdNotAllowed),
                400,
                "BadRequest",
                "this key id is not allowed",
                bad,
                "this key id is not allowed",
            ),
            (
                Error::Throttled { retry_after: None },
                429,
                "RateLimitExceeded",
                limit,
                "throttled",
                limit,
            ),
            (
                Error::Unauthenticated,
                401,
                "UnauthorizedError",
                "Invalid credentials",
                "unauthenticated",
                "Invalid credentials",
            ),
            (
                Error::unavailable("the store is down"),
                503,
                "ServiceUnavailable",
                "A service that this request needs is unavailable. Please try again",
                "unavailable",
                unavailable,
            ),
        ];
        for (error, status, name, message, kind, reason) in cases {
            let problem = Problem::from(error);
            assert_eq!(
                (problem.status.as_u16(), problem.error.as_str(), &problem.message),
                (status, name, &Value::from(message))
            );
            assert_eq!((problem.kind(), problem.reason().as_str()), (kind, reason));
            assert_eq!(problem.details.is_some(), name == "PermissionDenied");
            let may_try_again = matches!(status, 429 | 503);
            assert_eq!(problem.retry_after_secs, may_try_again.then_some(1));
        }
        for (wait, secs) in [(0, 1), (7, 7)] {
            let retry_after = Some(Duration::from_secs(wait));
            let problem = Problem::from(Error::Throttled { retry_after });
            assert_eq!(problem.retry_after_secs, Some(secs));
        }
    }

    #[test]
    fn the_log_says_all_that_is_wrong_with_a_body() {
        let problem = Problem::validation(vec![Issue::custom(&["ttl".into()], "too long")]);
        assert_eq!(problem.kind(), "invalid_request");
        assert_eq!(
            problem.reason(),
            r#"[{"code":"custom","message":"too long","path":["ttl"]}]"#
        );
    }
}
