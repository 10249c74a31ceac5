//! Every route, called without credentials, with bad ones, and with those of another kind.

use super::fixture::Fixture;
use crate::routes::{Access, TABLE};
use serde_json::json;

fn path_of(pattern: &str) -> String {
    let id = "3a2b1c0d-4e5f-4071-8293-a4b5c6d7e8f9";
    pattern
        .split('/')
        .map(|part| if part.starts_with('{') { id } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn every_route_that_is_not_public_needs_a_token() {
    let fixture = Fixture::new().await;
    for route in TABLE {
        let method = route.method.as_str();
        for path in [path_of(route.path), path_of(route.path) + "/"] {
            let answer = fixture.send(method, &path, None, None).await;
            assert!(
                !answer.text.contains("\"Route "),
                "{method} {path}: {}",
                answer.text
            );
            if route.access == Access::Public {
                assert_ne!(answer.status.as_u16(), 401, "{method} {path}");
            } else {
                answer.fails(401, "UnauthorizedError", "Token missing");
            }
        }
    }
}

#[tokio::test]
async fn every_route_but_a_login_by_password_refuses_a_bad_token() {
    let fixture = Fixture::new().await;
    for route in TABLE {
        let method = route.method.as_str();
        let answer = fixture
            .send(method, &path_of(route.path), Some("abc"), None)
            .await;
        if matches!(route.path, "/api/v3/auth/login" | "/api/status") {
            assert_ne!(answer.status.as_u16(), 403);
        } else {
            assert_eq!(answer.status.as_u16(), 403, "{} {}", route.method, route.path);
            assert_eq!(answer.json()["error"], "TokenError");
        }
    }
}

/// A method in lower case is another method, and the right to one is not that to another.
#[tokio::test]
async fn a_method_in_lower_case_is_none_of_ours() {
    let fixture = Fixture::new().await;
    for route in TABLE {
        let (method, path) = (route.method.as_str().to_lowercase(), path_of(route.path));
        let answer = fixture.send(&method, &path, Some(&fixture.root), None).await;
        assert_eq!(answer.status.as_u16(), 404, "{method} {path}");
        assert_eq!(
            answer.json()["message"],
            format!("Route {method}:{path} not found")
        );
    }
}

#[tokio::test]
async fn a_token_of_another_kind_is_refused() {
    let mut fixture = Fixture::new().await;
    let (admin, machine) = (fixture.user("admin").await, fixture.machine("m-id").await);
    for route in TABLE {
        let tokens = match route.access {
            Access::Account => vec![&admin, &machine],
            Access::User => vec![&machine, &fixture.root],
            Access::Any | Access::Public => continue,
        };
        for token in tokens {
            let (method, path) = (route.method.as_str(), path_of(route.path));
            let answer = fixture.send(method, &path, Some(token), Some(&json!({}))).await;
            let error = format!("Forbidden access to {path}");
            answer.fails(403, &error, "You are not allowed to access this resource");
        }
    }
}

#[test]
fn the_table_has_no_row_twice() {
    let mut rows: Vec<(&str, &str)> = TABLE
        .iter()
        .map(|route| (route.path, route.method.as_str()))
        .collect();
    rows.sort_unstable();
    let count = rows.len();
    rows.dedup();
    assert_eq!(rows.len(), count);
}
