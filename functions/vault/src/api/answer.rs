//! What an answer looks like.

use crate::error::Failure;
use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

/// What a handler answers.
#[derive(Debug)]
pub(crate) struct Answer {
    content: Content,
    status: StatusCode,
    lease: Lease,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Content {
    Auth(Value),
    Bare(Value),
    Data(Value),
    Mirrored(Map<String, Value>),
    Nothing,
    Raw(&'static str, Vec<u8>),
}

/// What an answer lends.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    pub(crate) id: String,
    pub(crate) duration_secs: u64,
    pub(crate) is_renewable: bool,
}

impl Answer {
    fn new(content: Content) -> Self {
        Self {
            content,
            status: StatusCode::OK,
            lease: Lease::default(),
            warnings: Vec::new(),
        }
    }

    /// 204: done, and nothing to say. With warnings it becomes 200.
    pub(crate) fn nothing() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// `status` without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            ..Self::new(Content::Nothing)
        }
    }

    /// 200 with `data`.
    ///
    /// # Errors
    /// Where `data` has no JSON form.
    pub(crate) fn data(data: impl Serialize) -> Result<Self, Failure> {
        Ok(Self::new(Content::Data(to_value(data)?)))
    }

    /// 200 with `data`, whose members stand at the top level too, as some `sys` paths have it.
    ///
    /// # Errors
    /// Where `data` has no JSON form.
    pub(crate) fn mirrored(data: impl Serialize) -> Result<Self, Failure> {
        match to_value(data)? {
            Value::Object(members) => Ok(Self::new(Content::Mirrored(members))),
            other => Ok(Self::new(Content::Data(other))),
        }
    }

    /// 200 with an `auth` block.
    ///
    /// # Errors
    /// Where `auth` has no JSON form.
    pub(crate) fn auth(auth: impl Serialize) -> Result<Self, Failure> {
        Ok(Self::new(Content::Auth(to_value(auth)?)))
    }

    /// `body` without an envelope.
    ///
    /// # Errors
    /// Where `body` has no JSON form.
    pub(crate) fn bare(status: StatusCode, body: impl Serialize) -> Result<Self, Failure> {
        Ok(Self {
            status,
            ..Self::new(Content::Bare(to_value(body)?))
        })
    }

    /// 200 with these very bytes.
    pub(crate) fn raw(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Content::Raw(content_type, body.into()))
    }

    /// A listing: `keys`, and what is known about each. Without keys it is the 404 of an absent thing.
    ///
    /// # Errors
    /// That 404.
    pub(crate) fn list(keys: Vec<String>, key_info: Option<Map<String, Value>>) -> Result<Self, Failure> {
        if keys.is_empty() {
            return Err(Failure::absent());
        }
        let mut data = Map::new();
        if let Some(key_info) = key_info {
            data.insert("key_info".into(), key_info.into());
        }
        data.insert("keys".into(), keys.into());
        Ok(Self::new(Content::Data(data.into())))
    }

    /// The same answer with one more warning.
    #[must_use]
    pub(crate) fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        if matches!(self.content, Content::Nothing) {
            self.status = StatusCode::OK;
            self.content = Content::Data(Value::Null);
        }
        self
    }

    /// Adds warnings about the request itself, which do not turn a 204 into a 200.
    pub(crate) fn append_warnings(&mut self, warnings: Vec<String>) {
        self.warnings.extend(warnings);
    }
}

fn to_value(value: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(Failure::internal)
}

#[derive(Serialize)]
struct Envelope<'a> {
    request_id: &'a str,
    lease_id: &'a str,
    renewable: bool,
    lease_duration: u64,
    data: Option<&'a Value>,
    wrap_info: Option<()>,
    warnings: Option<&'a [String]>,
    auth: Option<&'a Value>,
}

/// The HTTP response to a request with `request_id`.
pub(crate) fn respond(request_id: &str, outcome: Result<Answer, Failure>) -> Response {
    match outcome {
        Ok(answer) => answer.into_response(request_id),
        Err(failure) => failure_response(failure),
    }
}

impl Answer {
    fn into_response(self, request_id: &str) -> Response {
        let envelope = |data, auth| Envelope {
            request_id,
            lease_id: &self.lease.id,
            renewable: self.lease.is_renewable,
            lease_duration: self.lease.duration_secs,
            data,
            wrap_info: None,
            warnings: (!self.warnings.is_empty()).then_some(&self.warnings),
            auth,
        };
        match &self.content {
            Content::Auth(auth) => json(self.status, &envelope(None, Some(auth))),
            Content::Bare(body) => json(self.status, body),
            Content::Data(Value::Null) => json(self.status, &envelope(None, None)),
            Content::Data(data) => json(self.status, &envelope(Some(data), None)),
            Content::Mirrored(members) => {
                let data = Value::Object(members.clone());
                let mut body = members.clone();
                if let Ok(Value::Object(rest)) = serde_json::to_value(envelope(Some(&data), None)) {
                    body.extend(rest);
                }
                json(self.status, &body)
            }
            Content::Nothing => response(self.status, "application/json", Vec::new()),
            Content::Raw(content_type, body) => response(self.status, content_type, body.clone()),
        }
    }
}

fn failure_response(failure: Failure) -> Response {
    #[derive(Serialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let mut response = json(
        failure.status,
        &Errors {
            errors: failure.errors,
        },
    );
    if let Some(wait) = failure.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    }
    response
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // What is serialised here has been a JSON value before, or is made of texts and numbers.
    let text = serde_json::to_string(body).unwrap_or_else(|_| "{\"errors\":[]}".into());
    response(
        status,
        "application/json",
        format!("{}\n", escaped(&text)).into_bytes(),
    )
}

/// As Go's encoder writes JSON: safe inside HTML. These characters occur only within strings.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            _ => text.push(c),
        }
    }
    text
}

fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
