//! The SSH certificate API of Venafi (CyberArk SSH Protect), spoken by Countersign: `vedsdk/SSHCertificates`, and the
//! `vedauth` routes by which its clients get their tokens.
//!
//! A request goes through `endpoint` (the way to its route, in any case), a handler in `routes` (parse, authorise,
//! record, sign, render) and `error` (what a failure looks like). What may be signed is the core's to decide;
//! `template` says it for this API. docs/DIVERGENCES.md lists what is different from the product, with the reasons.
//!
//! # Who may do what
//!
//! | request | path in policies | capability |
//! |---|---|---|
//! | `GET <path>` | `<path>` as it is documented: `vedsdk/SSHCertificates/…` | `read` |
//! | `POST <path>` | the same | `create` or `update` |
//! | Request, Retrieve, besides | `vedsdk/template/<DN of the template>` | `update` |
//! | Request that names a folder, besides | `vedsdk/folder/<DN of the folder>` | `create` |
//! | Template/Retrieve, Template/Available, besides | `vedsdk/template/<DN>` | `read` or `update` |
//! | Request for an object of another template, besides | `vedsdk/template/<DN>` of that one | `update` |
//! | Template/Create, /Update, /Delete, besides | `vedsdk/template/<DN>` | `create`, `sudo`, `delete` |
//! | a template of an existing authority, besides | `ssh_certificate_authorities/<id>` | `update` |
//! | a template of a KMS key, besides | `sys/countersign/authorities` | `create` or `update` |
//! | a private key that another caller had made | `vedsdk/template/<DN>` | `sudo` |

mod algorithm;
mod auth;
mod body;
mod call;
mod dn;
mod endpoint;
mod error;
mod guid;
mod hints;
mod object;
#[cfg(any(test, feature = "openapi"))]
pub mod openapi;
mod order;
mod pending;
mod private_key;
mod routes;
mod session;
mod template;
#[cfg(test)]
mod tests;
mod time;
mod validity;
mod wire;

pub use pending::{CarriedOut, carry_out_pending};

use axum::{Router, extract::Request};
use countersign::Services;
use hints::Hints;
use std::sync::Arc;

/// How many calls to DynamoDB the first certificate of a process makes at the same moment: its record and its day.
pub const CALLS_AT_ONCE: usize = 2;

/// What all requests share.
#[derive(Clone)]
struct Server {
    services: Services,
    hints: Arc<Hints>,
}

impl Server {
    fn new(services: Services) -> Self {
        Self {
            services,
            hints: Arc::default(),
        }
    }
}

/// The routes of the family: everything below `/vedsdk` and `/vedauth`, in any case. Since paths are not told apart by
/// case here, all of it is the router's fallback; a path of nobody's is a plain 404.
///
/// A server puts a [`countersign::request_context::ClientAddress`] into the extensions of each request.
pub fn router(services: Services) -> Router {
    Router::new()
        .fallback(endpoint::answer)
        .with_state(Server::new(services))
}

/// The routes of the family where nothing else is served: every other path is answered as this API does too.
pub fn standalone(services: Services) -> Router {
    let server = Server::new(services);
    Router::new().fallback(move |request: Request| endpoint::answer_own(server.clone(), request))
}
