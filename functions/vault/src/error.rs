//! What a request is answered that cannot be granted.

use crate::refusal;
use countersign::Error;
use http::StatusCode;
use std::time::Duration;

/// A refusal in Vault's shape: a status, texts for the caller, and a reason for the log.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) errors: Vec<String>,
    pub(crate) retry_after: Option<Duration>,
    /// One word for the log.
    pub(crate) kind: &'static str,
    /// What only the log may say.
    pub(crate) reason: Option<String>,
}

impl Failure {
    /// A refusal with one plain text.
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            errors: vec![text.into()],
            ..Self::bare(status)
        }
    }

    /// A refusal without a text.
    pub(crate) fn bare(status: StatusCode) -> Self {
        Self {
            status,
            errors: Vec::new(),
            retry_after: None,
            kind: "invalid_request",
            reason: None,
        }
    }

    /// 400: the caller can mend it.
    pub(crate) fn user(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// A text in the frame that the real product puts around errors of its router and handlers.
    pub(crate) fn framed(status: StatusCode, text: &str) -> Self {
        Self::new(status, format!("1 error occurred:\n\t* {text}\n\n"))
    }

    /// 500 with a text, where the real product answers so to something that the caller can mend.
    pub(crate) fn server(text: &str) -> Self {
        Self::framed(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// What the core says is wrong with a request, in its words alone, where the real product has no frame for them.
    pub(crate) fn plain(error: Error) -> Self {
        let (kind, reason) = (error.kind(), Some(error.chain()));
        match error {
            Error::InvalidRequest { reason: text, .. } | Error::Conflict(text) | Error::NotFound(text) => {
                Self {
                    kind,
                    reason,
                    ..Self::user(text)
                }
            }
            other => other.into(),
        }
    }

    /// 500 without a word about the cause.
    pub(crate) fn internal(cause: impl Into<countersign::error::Cause>) -> Self {
        Error::internal(cause).into()
    }

    /// 404 of a thing that is not there.
    pub(crate) fn absent() -> Self {
        Self {
            kind: "not_found",
            ..Self::bare(StatusCode::NOT_FOUND)
        }
    }

    /// Whether this is the 404 of a thing that is not there.
    pub(crate) fn is_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.errors.is_empty()
    }

    /// Whether the caller can mend nothing: somebody has to read why.
    pub(crate) fn is_for_the_operator(&self) -> bool {
        matches!(self.kind, "internal" | "throttled" | "unavailable")
    }

    /// Why, for the log.
    pub(crate) fn reason_for_log(&self) -> String {
        self.reason.clone().unwrap_or_else(|| self.errors.join("; "))
    }

    /// 403 where no token was sent.
    pub(crate) fn no_token() -> Self {
        Self {
            kind: "unauthenticated",
            ..Self::new(StatusCode::FORBIDDEN, "permission denied")
        }
    }

    /// 403 where the token's policies do not allow it.
    pub(crate) fn denied() -> Self {
        Self {
            kind: "permission_denied",
            ..Self::framed(StatusCode::FORBIDDEN, "permission denied")
        }
    }

    /// 404 of a path that no mount and no system path knows.
    pub(crate) fn no_mount(path: &str) -> Self {
        let text = format!("no handler for route \"{path}\". route entry not found.");
        Self {
            kind: "not_found",
            ..Self::new(StatusCode::NOT_FOUND, text)
        }
    }

    /// 404 of a path within a mount.
    pub(crate) fn unsupported_path() -> Self {
        Self {
            kind: "not_found",
            ..Self::framed(StatusCode::NOT_FOUND, "unsupported path")
        }
    }

    /// 405.
    pub(crate) fn unsupported_operation() -> Self {
        Self::framed(StatusCode::METHOD_NOT_ALLOWED, "unsupported operation")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (kind, reason) = (error.kind(), Some(error.chain()));
        let text = error.to_string();
        let failure = match error {
            Error::Conflict(_) => Self::new(StatusCode::CONFLICT, text),
            Error::Internal(_) => Self::server(&text),
            Error::InvalidRequest {
                field: "signature_algorithm",
                reason,
            } => Self::server(&format!(
                "failed to generate signed SSH key: sign error: {reason}"
            )),
            Error::InvalidRequest { .. } => Self::user(text),
            Error::NotFound(_) => Self::new(StatusCode::NOT_FOUND, text),
            Error::PermissionDenied => Self::denied(),
            Error::Refused(refusal) => Self::user(refusal::text(&refusal)),
            Error::Throttled { retry_after } => Self {
                retry_after,
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, text)
            },
            Error::Unauthenticated => Self::new(
                StatusCode::FORBIDDEN,
                "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",
            ),
            Error::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, text),
        };
        Self {
            kind,
            reason,
            ..failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign::refusal::Refusal;

    fn seen(failure: &Failure) -> (u16, Vec<&str>, &'static str, String) {
        let texts = failure.errors.iter().map(String::as_str).collect();
        (
            failure.status.as_u16(),
            texts,
            failure.kind,
            failure.reason_for_log(),
        )
    }

    /// What the caller reads, and what only the log says.
    #[test]
    fn every_error_of_the_core_has_its_status_its_text_and_its_line_in_the_log() {
        let frame = |text: &str| format!("1 error occurred:\n\t* {text}\n\n");
        let cases = [
            (
                Error::Conflict("taken".into()),
                409,
                "taken".into(),
                "conflict",
                "taken",
            ),
            (
                Error::internal("a secret cause"),
                500,
                frame("internal error"),
                "internal",
                "internal error: a secret cause",
            ),
            (
                Error::invalid("signature_algorithm", "unfit"),
                500,
                frame("failed to generate signed SSH key: sign error: unfit"),
                "invalid_request",
                "signature_algorithm: unfit",
            ),
            (
                Error::invalid("ttl", "too long"),
                400,
                "ttl: too long".into(),
                "invalid_request",
                "ttl: too long",
            ),
            (
                Error::NotFound("no role".into()),
                404,
                "no role".into(),
                "not_found",
                "no role",
            ),
            (
                Error::PermissionDenied,
                403,
                frame("permission denied"),
                "permission_denied",
                "permission denied",
            ),
            (
                Error::Refused(Refusal::KeyIdNotAllowed),
                400,
                "setting key_id is not allowed by role".into(),
                "refused",
                "this key id is not allowed",
            ),
            (
                Error::Throttled { retry_after: None },
                429,
                "too many requests; try again later".into(),
                "throttled",
                "too many requests; try again later",
            ),
            (
                Error::Unauthenticated,
                403,
                "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n".into(),
                "unauthenticated",
                "authentication failed",
            ),
            (
                Error::unavailable("the store is down"),
                503,
                "a service that this request needs is unavailable; try again".into(),
                "unavailable",
                "a service that this request needs is unavailable; try again: the store is down",
            ),
        ];
        for (error, status, text, kind, reason) in cases {
            let failure = Failure::from(error);
            assert_eq!(seen(&failure), (status, vec![text.as_str()], kind, reason.into()));
            assert_eq!(failure.retry_after, None);
        }
        let retry_after = Some(Duration::from_secs(7));
        assert_eq!(
            Failure::from(Error::Throttled { retry_after }).retry_after,
            retry_after
        );
    }

    #[test]
    fn some_handlers_say_what_the_core_says_in_its_words_alone() {
        for (error, kind, reason) in [
            (
                Error::invalid("ttl", "too long"),
                "invalid_request",
                "ttl: too long",
            ),
            (Error::Conflict("too long".into()), "conflict", "too long"),
            (Error::NotFound("too long".into()), "not_found", "too long"),
        ] {
            assert_eq!(
                seen(&Failure::plain(error)),
                (400, vec!["too long"], kind, reason.into())
            );
        }
        assert_eq!(
            Failure::plain(Error::PermissionDenied).status,
            StatusCode::FORBIDDEN
        );
    }

    #[test]
    fn refusals_of_the_router_have_their_words_in_the_log() {
        for (failure, status, kind, reason) in [
            (Failure::absent(), 404, "not_found", ""),
            (Failure::bare(StatusCode::BAD_REQUEST), 400, "invalid_request", ""),
            (Failure::no_token(), 403, "unauthenticated", "permission denied"),
            (
                Failure::denied(),
                403,
                "permission_denied",
                "1 error occurred:\n\t* permission denied\n\n",
            ),
            (
                Failure::no_mount("x/"),
                404,
                "not_found",
                "no handler for route \"x/\". route entry not found.",
            ),
            (
                Failure::unsupported_path(),
                404,
                "not_found",
                "1 error occurred:\n\t* unsupported path\n\n",
            ),
            (
                Failure::unsupported_operation(),
                405,
                "invalid_request",
                "1 error occurred:\n\t* unsupported operation\n\n",
            ),
        ] {
            let (seen_status, _, seen_kind, seen_reason) = seen(&failure);
            assert_eq!(
                (seen_status, seen_kind, seen_reason.as_str()),
                (status, kind, reason)
            );
            assert_eq!(failure.is_absent(), (status, reason) == (404, ""), "{failure:?}");
        }
    }
}
