//! Every route, called without credentials, with bad ones, and with those of another kind.

use super::fixture::Fixture;
use crate::routes::{Access, TABLE};
use serde_json::json;

#[tokio::test]
async fn every_route_takes_the_credentials_that_the_table_says_and_no_other() {
    let fixture = Fixture::new().await;
    let other_scope = super::fixture::text(&fixture.log_in("certificate:manage").await.ok()["access_token"]);
    let powerless = fixture.token_with("powerless", "").await;
    for route in TABLE {
        let method = route.method.to_uppercase();
        let send = |token: Option<String>| {
            let (fixture, method) = (&fixture, method.clone());
            async move {
                fixture
                    .send(&method, route.path, token.as_deref(), Some(&json!({})))
                    .await
            }
        };
        let (none, bad) = (send(None).await, send(Some("csn_unknown".into())).await);
        if route.access == Access::Public {
            assert_ne!(none.status.as_u16(), 401, "{method} {}", route.path);
            assert_eq!(none.status, bad.status, "{method} {}", route.path);
            continue;
        }
        none.denies(401, "invalid_token");
        bad.denies(401, "invalid_token");
        if route.access == Access::Ssh {
            send(Some(other_scope.clone()))
                .await
                .denies(403, "insufficient_scope");
            send(Some(powerless.clone())).await.fails(403, 12);
        }
    }
}

#[test]
fn the_table_has_no_row_twice() {
    let mut rows: Vec<(String, &str)> = TABLE
        .iter()
        .map(|route| (route.path.to_lowercase(), route.method))
        .collect();
    rows.sort_unstable();
    let count = rows.len();
    rows.dedup();
    assert_eq!(rows.len(), count);
    assert!(TABLE.iter().all(|route| !route.path.ends_with('/')));
}

#[tokio::test]
async fn other_paths_and_methods_are_answered_in_this_dialect() {
    let fixture = Fixture::new().await;
    for path in [
        "/vedsdk/none",
        "/VEDSDK/SSHCertificates",
        "/vedsdk/SSHCertificates/Request/x",
    ] {
        fixture.get(path, None).await.fails(404, 100);
    }
    fixture
        .get("/vedauth/none", None)
        .await
        .denies(404, "invalid_request");
    let answer = fixture.get("/vedsdk/SSHCertificates/Request", None).await;
    answer.fails(405, 100);
    assert_eq!(answer.headers["allow"], "POST");
    let nobodys = fixture.get("/v1/sys/health", None).await;
    assert_eq!((nobodys.status.as_u16(), nobodys.text.as_str()), (404, ""));
}
