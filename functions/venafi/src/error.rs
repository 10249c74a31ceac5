//! Errors as this API renders them: a code and a text in `Response`, or `error` and `error_description`.

use crate::{body::BodyError, wire};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use countersign::{Error, refusal::Refusal};
use http::{HeaderValue, StatusCode, header};
use std::time::Duration;

/// The codes of SSH web errors that occur here.
pub(crate) mod code {
    /// No object.
    pub(crate) const NOT_FOUND: u16 = 1;
    /// Not a public key.
    pub(crate) const BAD_KEY_FORMAT: u16 = 4;
    /// A key of a length that nobody certifies.
    pub(crate) const KEY_LENGTH: u16 = 7;
    /// No right to the template or the folder.
    pub(crate) const RIGHTS: u16 = 12;
    /// No such folder.
    pub(crate) const FOLDER: u16 = 13;
    /// A key that the template does not allow.
    pub(crate) const KEY_ALGORITHM: u16 = 29;
    /// Everything else.
    pub(crate) const OTHER: u16 = 100;
}

/// What an answer says of a failure.
#[derive(Debug)]
enum Content {
    /// `error` and `error_description`.
    Oauth(&'static str),
    /// The text alone.
    Text,
    /// `Response` with a code.
    Web(u16),
}

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    content: Content,
    message: String,
    retry_after: Option<Duration>,
    /// One word for the log.
    kind: &'static str,
    /// What the operator may read.
    cause: Option<String>,
    /// Whether the log of decisions has it already.
    pub(crate) is_logged: bool,
}

impl Failure {
    fn new(status: StatusCode, content: Content, message: impl Into<String>) -> Self {
        Self {
            status,
            content,
            message: message.into(),
            retry_after: None,
            kind: "invalid_request",
            cause: None,
            is_logged: false,
        }
    }

    /// 400 with a code.
    pub(crate) fn invalid(code: u16, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Content::Web(code), message)
    }

    /// 400 about one member of the body.
    pub(crate) fn field(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::invalid(code::OTHER, format!("{name}: {reason}"))
    }

    /// 404 with a code.
    pub(crate) fn not_found(code: u16, message: impl Into<String>) -> Self {
        Self {
            kind: "not_found",
            ..Self::new(StatusCode::NOT_FOUND, Content::Web(code), message)
        }
    }

    /// 409.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self {
            kind: "conflict",
            ..Self::new(StatusCode::CONFLICT, Content::Web(code::OTHER), message)
        }
    }

    /// A text with a status, where an answer is one.
    pub(crate) fn text(status: StatusCode, message: &str) -> Self {
        Self::new(status, Content::Text, message)
    }

    /// 400 of the token routes.
    pub(crate) fn oauth(error: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Content::Oauth(error), description)
    }

    /// 401.
    pub(crate) fn unauthorized(error: &'static str, description: &str) -> Self {
        Self {
            kind: "unauthenticated",
            ..Self::new(StatusCode::UNAUTHORIZED, Content::Oauth(error), description)
        }
    }

    /// 401 where nobody has this token.
    pub(crate) fn unknown_token() -> Self {
        Self::unauthorized("invalid_token", "Grant not found")
    }

    /// 403 of a token without the scope.
    pub(crate) fn scope() -> Self {
        let text = "Grant rejected scope 'ssh:manage'. Call POST Authorize/OAuth with the correct scope and restriction. \
                    Update the header with the new token and retry.";
        Self {
            kind: "permission_denied",
            ..Self::new(StatusCode::FORBIDDEN, Content::Oauth("insufficient_scope"), text)
        }
    }

    /// 403 of a caller without the right to `what`.
    pub(crate) fn rights(what: &str) -> Self {
        Self {
            kind: "permission_denied",
            ..Self::new(
                StatusCode::FORBIDDEN,
                Content::Web(code::RIGHTS),
                format!("Insufficient rights: the policies of this token do not allow it to use {what}."),
            )
        }
    }

    /// 404 of a path that no route is for.
    pub(crate) fn no_route() -> Self {
        Self::not_found(code::OTHER, "There is nothing at this path.")
    }

    /// 405 of a path that has other methods.
    pub(crate) fn method() -> Self {
        Self {
            kind: "not_found",
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                Content::Web(code::OTHER),
                "This path does not have this method.",
            )
        }
    }

    /// The same failure, which the log of decisions has already.
    #[must_use]
    pub(crate) fn logged(mut self) -> Self {
        self.is_logged = true;
        self
    }

    /// One word for the log of decisions.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// Why, for the log of decisions.
    pub(crate) fn reason(&self) -> String {
        self.cause.clone().unwrap_or_else(|| self.message.clone())
    }

    /// The response; below `vedauth` in that API's form.
    pub(crate) fn into_response(self, is_auth: bool) -> Response {
        let error = match (&self.content, is_auth) {
            (Content::Oauth(error), _) => Some(*error),
            (Content::Web(_), true) => Some(match self.status {
                StatusCode::INTERNAL_SERVER_ERROR => "server_error",
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "temporarily_unavailable",
                _ => "invalid_request",
            }),
            _ => None,
        };
        let mut response = match (&self.content, error) {
            (_, Some(error)) => {
                let body = wire::OauthFailure {
                    error: error.into(),
                    error_description: self.message,
                };
                (self.status, Json(body)).into_response()
            }
            (Content::Text, None) => (self.status, self.message).into_response(),
            (Content::Oauth(_) | Content::Web(_), None) => {
                (self.status, Json(web(&self.content, self.status, self.message))).into_response()
            }
        };
        if let Some(wait) = self.retry_after {
            let secs = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, secs);
        }
        response
    }
}

fn web(content: &Content, status: StatusCode, message: String) -> wire::WebFailure {
    let error_code = match content {
        Content::Web(code) => *code,
        Content::Oauth(_) | Content::Text => code::OTHER,
    };
    let is_denial = status == StatusCode::FORBIDDEN;
    wire::WebFailure {
        dn: None,
        guid: None,
        processing_details: wire::ProcessingDetails {
            status: None,
            status_description: None,
        },
        error: is_denial.then(|| "access_denied".to_owned()),
        error_description: is_denial.then(|| message.clone()),
        response: wire::WebResponse {
            error_code,
            error_message: message,
            success: false,
        },
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::invalid(code::OTHER, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (cause, kind) = (error.chain(), error.kind());
        Self {
            cause: Some(cause),
            kind,
            ..rendered(error)
        }
    }
}

impl From<countersign::store::StoreError> for Failure {
    fn from(error: countersign::store::StoreError) -> Self {
        Error::from(error).into()
    }
}

fn rendered(error: Error) -> Failure {
    let web = |status, code, message: &str| Failure::new(status, Content::Web(code), message);
    match error {
        Error::Conflict(text) => web(StatusCode::CONFLICT, code::OTHER, &sentence(&text)),
        Error::Internal(_) => web(
            StatusCode::INTERNAL_SERVER_ERROR,
            code::OTHER,
            "An internal error occurred.",
        ),
        Error::InvalidRequest { field, reason } => Failure::field(spelled(field), reason),
        Error::NotFound(text) => web(StatusCode::NOT_FOUND, code::NOT_FOUND, &sentence(&text)),
        Error::PermissionDenied => Failure::rights("this route"),
        Error::Refused(refusal) => refused(&refusal),
        Error::Throttled { retry_after } => Failure {
            retry_after: retry_after.or(Some(Duration::from_secs(1))),
            ..web(
                StatusCode::TOO_MANY_REQUESTS,
                code::OTHER,
                "Too many requests. Try again later.",
            )
        },
        Error::Unauthenticated => Failure::unknown_token(),
        Error::Unavailable(_) => Failure {
            retry_after: Some(Duration::from_secs(1)),
            ..web(
                StatusCode::SERVICE_UNAVAILABLE,
                code::OTHER,
                "A service that this request needs is unavailable. Try again.",
            )
        },
    }
}

/// The core's names of fields, as this API spells them.
fn spelled(field: &str) -> &str {
    match field {
        "certificate" => "Principals, Extensions, ForceCommand, SourceAddresses",
        "passphrase" => "PrivateKeyPassphrase",
        "signature_algorithm" => "SignatureHashingAlgorithm",
        other => other,
    }
}

fn refused(refusal: &Refusal) -> Failure {
    let field = match refusal {
        Refusal::AlreadyExpired | Refusal::TtlTooLong(_) | Refusal::Validity(_) => "ValidityPeriod",
        Refusal::CriticalOptions(_)
        | Refusal::CriticalOptionsNotAllowed(_)
        | Refusal::HostCriticalOptions(_)
        | Refusal::VerifyRequiredNeedsSecurityKey => "ForceCommand, SourceAddresses",
        Refusal::OptionValueNotAllowed(name) if name == "force-command" => "ForceCommand",
        Refusal::OptionValueNotAllowed(name) if name == "source-address" => "SourceAddresses",
        Refusal::OptionValueNotAllowed(_) | Refusal::Extensions(_) | Refusal::ExtensionsNotAllowed(_) => {
            "Extensions"
        }
        Refusal::CertTypeNotAllowed(_) => "CADN",
        Refusal::KeyId(_) | Refusal::KeyIdNotAllowed => "KeyId",
        Refusal::PrincipalNotAllowed(_) | Refusal::Principals(_) | Refusal::PrincipalsNotConfigured => {
            "Principals"
        }
        Refusal::SourceAddress(_) => "SourceAddresses",
        Refusal::SubjectKeyKind(_) | Refusal::SubjectKeySize(..) => {
            let text = format!("Non-compliant key algorithm: {refusal}.");
            return Failure::invalid(code::KEY_ALGORITHM, text);
        }
    };
    Failure::field(field, refusal)
}

/// `text` as a sentence: the core's texts are parts of one.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    async fn answer(failure: Failure, is_auth: bool) -> (u16, Option<String>, String) {
        let response = failure.into_response(is_auth);
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .map(|secs| secs.to_str().expect("a number").to_owned());
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("it is whole");
        (
            status,
            retry_after,
            String::from_utf8(body.to_vec()).expect("a text"),
        )
    }

    fn parsed(body: &str) -> Value {
        serde_json::from_str(body).expect("JSON")
    }

    fn down() -> Error {
        Error::unavailable("the store is down")
    }

    fn wait(secs: u64) -> Error {
        Error::Throttled {
            retry_after: Some(Duration::from_secs(secs)),
        }
    }

    /// What the caller reads, and what only the log says.
    #[tokio::test]
    async fn every_error_of_the_core_has_its_status_its_code_and_its_line_in_the_log() {
        let unavailable = "a service that this request needs is unavailable; try again: the store is down";
        let cases = [
            (
                Error::Conflict("ärger".into()),
                409,
                100,
                "Ärger.",
                "conflict",
                "ärger",
            ),
            (
                Error::internal("a secret cause"),
                500,
                100,
                "An internal error occurred.",
                "internal",
                "internal error: a secret cause",
            ),
            (
                Error::invalid("certificate", "too large"),
                400,
                100,
                "Principals, Extensions, ForceCommand, SourceAddresses: too large",
                "invalid_request",
                "certificate: too large",
            ),
            (
                Error::invalid("passphrase", "wrong"),
                400,
                100,
                "PrivateKeyPassphrase: wrong",
                "invalid_request",
                "passphrase: wrong",
            ),
            (
                Error::invalid("signature_algorithm", "unfit"),
                400,
                100,
                "SignatureHashingAlgorithm: unfit",
                "invalid_request",
                "signature_algorithm: unfit",
            ),
            (
                Error::invalid("KeyId", "empty"),
                400,
                100,
                "KeyId: empty",
                "invalid_request",
                "KeyId: empty",
            ),
            (
                Error::NotFound("no object".into()),
                404,
                1,
                "No object.",
                "not_found",
                "no object",
            ),
            (
                Error::PermissionDenied,
                403,
                12,
                "Insufficient rights: the policies of this token do not allow it to use this route.",
                "permission_denied",
                "permission denied",
            ),
            (
                Error::Refused(Refusal::PrincipalsNotConfigured),
                400,
                100,
                "Principals: the role does not allow any principals",
                "refused",
                "the role does not allow any principals",
            ),
            (
                wait(0),
                429,
                100,
                "Too many requests. Try again later.",
                "throttled",
                "too many requests; try again later",
            ),
            (
                down(),
                503,
                100,
                "A service that this request needs is unavailable. Try again.",
                "unavailable",
                unavailable,
            ),
        ];
        for (error, status, code, message, kind, reason) in cases {
            let failure = Failure::from(error);
            assert_eq!((failure.kind(), failure.reason().as_str()), (kind, reason));
            let (seen, retry_after, body) = answer(failure, false).await;
            assert_eq!(
                (seen, retry_after.is_some()),
                (status, matches!(status, 429 | 503))
            );
            let body = parsed(&body);
            assert_eq!(
                body["Response"],
                json!({"ErrorCode": code, "ErrorMessage": message, "Success": false})
            );
            let denied = (status == 403).then_some(("access_denied", message));
            let (error, description) = denied.unzip();
            assert_eq!(body.get("error"), error.map(Value::from).as_ref());
            assert_eq!(
                body.get("error_description"),
                description.map(Value::from).as_ref()
            );
        }
    }

    #[tokio::test]
    async fn below_vedauth_an_error_has_a_word_of_oauth() {
        let oauth =
            |error: &str, description: &str| json!({"error": error, "error_description": description});
        let grant = "Grant not found";
        for (failure, status, error) in [
            (Failure::from(Error::internal("x")), 500, "server_error"),
            (down().into(), 503, "temporarily_unavailable"),
            (wait(1).into(), 429, "temporarily_unavailable"),
            (Failure::field("client_id", "x"), 400, "invalid_request"),
        ] {
            let message = failure.message.clone();
            let (seen, _, body) = answer(failure, true).await;
            assert_eq!((seen, parsed(&body)), (status, oauth(error, &message)));
        }
        for is_auth in [false, true] {
            let failure = Failure::from(Error::Unauthenticated);
            assert_eq!(failure.kind(), "unauthenticated");
            let (status, _, body) = answer(failure, is_auth).await;
            assert_eq!((status, parsed(&body)), (401, oauth("invalid_token", grant)));
            let failure = Failure::text(StatusCode::NOT_ACCEPTABLE, "plain");
            assert_eq!(answer(failure, is_auth).await, (406, None, "plain".into()));
        }
    }

    #[tokio::test]
    async fn a_wait_is_named_and_never_zero() {
        let unknown = Error::Throttled { retry_after: None };
        for (error, secs) in [(wait(7), "7"), (wait(0), "1"), (unknown, "1"), (down(), "1")] {
            let (_, retry_after, _) = answer(error.into(), false).await;
            assert_eq!(retry_after.as_deref(), Some(secs));
        }
    }

    #[test]
    fn refusals_of_the_routes_have_their_words_in_the_log() {
        for (failure, status, kind) in [
            (Failure::not_found(code::FOLDER, "x"), 404, "not_found"),
            (Failure::conflict("x"), 409, "conflict"),
            (Failure::unknown_token(), 401, "unauthenticated"),
            (Failure::scope(), 403, "permission_denied"),
            (Failure::rights("x"), 403, "permission_denied"),
            (Failure::no_route(), 404, "not_found"),
            (Failure::method(), 405, "not_found"),
            (Failure::invalid(code::OTHER, "x"), 400, "invalid_request"),
        ] {
            assert_eq!((failure.status.as_u16(), failure.kind()), (status, kind));
            assert_eq!(failure.reason(), failure.message);
        }
    }

    #[test]
    fn an_option_whose_value_is_refused_is_named_as_this_api_spells_it() {
        for (option, field) in [
            ("force-command", "ForceCommand"),
            ("source-address", "SourceAddresses"),
            ("permit-pty", "Extensions"),
        ] {
            let failure = refused(&Refusal::OptionValueNotAllowed(option.into()));
            assert_eq!(
                failure.message,
                format!("{field}: this value of {option} is not allowed")
            );
        }
    }
}
