//! Errors as ngrok renders them: a code, a status, a text, and details whose values are all texts.
//!
//! ngrok publishes the conditions of its 19xx codes but not their statuses; 400 stands for a request that must be
//! mended. Where it publishes no code for what happened, there is none in the body.

use crate::{resource::Resource, wire};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use countersign::{Error, refusal::Refusal};
use http::{HeaderValue, StatusCode, header};
use std::{collections::BTreeMap, time::Duration};

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: Option<u16>,
    msg: String,
    /// The path, in place of the operation's id: of a request that no route is for.
    path: Option<String>,
    retry_after: Option<Duration>,
    /// What the operator may read.
    cause: Option<String>,
    /// Whether the log of decisions has it already.
    pub(crate) is_logged: bool,
}

impl Failure {
    fn new(status: StatusCode, code: Option<u16>, msg: impl Into<String>) -> Self {
        Self {
            status,
            code,
            msg: msg.into(),
            path: None,
            retry_after: None,
            cause: None,
            is_logged: false,
        }
    }

    /// 400 with `code`: the caller mends the request.
    pub(crate) fn invalid(code: u16, msg: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Some(code), msg)
    }

    /// 400 for the value of one field.
    pub(crate) fn field(field: &str, reason: impl std::fmt::Display) -> Self {
        Self::invalid(
            215,
            format!("The value of the field '{field}' is invalid: {reason}."),
        )
    }

    /// 403 with `code`.
    pub(crate) fn forbidden(code: u16, msg: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Some(code), msg)
    }

    /// 415 with `code`.
    pub(crate) fn content_type(code: u16, msg: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Some(code), msg)
    }

    /// 404 of a resource.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, None, "Resource not found")
    }

    /// 404 of a request that no route is for, the method included.
    pub(crate) fn no_route(path: &str) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..Self::new(StatusCode::NOT_FOUND, None, "Not Found")
        }
    }

    /// The error of a create whose authority is not there.
    pub(crate) fn no_authority(resource: Resource) -> Self {
        let msg = "The SSH certificate authority does not exist.";
        Self::new(StatusCode::BAD_REQUEST, resource.no_authority_code(), msg)
    }

    /// 409 of an authority that others sign with.
    pub(crate) fn in_use(users: &[String]) -> Self {
        let users = users.join(", ");
        let msg = format!(
            "This SSH certificate authority cannot be deleted, since it is used by {users}. Remove it there first."
        );
        Self::new(StatusCode::CONFLICT, None, msg)
    }

    /// What the core said, about a `resource`.
    pub(crate) fn of(error: Error, resource: Resource) -> Self {
        let cause = error.chain();
        let mut failure = Self::render(error, resource);
        failure.cause = Some(cause);
        failure
    }

    fn render(error: Error, resource: Resource) -> Self {
        match error {
            Error::Conflict(text) => Self::new(StatusCode::CONFLICT, None, sentence(&text)),
            Error::Internal(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                None,
                "An internal error occurred.",
            ),
            Error::InvalidRequest { field, reason } => Self::field(field, reason),
            Error::NotFound(_) => Self::not_found(),
            Error::PermissionDenied => {
                Self::forbidden(204, "The policies of this credential do not allow this request.")
            }
            Error::Refused(refusal) => Self::refused(&refusal, resource),
            Error::Throttled { retry_after } => Self {
                retry_after,
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    Some(226),
                    "Too many requests. Try again later.",
                )
            },
            Error::Unauthenticated => Self::forbidden(
                203,
                "The credential is not known: it was never issued, has expired or was revoked.",
            ),
            Error::Unavailable(_) => Self {
                retry_after: Some(Duration::from_secs(1)),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    None,
                    "A service that this request needs is unavailable. Try again.",
                )
            },
        }
    }

    fn refused(refusal: &Refusal, resource: Resource) -> Self {
        match refusal {
            Refusal::AlreadyExpired | Refusal::TtlTooLong(_) | Refusal::Validity(_) => {
                Self::invalid(resource.duration_code(), sentence(&refusal.to_string()))
            }
            Refusal::SubjectKeyKind(_) | Refusal::SubjectKeySize(..) => {
                Self::invalid(1950, sentence(&refusal.to_string()))
            }
            Refusal::CriticalOptions(_)
            | Refusal::CriticalOptionsNotAllowed(_)
            | Refusal::HostCriticalOptions(_)
            | Refusal::OptionValueNotAllowed(_)
            | Refusal::SourceAddress(_)
            | Refusal::VerifyRequiredNeedsSecurityKey => Self::field("critical_options", refusal),
            Refusal::Extensions(_) | Refusal::ExtensionsNotAllowed(_) => Self::field("extensions", refusal),
            Refusal::PrincipalNotAllowed(_) | Refusal::Principals(_) | Refusal::PrincipalsNotConfigured => {
                Self::field("principals", refusal)
            }
            // The key id is the resource's id, and the type is the route's: neither is the caller's to mend.
            Refusal::CertTypeNotAllowed(_) | Refusal::KeyId(_) | Refusal::KeyIdNotAllowed => {
                Self::invalid(215, sentence(&refusal.to_string()))
            }
        }
    }

    /// The same failure, which the log of decisions has already.
    #[must_use]
    pub(crate) fn logged(mut self) -> Self {
        self.is_logged = true;
        self
    }

    /// The number in its code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> Option<u16> {
        self.code
    }

    /// One word for the log of decisions.
    pub(crate) fn kind(&self) -> &'static str {
        match (self.status, self.code) {
            (StatusCode::FORBIDDEN, Some(204)) => "permission_denied",
            (StatusCode::FORBIDDEN, _) => "unauthenticated",
            (StatusCode::NOT_FOUND, _) => "not_found",
            (StatusCode::CONFLICT, _) => "conflict",
            (StatusCode::TOO_MANY_REQUESTS, _) => "throttled",
            (StatusCode::SERVICE_UNAVAILABLE, _) => "unavailable",
            (status, _) if status.is_server_error() => "internal",
            _ => "invalid_request",
        }
    }

    /// Why, for the log of decisions.
    pub(crate) fn reason(&self) -> String {
        self.cause.clone().unwrap_or_else(|| self.msg.clone())
    }

    /// The response to the operation with `operation_id`.
    pub(crate) fn into_response(self, operation_id: &str) -> Response {
        let (name, value) = match self.path {
            Some(path) => ("path", path),
            None => ("operation_id", operation_id.to_owned()),
        };
        let body = wire::Error {
            error_code: self.code.map(|code| format!("ERR_NGROK_{code}")),
            status_code: self.status.as_u16(),
            msg: self.msg,
            details: BTreeMap::from([(name.to_owned(), value)]),
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            let secs = wait.as_secs().max(1);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}

/// `text` as a sentence: the core's texts are parts of one.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    async fn answer(failure: Failure) -> (u16, Option<String>, Value) {
        let response = failure.into_response("opid");
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .map(|secs| secs.to_str().expect("a number").to_owned());
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("it is whole");
        (status, retry_after, serde_json::from_slice(&body).expect("JSON"))
    }

    fn body(code: Option<u16>, status: u16, msg: &str) -> Value {
        let mut body = json!({"status_code": status, "msg": msg, "details": {"operation_id": "opid"}});
        if let Some(code) = code {
            body["error_code"] = format!("ERR_NGROK_{code}").into();
        }
        body
    }

    /// What the caller reads, and what only the log says.
    #[tokio::test]
    async fn every_error_of_the_core_has_its_status_its_body_and_its_line_in_the_log() {
        let unavailable = "a service that this request needs is unavailable; try again: the store is down";
        let policies = "The policies of this credential do not allow this request.";
        let unknown = "The credential is not known: it was never issued, has expired or was revoked.";
        let down = "A service that this request needs is unavailable. Try again.";
        let field = "The value of the field 'ttl' is invalid: too long.";
        let many = "too many requests; try again later";
        let cases = [
            (
                Error::Conflict("ärger".into()),
                409,
                None,
                "Ärger.",
                "conflict",
                "ärger",
            ),
            (
                Error::internal("a secret cause"),
                500,
                None,
                "An internal error occurred.",
                "internal",
                "internal error: a secret cause",
            ),
            (
                Error::invalid("ttl", "too long"),
                400,
                Some(215),
                field,
                "invalid_request",
                "ttl: too long",
            ),
            (
                Error::NotFound("x".into()),
                404,
                None,
                "Resource not found",
                "not_found",
                "x",
            ),
            (
                Error::PermissionDenied,
                403,
                Some(204),
                policies,
                "permission_denied",
                "permission denied",
            ),
            (
                Error::Refused(Refusal::TtlTooLong(60)),
                400,
                Some(1962),
                "The lifetime is longer than the allowed 60 seconds.",
                "invalid_request",
                "the lifetime is longer than the allowed 60 seconds",
            ),
            (
                Error::Throttled { retry_after: None },
                429,
                Some(226),
                "Too many requests. Try again later.",
                "throttled",
                many,
            ),
            (
                Error::Unauthenticated,
                403,
                Some(203),
                unknown,
                "unauthenticated",
                "authentication failed",
            ),
            (
                Error::unavailable("the store is down"),
                503,
                None,
                down,
                "unavailable",
                unavailable,
            ),
        ];
        for (error, status, code, msg, kind, reason) in cases {
            let failure = Failure::of(error, Resource::UserCertificate);
            assert_eq!((failure.kind(), failure.reason().as_str()), (kind, reason));
            let retry_after = (status == 503).then(|| "1".to_owned());
            assert_eq!(
                answer(failure).await,
                (status, retry_after, body(code, status, msg))
            );
        }
        let wait = |secs| Error::Throttled {
            retry_after: Some(Duration::from_secs(secs)),
        };
        for (secs, header) in [(0, "1"), (7, "7")] {
            let failure = Failure::of(wait(secs), Resource::Authority);
            assert_eq!(answer(failure).await.1.as_deref(), Some(header));
        }
    }

    #[tokio::test]
    async fn a_request_without_a_route_is_told_its_path() {
        let failure = Failure::no_route("/x");
        assert_eq!(
            (failure.kind(), failure.reason().as_str()),
            ("not_found", "Not Found")
        );
        let expected = json!({"status_code": 404, "msg": "Not Found", "details": {"path": "/x"}});
        assert_eq!(answer(failure).await, (404, None, expected));
    }

    #[test]
    fn what_has_no_word_of_its_own_is_the_request_s_fault() {
        assert_eq!(Failure::content_type(1, "x").kind(), "invalid_request");
        assert!(!Failure::not_found().is_logged);
        assert!(Failure::not_found().logged().is_logged);
    }
}
