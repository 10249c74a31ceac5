//! From an HTTP request to its handler and back: what is checked about every request, the log, the rendering.

use crate::{
    auth::Credential,
    call::{Call, Reply},
    error::Failure,
    query,
    resource::Resource,
};
use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use countersign::{
    Services,
    access::Caller,
    audit::Decision,
    request_context::{ClientAddress, check_room},
    types::Ksuid,
};
use http::{
    HeaderName, HeaderValue, Method, header,
    request::Parts,
    uri::{Authority, Scheme},
};
use serde_json::{Map, Value};
use std::{
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
};

/// The most bytes of a body. The largest create that can succeed has 256 principals of 512 bytes and a few options.
const MAX_BODY_BYTES: usize = 1 << 20;
/// The header with the id of the request.
const OPERATION_ID: HeaderName = HeaderName::from_static("ngrok-operation-id");
/// The header with the version of the API.
const VERSION: &str = "ngrok-version";

/// What a method of a route is: a handler, and what it takes.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint<H> {
    resource: Resource,
    takes_body: bool,
    takes_query: bool,
    handler: H,
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

impl<H, F> Endpoint<H>
where
    H: Fn(Arc<Call>) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Result<Reply, Failure>> + Send + 'static,
{
    /// `handler` for `resource`, with neither body nor query.
    pub(crate) fn new(resource: Resource, handler: H) -> Self {
        Self {
            resource,
            takes_body: false,
            takes_query: false,
            handler,
        }
    }

    /// The same, with a body.
    pub(crate) fn with_body(self) -> Self {
        Self {
            takes_body: true,
            ..self
        }
    }

    /// The same, with a query.
    pub(crate) fn with_query(self) -> Self {
        Self {
            takes_query: true,
            ..self
        }
    }

    /// As axum takes it: every check, the handler itself, the log and the rendering.
    pub(crate) fn serve(
        self,
    ) -> impl Fn(State<Services>, Request) -> Answering + Clone + Send + Sync + 'static {
        move |State(services), request| Box::pin(answer(services, request, self))
    }
}

/// The answer to a request that no route is for.
pub(crate) async fn no_route(State(services): State<Services>, request: Request) -> Response {
    let operation_id = operation_id(&services);
    let response = Failure::no_route(request.uri().path()).into_response(&operation_id);
    with_operation_id(response, &operation_id)
}

async fn answer<H, F>(services: Services, request: Request, endpoint: Endpoint<H>) -> Response
where
    H: Fn(Arc<Call>) -> F,
    F: Future<Output = Result<Reply, Failure>>,
{
    let operation_id = operation_id(&services);
    let (parts, body) = request.into_parts();
    let who = Arc::new(OnceLock::new());
    let outcome = match prepare(&services, &parts, body, &endpoint, &operation_id, &who).await {
        Ok(call) => (endpoint.handler)(Arc::new(call)).await,
        Err(failure) => Err(failure),
    };
    log(
        &services,
        &parts,
        endpoint.resource,
        &operation_id,
        who.get(),
        &outcome,
    );
    let response = match outcome {
        Ok(Reply { status, body, .. }) => match body {
            Some(body) => (status, Json(body)).into_response(),
            None => status.into_response(),
        },
        Err(failure) => failure.into_response(&operation_id),
    };
    with_operation_id(response, &operation_id)
}

async fn prepare<H>(
    services: &Services,
    parts: &Parts,
    body: Body,
    endpoint: &Endpoint<H>,
    operation_id: &str,
    who: &Arc<OnceLock<Caller>>,
) -> Result<Call, Failure> {
    check_room(parts.extensions.get()).map_err(|error| Failure::of(error, endpoint.resource))?;
    let id = id_in(parts.uri.path(), endpoint.resource)?;
    let credential = Credential::from_headers(&parts.headers)?;
    check_version(parts)?;
    if !endpoint.takes_query {
        query::none(parts.uri.query())?;
    }
    let body = read_body(parts, body, endpoint.takes_body).await?;
    Ok(Call {
        services: services.clone(),
        resource: endpoint.resource,
        id,
        query: parts.uri.query().map(str::to_owned),
        base: base(parts),
        operation_id: operation_id.to_owned(),
        source_ip: source_ip(parts),
        credential,
        parameters: parameters(&parts.method, &body),
        body,
        who: Arc::clone(who),
    })
}

/// What follows the resource's name in `path`.
fn id_in(path: &str, resource: Resource) -> Result<String, Failure> {
    let rest = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(resource.name()));
    match rest.map(|rest| rest.strip_prefix('/')) {
        Some(None) => Ok(String::new()),
        Some(Some(id)) if !id.is_empty() && !id.contains('/') => Ok(id.to_owned()),
        _ => Err(Failure::no_route(path)),
    }
}

fn check_version(parts: &Parts) -> Result<(), Failure> {
    match parts.headers.get(VERSION).map(HeaderValue::as_bytes) {
        Some(b"2") => Ok(()),
        None | Some(b"") => Err(Failure::invalid(
            218,
            "You must specify the version of the API: send the header 'ngrok-version: 2'.",
        )),
        Some(_) => Err(Failure::invalid(
            217,
            "The version of the API that you specified is not supported: send the header 'ngrok-version: 2'.",
        )),
    }
}

async fn read_body(parts: &Parts, body: Body, takes_body: bool) -> Result<Vec<u8>, Failure> {
    let unreadable = |_| {
        Failure::invalid(
            212,
            "The body cannot be read: it is cut off, or larger than 1 MiB.",
        )
    };
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(unreadable)?;
    if takes_body {
        check_content_type(parts)?;
    } else if !body.is_empty() {
        return Err(Failure::invalid(
            211,
            "A request with this method must not have a body.",
        ));
    }
    Ok(body.to_vec())
}

/// The members of `body`, but for those that mean "not given": a rule that requires one must not be content with them.
/// A body that is no object fails later.
fn parameters(method: &Method, body: &[u8]) -> Map<String, Value> {
    let mut members: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let is_creation = method == Method::POST;
    members.retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !(is_creation && text.is_empty()),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Number(number) => number.as_i64() != Some(0),
        Value::Bool(_) => true,
    });
    members
}

fn check_content_type(parts: &Parts) -> Result<(), Failure> {
    let Some(value) = parts.headers.get(header::CONTENT_TYPE) else {
        return Err(Failure::content_type(
            216,
            "A request with a body must have a content type: send 'Content-Type: application/json'.",
        ));
    };
    let unsupported = || Failure::content_type(210, "The content type must be 'application/json'.");
    let text = value.to_str().map_err(|_| unsupported())?;
    let mut pieces = text.split(';').map(str::trim);
    let is_json = pieces
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    if is_json && pieces.all(utf8) {
        Ok(())
    } else {
        Err(unsupported())
    }
}

/// The origin that the client used. A server that speaks TLS itself says so with a [`Scheme`] among the request's
/// extensions; a gateway gives the whole URI.
fn base(parts: &Parts) -> String {
    let named = || {
        let host = parts.headers.get(header::HOST)?.to_str().ok()?;
        let authority: Authority = host.parse().ok()?;
        (!authority.as_str().contains('@')).then_some(authority)
    };
    let authority = parts.uri.authority().cloned().or_else(named);
    let authority = authority.unwrap_or_else(|| Authority::from_static("localhost"));
    let scheme = parts.uri.scheme().or_else(|| parts.extensions.get());
    format!("{}://{authority}", scheme.unwrap_or(&Scheme::HTTP))
}

fn source_ip(parts: &Parts) -> Option<IpAddr> {
    let address = parts.extensions.get::<ClientAddress>().copied();
    address.unwrap_or_default().0
}

fn operation_id(services: &Services) -> String {
    // An id is no secret, and the request itself fails soon enough where there is no randomness.
    let random = countersign::random::bytes(&*services.random).unwrap_or_default();
    format!("op_{}", Ksuid::new(services.clock.now(), random))
}

fn with_operation_id(mut response: Response, operation_id: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(operation_id) {
        response.headers_mut().insert(OPERATION_ID, value);
    }
    response
}

/// Writes to the log of decisions who asked what, and whether it was granted; issuing a certificate does so itself.
fn log(
    services: &Services,
    parts: &Parts,
    resource: Resource,
    operation_id: &str,
    who: Option<&Caller>,
    outcome: &Result<Reply, Failure>,
) {
    let is_logged = match outcome {
        Ok(reply) => reply.is_logged,
        Err(failure) => failure.is_logged,
    };
    if is_logged {
        return;
    }
    let (outcome, reason) = match outcome {
        Ok(_) => ("granted", None),
        Err(failure) => (failure.kind(), Some(failure.reason())),
    };
    services.audit.record(&Decision {
        time_ms: services.clock.now_ms(),
        request_id: operation_id.to_owned(),
        family: "ngrok".into(),
        action: action(&parts.method, parts.uri.path(), resource),
        outcome,
        reason,
        accessor: who.map(|caller| caller.accessor().to_owned()).unwrap_or_default(),
        display_name: who
            .map(|caller| caller.display_name().to_owned())
            .unwrap_or_default(),
        source_ip: source_ip(parts),
        ..Decision::default()
    });
}

/// What the log calls a request. What stands in the place of an id but is none may be a secret.
fn action(method: &Method, path: &str, resource: Resource) -> String {
    let name = resource.name();
    match id_in(path, resource) {
        Ok(id) if id.is_empty() => format!("{method} /{name}"),
        Ok(id) if resource.is_id(&id) => format!("{method} /{name}/{id}"),
        _ => format!("{method} /{name}/…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_ids_and_nothing_else_of_a_path() {
        let shown = |path: &str| action(&Method::GET, path, Resource::UserCertificate);
        let path = "/ssh_user_certificates/sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj";
        assert_eq!(shown(path), format!("GET {path}"));
        assert_eq!(shown("/ssh_user_certificates"), "GET /ssh_user_certificates");
        for path in ["/csn_secret", "/shcrt_2rwwl2T6kKDNklNsSXGf3D53Kpj", "/a/b", "/"] {
            let path = format!("/ssh_user_certificates{path}");
            assert_eq!(shown(&path), "GET /ssh_user_certificates/…");
        }
    }

    #[test]
    fn behind_a_gateway_the_origin_is_the_gateways() {
        let event = r#"{
            "version": "2.0", "routeKey": "$default", "rawPath": "/ssh_user_certificates", "rawQueryString": "limit=1",
            "headers": { "host": "ca.example.test", "x-forwarded-proto": "https" }, "isBase64Encoded": false,
            "requestContext": {
                "accountId": "1", "apiId": "a", "requestId": "r", "stage": "$default", "timeEpoch": 1,
                "domainName": "ca.example.test",
                "http": {
                    "method": "GET", "path": "/ssh_user_certificates", "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7"
                }
            }
        }"#;
        let (parts, _) = lambda_http::request::from_str(event).unwrap().into_parts();
        assert_eq!(base(&parts), "https://ca.example.test");
        assert_eq!(id_in(parts.uri.path(), Resource::UserCertificate).unwrap(), "");
    }

    #[test]
    fn a_host_that_is_none_is_not_repeated() {
        for host in ["", "user@ca.example.test", "a b", "ca.example.test/x"] {
            let (parts, ()) = http::Request::builder()
                .header(header::HOST, host)
                .body(())
                .unwrap()
                .into_parts();
            assert_eq!(base(&parts), "http://localhost", "{host:?}");
        }
    }
}
