//! From an HTTP request to its handler and back: the id, the body, the log, and how what went wrong is rendered.

use crate::{
    App,
    auth::{Actor, Credential},
    error::Problem,
    records::Records,
    routes::{self, Captures},
    validation::Issue,
};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use countersign::{
    Services,
    access::Caller,
    audit::Decision,
    issue::Origin,
    random::Random,
    request_context::{ClientAddress, check_room},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// The most bytes of a body. The largest sensible one, a host with mappings for a thousand people, has 100 KB.
const MAX_BODY_BYTES: usize = 1 << 20;
/// The characters of a request's id, and how many.
const ID_DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 14;
/// The content type of every JSON answer: the Go client decodes no other.
pub(crate) const JSON: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "application/json; charset=utf-8")];

/// The id by which a caller can ask about a request: `req-` and 14 characters.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(String);

impl RequestId {
    fn draw(random: &dyn Random) -> Self {
        // No secret; where randomness fails, so does the request itself.
        let bytes = countersign::random::bytes::<ID_LENGTH>(random).unwrap_or_default();
        let digits = bytes
            .iter()
            .map(|byte| char::from(ID_DIGITS[usize::from(*byte) % 62]));
        Self("req-".chars().chain(digits).collect())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the log of decisions needs to know when the handler is done.
#[derive(Debug, Default)]
struct Note {
    caller: OnceLock<(String, String)>,
    /// The core has logged the decision itself.
    is_logged: AtomicBool,
}

/// One request, on its way through a handler.
pub(crate) struct Call {
    pub(crate) app: App,
    pub(crate) records: Records,
    pub(crate) id: RequestId,
    method: Method,
    /// Path and query, as sent.
    target: String,
    headers: HeaderMap,
    params: Vec<(&'static str, String)>,
    source_ip: Option<IpAddr>,
    /// Who works on the tables in this process, without a token. No header can claim to be that.
    pub(crate) operator: Option<Caller>,
    body: Result<Bytes, Problem>,
    note: Arc<Note>,
}

async fn read_body(body: Body) -> Result<Bytes, Problem> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Problem::too_large()),
        Err(_) => Err(Problem::bad_request("The request body could not be read")),
    }
}

fn source_ip(extensions: &http::Extensions) -> Option<IpAddr> {
    extensions.get::<ClientAddress>().and_then(|address| address.0)
}

impl Call {
    async fn new(
        app: App,
        id: RequestId,
        note: Arc<Note>,
        parts: &Parts,
        captures: Captures<'_>,
        body: Body,
    ) -> Self {
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let params = captures.into_iter().map(|(name, segment)| {
            // What is no text is empty: nothing has such an id.
            let value = percent_decode_str(segment).decode_utf8().unwrap_or_default();
            (name, value.into_owned())
        });
        Self {
            records: Records::new(app.services.clone()),
            app,
            id,
            method: parts.method.clone(),
            target: target.to_owned(),
            headers: parts.headers.clone(),
            params: params.collect(),
            source_ip: source_ip(&parts.extensions),
            operator: parts.extensions.get().cloned(),
            body: read_body(body).await,
            note,
        }
    }

    pub(crate) fn services(&self) -> &Services {
        &self.app.services
    }

    /// What the path has for `name`.
    pub(crate) fn param(&self, name: &str) -> String {
        let found = self.params.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Path and query, as errors quote them.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The path, as policies are asked about it: without slashes at its ends.
    pub(crate) fn policy_path(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.trim_matches('/')
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn source_ip(&self) -> Option<IpAddr> {
        self.source_ip
    }

    /// The token that was sent.
    ///
    /// # Errors
    /// 400 where it was sent in a way that is not supported any more.
    pub(crate) fn credential(&self) -> Result<Option<Credential>, Problem> {
        Credential::from_headers(&self.headers)
    }

    /// The body as JSON; `null` where there is none.
    ///
    /// # Errors
    /// 400 where it is no JSON, or not said to be.
    pub(crate) fn body(&self) -> Result<Value, Problem> {
        let bytes = self.body.as_ref().map_err(Clone::clone)?;
        let is_json = self.headers.get(header::CONTENT_TYPE).map(is_json);
        match (bytes.is_empty(), is_json) {
            (true, None | Some(false)) => Ok(Value::Null),
            (true, Some(true)) => Err(Problem::bad_request(
                "Body cannot be empty when content-type is set to 'application/json'",
            )),
            (false, Some(true)) => serde_json::from_slice(bytes)
                .map_err(|error| Problem::bad_request(format!("Body is not valid JSON: {error}"))),
            (false, None | Some(false)) => Err(Problem::bad_request(
                "Unsupported media type: send application/json",
            )),
        }
    }

    /// The query string as a `T`.
    ///
    /// # Errors
    /// 422.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let uri: http::Uri = self.target.parse().unwrap_or_default();
        axum::extract::Query::try_from_uri(&uri)
            .map(|query| query.0)
            .map_err(|error| Problem::validation(vec![Issue::custom(&[], error.body_text())]))
    }

    /// Notes who calls, for the log.
    pub(crate) fn note_caller(&self, accessor: &str, display_name: &str) {
        let _ = self
            .note
            .caller
            .set((accessor.to_owned(), display_name.to_owned()));
    }

    /// Who asks, for the record of a certificate and for the log, which the core writes from here on.
    pub(crate) fn origin(&self, actor: &Actor, role: &str) -> Origin {
        self.note.is_logged.store(true, Ordering::Relaxed);
        Origin {
            family: "infisical",
            role: role.to_owned(),
            accessor: actor.accessor().to_owned(),
            display_name: actor.display_name().to_owned(),
            source_ip: self.source_ip,
            request_id: self.id.as_str().to_owned(),
        }
    }
}

fn is_json(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Answers a request: gives it its id, finds its handler, renders what went wrong, and writes the decision to the log.
pub(crate) async fn serve(State(app): State<App>, request: Request) -> Response {
    let id = RequestId::draw(&*app.services.random);
    let note = Arc::new(Note::default());
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let found = routes::find(&parts.method, path);
    let pattern = match &found {
        Some((route, _)) => route.path,
        None => routes::pattern(path).unwrap_or("/api/{*path}"),
    };
    let action = format!("{} {}", parts.method, shown_path(pattern, path));
    let mut response = match (check_room(parts.extensions.get()), found) {
        (Err(error), _) => Problem::from(error).into_response(),
        (Ok(()), None) => no_route(&parts),
        (Ok(()), Some((route, captures))) => {
            let call = Call::new(app.clone(), id.clone(), note.clone(), &parts, captures, body).await;
            (route.handler)(call).await
        }
    };
    let problem = response.extensions_mut().remove::<Problem>();
    // What no route is for is answered without a problem.
    let outcome = match &problem {
        Some(problem) => problem.kind(),
        None if response.status() == StatusCode::NOT_FOUND => "not_found",
        None => "granted",
    };
    log(
        &app.services,
        action,
        source_ip(&parts.extensions),
        &id,
        &note,
        (outcome, problem.as_ref()),
    );
    match problem {
        Some(problem) => problem.render(&id),
        None => with_charset(response),
    }
}

fn with_charset(mut response: Response) -> Response {
    let [(name, json)] = JSON;
    if let Some(value) = response.headers_mut().get_mut(name)
        && value == "application/json"
    {
        *value = HeaderValue::from_static(json);
    }
    response
}

/// A path as the log shows it: what stands in the place of an id but is none may be a secret.
fn shown_path(pattern: &str, path: &str) -> String {
    let is_id =
        |text: &str| text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let segments = pattern.split('/').zip(path.split('/')).map(|(pattern, segment)| {
        if !pattern.starts_with('{') || is_id(segment) {
            segment
        } else {
            pattern
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Who asked what, and whether it was granted; issuing a certificate writes that itself.
fn log(
    services: &Services,
    action: String,
    source_ip: Option<IpAddr>,
    id: &RequestId,
    note: &Note,
    (outcome, problem): (&'static str, Option<&Problem>),
) {
    if note.is_logged.load(Ordering::Relaxed) {
        return;
    }
    let (accessor, display_name) = note.caller.get().cloned().unwrap_or_default();
    services.audit.record(&Decision {
        time_ms: services.clock.now_ms(),
        request_id: id.as_str().to_owned(),
        family: "infisical".into(),
        action,
        outcome,
        reason: problem.map(Problem::reason),
        accessor,
        display_name,
        source_ip,
        ..Decision::default()
    });
}

/// Answers a request that no route is for. The only answer without the id of the request.
fn no_route(parts: &Parts) -> Response {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let body = serde_json::json!({
        "message": format!("Route {}:{target} not found", parts.method),
        "error": "Not Found",
        "statusCode": 404,
    });
    let response = (StatusCode::NOT_FOUND, axum::Json(body));
    response.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_ids_and_nothing_else_of_a_path() {
        let pattern = "/api/v1/ssh/hosts/{sshHostId}/issue-user-cert";
        let id = "0b5b5a5c-2f0e-4b7e-9c39-0a5a4f1f7a11";
        let path = |id: &str| pattern.replace("{sshHostId}", id);
        assert_eq!(shown_path(pattern, &path(id)), path(id));
        assert_eq!(shown_path(pattern, &path("a-secret")), pattern);
        assert_eq!(shown_path("/api/{*path}", "/api/v1/a/b"), "/api/{*path}");
    }
}
