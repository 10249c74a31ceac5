//! What an answer looks like.

use crate::{error::Failure, wrapping::WrapInfo};
use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What a handler answers. It has a JSON form of our own, in which it is kept where it is wrapped.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Answer {
    content: Content,
    #[serde(skip)]
    status: StatusCode,
    lease: Lease,
    warnings: Vec<String>,
    #[serde(skip)]
    wrap_info: Option<WrapInfo>,
}

#[derive(Debug, Deserialize, Serialize)]
enum Content {
    Auth(Value),
    Bare(Value),
    Data(Value),
    Mirrored(Map<String, Value>),
    Nothing,
    Raw(Cow<'static, str>, Vec<u8>),
}

/// What an answer lends.
#[derive(Debug, Default, Deserialize, Serialize)]
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
            wrap_info: None,
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
        Self::new(Content::Raw(content_type.into(), body.into()))
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

    /// The same answer, which lends what is in it.
    #[must_use]
    pub(crate) fn lending(mut self, lease: Lease) -> Self {
        self.lease = lease;
        self
    }

    /// 200 about a lease, and nothing else.
    pub(crate) fn about(lease: Lease) -> Self {
        Self::new(Content::Data(Value::Null)).lending(lease)
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

    /// The answer that says where another one is to be had.
    pub(crate) fn wrapped(wrap_info: WrapInfo) -> Self {
        Self {
            wrap_info: Some(wrap_info),
            ..Self::new(Content::Data(Value::Null))
        }
    }

    /// Whether there is something in it that can be wrapped. What has no envelope and what says nothing stays as it is,
    /// and so does what is wrapped already.
    pub(crate) fn can_be_wrapped(&self) -> bool {
        self.wrap_info.is_none() && !matches!(self.content, Content::Bare(_) | Content::Nothing)
    }

    /// The handle of the token that it gives, if it gives one.
    pub(crate) fn accessor(&self) -> Option<&str> {
        match &self.content {
            Content::Auth(auth) => auth["accessor"].as_str().filter(|accessor| !accessor.is_empty()),
            _ => None,
        }
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
    wrap_info: Option<&'a WrapInfo>,
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
            // The id belongs to the answer that is wrapped.
            request_id: if self.wrap_info.is_some() { "" } else { request_id },
            lease_id: &self.lease.id,
            renewable: self.lease.is_renewable,
            lease_duration: self.lease.duration_secs,
            data,
            wrap_info: self.wrap_info.as_ref(),
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

fn response(status: StatusCode, content_type: &str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("application/octet-stream");
    let content_type = HeaderValue::from_str(content_type).unwrap_or(plain);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_TYPE, content_type);
    response
}
