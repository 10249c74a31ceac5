//! Vault's SSH secrets engine, spoken by Countersign, and what its clients need beside it: the paths below `/v1/`.

mod api;
mod dynamic_keys;
mod error;
mod leases;
pub mod mounts;
mod one_time_passwords;
mod refusal;
mod routes;
mod ssh;
mod wrapping;

use axum::{Router, routing::any};
use countersign::Services;
use std::sync::Arc;

pub use leases::end_leases;

/// How many calls to DynamoDB the first certificate of a process makes at the same moment: its record, its day,
/// and that its authority has handed one out.
pub const CALLS_AT_ONCE: usize = 3;

/// All of the dialect: `/v1/` and everything below it, and nothing else.
///
/// A server puts a [`countersign::request_context::ClientAddress`] into the extensions of each request.
pub fn router(services: Services) -> Router {
    let vault = Arc::new(api::Vault::new(services));
    Router::new()
        .route("/v1", any(api::serve))
        .route("/v1/", any(api::serve))
        .route("/v1/{*path}", any(api::serve))
        .with_state(vault)
}

/// The dialect alone on a port: what lies outside `/v1/` is answered as Vault answers it.
pub fn standalone(services: Services) -> Router {
    router(services).fallback(api::outside)
}

/// An example of every path, with the names of its operations and whether each needs no token. Auth methods stand at
/// the usual places.
pub fn paths() -> Vec<(String, Vec<(&'static str, bool)>)> {
    let rows = routes::TABLE.iter().flat_map(|rows| rows.iter());
    rows.map(|route| (route.example(), route.operations())).collect()
}
