//! The routes, one file for each resource. User and host certificates share their handlers.

mod authorities;
#[cfg(test)]
mod bodies;
mod certificates;
mod host_certificates;
mod user_certificates;

use crate::{endpoint::no_route, error::Failure, query::Page, resource::Resource};
use axum::{Router, routing::MethodRouter};
use countersign::Services;

/// All routes.
pub(crate) fn all() -> Router<Services> {
    Router::new()
        .merge(authorities::routes())
        .merge(host_certificates::routes())
        .merge(user_certificates::routes())
}

/// The handlers of one resource: on the collection, and on one of its items. Everything else beneath its name, and
/// every other method, is a 404 of ours.
fn resource(
    resource: Resource,
    collection: MethodRouter<Services>,
    item: MethodRouter<Services>,
) -> Router<Services> {
    let name = resource.name();
    Router::new()
        .route(&format!("/{name}"), collection.fallback(no_route))
        .route(&format!("/{name}/"), MethodRouter::new().fallback(no_route))
        .route(&format!("/{name}/{{*id}}"), item.fallback(no_route))
}

/// What follows the prefix of `resource` in the `before_id` of `page`.
fn cursor(page: &Page, resource: Resource) -> Result<Option<&str>, Failure> {
    let Some(id) = page.before_id.as_deref() else {
        return Ok(None);
    };
    let prefix = resource.id_prefix();
    let wrong = || {
        Failure::invalid(
            227,
            format!("The parameter 'before_id' must be an id that begins with '{prefix}'."),
        )
    };
    id.strip_prefix(prefix).map(Some).ok_or_else(wrong)
}

/// The URI of the page after the one that ends with `last_id`.
fn next_page_uri(list_uri: &str, limit: usize, last_id: &str) -> String {
    format!("{list_uri}?limit={limit}&before_id={last_id}")
}
