//! Infisical's SSH API, spoken by Countersign: the paths below `/api`.

mod algorithm;
mod apply;
mod auth;
mod authorities;
mod compile;
mod duration;
mod error;
mod hints;
mod hosts;
mod input;
mod issuing;
mod jwt;
mod lockout;
mod mappings;
mod model;
mod names;
#[cfg(any(test, feature = "openapi"))]
pub mod openapi;
mod organization;
mod permission;
mod principal;
mod projects;
mod records;
mod removal;
mod request;
mod routes;
mod session;
mod standing;
#[cfg(test)]
mod tests;
mod time;
mod user;
mod validation;
mod wire;

use axum::Router;
use countersign::{Error, Services};
use hints::Hints;
use jwt::JwtKey;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// How many calls to DynamoDB the first certificate of a process makes at the same moment: its record, its place
/// in a list, its day, and that its authority has handed one out.
pub const CALLS_AT_ONCE: usize = 4;

/// What all requests of a process share.
struct Infisical {
    services: Services,
    hints: Hints,
    jwt_key: OnceCell<JwtKey>,
}

/// The same, as handlers have it.
type App = Arc<Infisical>;

impl Infisical {
    /// The key of all tokens. It is opened once: like a CA key, it decides nothing that could be out of date.
    async fn jwt_key(&self) -> Result<&JwtKey, Error> {
        self.jwt_key
            .get_or_try_init(|| session::jwt_key(&self.services))
            .await
    }
}

/// All of the dialect: `/api` and everything below it, and nothing else.
///
/// A server puts a [`countersign::request_context::ClientAddress`] into the extensions of each request.
pub fn router(services: Services) -> Router {
    routes::router(Arc::new(Infisical {
        services,
        hints: Hints::default(),
        jwt_key: OnceCell::new(),
    }))
}
