//! From an HTTP request to its handler and back: the way to the route, the log, the rendering.

use crate::{
    Server,
    body::{self, BodyError},
    call::{Call, Reply},
    error::Failure,
    routes::{Access, Route, TABLE},
};
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use countersign::{
    Services,
    access::Caller,
    audit::Decision,
    random,
    request_context::{ClientAddress, check_room},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

/// The most bytes of a body. A template may hold long lists.
const MAX_BODY_BYTES: usize = 1 << 20;
/// The first segments of all paths of this API.
const FIRST_SEGMENTS: [&str; 2] = ["vedsdk", "vedauth"];

/// Answers a request below `vedsdk` or `vedauth`, in any case; other paths are nobody's.
pub(crate) async fn answer(State(server): State<Server>, request: Request) -> Response {
    let first = request.uri().path().split('/').nth(1).unwrap_or_default();
    if FIRST_SEGMENTS.iter().any(|own| own.eq_ignore_ascii_case(first)) {
        answer_own(server, request).await
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

/// Answers a request, whatever its path.
pub(crate) async fn answer_own(server: Server, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_auth = is_auth(parts.uri.path());
    let mut response = match route(&parts) {
        Ok(route) => answer_at(server, route, &parts, body).await,
        Err(failure) => {
            let is_method = failure.status == StatusCode::METHOD_NOT_ALLOWED;
            let mut response = failure.into_response(is_auth);
            if is_method && let Ok(allow) = HeaderValue::from_str(&methods(parts.uri.path())) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        }
    };
    // Clients decide by it whether they read the body.
    if response.headers().get(header::CONTENT_TYPE) == Some(&HeaderValue::from_static("application/json")) {
        let full = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, full);
    }
    response
}

/// Whether a path is that of the token API.
fn is_auth(path: &str) -> bool {
    path.split('/')
        .nth(1)
        .is_some_and(|first| first.eq_ignore_ascii_case("vedauth"))
}

fn at(path: &str) -> impl Iterator<Item = &'static Route> {
    let path = path.strip_suffix('/').unwrap_or(path).to_owned();
    TABLE
        .iter()
        .filter(move |route| route.path.eq_ignore_ascii_case(&path))
}

fn methods(path: &str) -> String {
    at(path)
        .map(|route| route.method.to_uppercase())
        .collect::<Vec<_>>()
        .join(", ")
}

fn route(parts: &Parts) -> Result<&'static Route, Failure> {
    let mut routes = at(parts.uri.path()).peekable();
    if routes.peek().is_none() {
        return Err(Failure::no_route());
    }
    routes
        .find(|route| parts.method.as_str().eq_ignore_ascii_case(route.method))
        .ok_or_else(Failure::method)
}

async fn answer_at(server: Server, route: &'static Route, parts: &Parts, body: Body) -> Response {
    let Server { services, hints } = server;
    let who = Arc::new(OnceLock::new());
    let call = Call {
        route,
        headers: parts.headers.clone(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        // An id is no secret, and the request itself fails soon enough where there is no randomness.
        request_id: random::uuid(&*services.random).unwrap_or_default(),
        source_ip: source_ip(parts),
        members: members(route, body).await,
        operator: parts.extensions.get::<Caller>().cloned(),
        who: Arc::clone(&who),
        services: services.clone(),
        hints,
    };
    let request_id = call.request_id.clone();
    let outcome = match check_room(parts.extensions.get()) {
        Ok(()) => (route.handler)(Arc::new(call)).await,
        Err(error) => Err(error.into()),
    };
    log(
        &services,
        route,
        source_ip(parts),
        &request_id,
        who.get(),
        &outcome,
    );
    match outcome {
        Ok(reply) => reply.response,
        Err(failure) => failure.into_response(is_auth(route.path)),
    }
}

async fn members(route: &Route, body: Body) -> Result<serde_json::Map<String, serde_json::Value>, BodyError> {
    let Ok(bytes) = to_bytes(body, MAX_BODY_BYTES).await else {
        return Err(BodyError::NotAnObject(
            "it is cut off, or larger than 1 MiB".into(),
        ));
    };
    if route.method == "get" {
        return Ok(serde_json::Map::new());
    }
    body::members(&bytes, route.shape)
}

fn source_ip(parts: &Parts) -> Option<IpAddr> {
    let address = parts.extensions.get::<ClientAddress>().copied();
    address.unwrap_or_default().0
}

/// Writes to the log of decisions who asked what, and whether it was granted; issuing a certificate does so itself.
/// That somebody read what everybody may read is no decision.
fn log(
    services: &Services,
    route: &Route,
    source_ip: Option<IpAddr>,
    request_id: &str,
    who: Option<&Caller>,
    outcome: &Result<Reply, Failure>,
) {
    let is_logged = match outcome {
        Ok(reply) => reply.is_logged || route.access == Access::Public && route.method == "get",
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
        request_id: request_id.to_owned(),
        family: "venafi".into(),
        // As it is documented, in whatever case it was sent.
        action: format!("{} {}", route.method.to_uppercase(), route.path),
        outcome,
        reason,
        accessor: who.map(|caller| caller.accessor().to_owned()).unwrap_or_default(),
        display_name: who
            .map(|caller| caller.display_name().to_owned())
            .unwrap_or_default(),
        source_ip,
        ..Decision::default()
    });
}
