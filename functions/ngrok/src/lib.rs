//! ngrok's SSH certificate API, spoken by Countersign: authorities, user certificates and host certificates to create,
//! read, list, update and delete.
//!
//! A request goes through `endpoint` (what every request must satisfy), a handler in `routes` (parse, authorise, issue,
//! render) and `error` (what a failure looks like). What may be signed is the core's to decide; `role` says it for this
//! API. docs/DIVERGENCES.md lists what is different from ngrok, with the reasons.
//!
//! # Who may do what
//!
//! | request | path in policies | capability |
//! |---|---|---|
//! | `POST /<resource>` | `<resource>` | `create` |
//! | `GET /<resource>` | `<resource>` | `list` |
//! | `GET /<resource>/<id>` | `<resource>/<id>` | `read` |
//! | `PATCH /<resource>/<id>` | `<resource>/<id>` | `update` |
//! | `DELETE /<resource>/<id>` | `<resource>/<id>` | `delete` |
//! | a certificate's creation, besides | `ssh_certificate_authorities/<id of the authority>` | `update` |

mod auth;
mod call;
mod endpoint;
mod error;
#[cfg(any(test, feature = "openapi"))]
pub mod openapi;
mod order;
mod query;
mod record;
mod resource;
mod role;
mod routes;
mod text;
pub mod wire;

use axum::Router;
use countersign::Services;

/// How many calls to DynamoDB the first certificate of a process makes at the same moment: its record and its day.
pub const CALLS_AT_ONCE: usize = 2;

/// The routes of the family: the three resources and all that lies beneath their paths, so that on a port which other
/// families share, too, an unknown path there is answered as ngrok does.
///
/// URIs in answers begin with the origin that the client used: the request's own URI where it is absolute, otherwise
/// its `Host`. A server that speaks TLS itself puts `http::uri::Scheme::HTTPS` among the request's extensions.
pub fn router(services: Services) -> Router {
    routes::all().with_state(services)
}

/// The routes of the family where nothing else is served: every other path is answered as ngrok does too.
pub fn standalone(services: Services) -> Router {
    let fallback = axum::routing::MethodRouter::new()
        .fallback(endpoint::no_route)
        .with_state(services.clone());
    router(services).fallback_service(fallback)
}
