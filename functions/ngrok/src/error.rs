//! Errors as ngrok renders them: a code, a status, a text, and details whose values are all texts.
//!
//! ngrok publishes the conditions of its 19xx codes but not their statuses; 400 stands for a request that must be
//! mended. Where it publishes no code for what happened, there is none in the body.

use crate::{resource::Resource, wire};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use countersign::{Error, policy::Refusal};
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
