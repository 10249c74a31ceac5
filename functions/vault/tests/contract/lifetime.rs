//! How long certificates live: case 142 and the reference's table.

use crate::support::{NOW, Reply, Server};
use serde_json::{Value, json};

const SYSTEM: u64 = 768 * 3600;

async fn sign(server: &Server, role: Value, ttl: Option<Value>) -> Reply {
    let mut fields = json!({ "allowed_users": "*" });
    fields
        .as_object_mut()
        .unwrap()
        .extend(role.as_object().unwrap().clone());
    server.role("r", fields).await;
    let mut request = json!({ "valid_principals": "root" });
    if let Some(ttl) = ttl {
        request["ttl"] = ttl;
    }
    server.sign(request).await
}

#[tokio::test]
async fn case_142_backdating_adds_to_the_span() {
    let server = Server::with_ca().await;
    for (not_before, span) in [("300s", 7500), ("2h", 14_400), ("30s", 7230), ("0", 7200)] {
        let reply = sign(
            &server,
            json!({ "not_before_duration": not_before }),
            Some(json!("2h")),
        )
        .await;
        let validity = reply.certificate().validity;
        assert_eq!(
            (validity.length_secs(), validity.valid_before()),
            (span, NOW + 7200),
            "{not_before}"
        );
    }
    let long_ago = json!({ "not_before_duration": "500000h" });
    assert_eq!(
        sign(&server, long_ago, None)
            .await
            .certificate()
            .validity
            .valid_after(),
        0
    );
}

#[tokio::test]
async fn a_ttl_that_is_not_sent_is_cut_and_one_that_is_sent_is_refused() {
    let server = Server::with_ca().await;
    for (role, ttl, expected) in [
        (json!({}), None, Ok(SYSTEM)),
        (json!({ "ttl": 60 }), None, Ok(60)),
        (json!({ "max_ttl": 60 }), None, Ok(60)),
        (json!({ "ttl": 60, "max_ttl": 120 }), Some(json!("120s")), Ok(120)),
        (json!({ "ttl": 60, "max_ttl": 120 }), Some(json!(121)), Err(120)),
        (json!({}), Some(json!("769h")), Err(SYSTEM)),
        // The role alone says what is too long.
        (json!({ "max_ttl": "1000h" }), Some(json!("900h")), Ok(900 * 3600)),
        // Zero stands for the mount's own, which is more than this role's most.
        (json!({ "ttl": 60, "max_ttl": 120 }), Some(json!(0)), Err(120)),
        (json!({ "ttl": 60 }), Some(json!("0")), Ok(SYSTEM)),
        // As hvac sends it: not sent.
        (json!({ "ttl": 60, "max_ttl": 120 }), Some(json!("")), Ok(60)),
        (json!({ "ttl": 60 }), Some(Value::Null), Ok(60)),
    ] {
        let reply = sign(&server, role.clone(), ttl.clone()).await;
        match expected {
            Ok(secs) => assert_eq!(
                reply.certificate().validity.valid_before(),
                NOW + secs,
                "{role} {ttl:?}"
            ),
            Err(max) => reply.refused_by_user_error(&format!("ttl is larger than maximum allowed {max}")),
        }
    }
}

#[tokio::test]
async fn ttls_are_read_as_go_reads_them() {
    let server = Server::with_ca().await;
    for (ttl, secs) in [("1h30m", 5400), ("1.5h", 5400), ("3600", 3600), ("7d", 604_800)] {
        let reply = sign(&server, json!({}), Some(json!(ttl))).await;
        assert_eq!(reply.certificate().validity.valid_before(), NOW + secs, "{ttl}");
    }
    for bad in [
        json!("x"),
        json!("1d12h"),
        json!("1.5"),
        json!(-1),
        json!(1.5),
        json!([1]),
        json!(true),
        json!("300y"),
        json!("99999999999999999999"),
    ] {
        let prefix = "Field validation failed: error converting input for field \"ttl\": ";
        sign(&server, json!({}), Some(bad))
            .await
            .refused_with(400, prefix);
    }
}

#[tokio::test]
async fn what_is_not_lent_has_no_lease() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    server
        .write("ssh/config/zeroaddress", json!({ "roles": "r" }))
        .await
        .expect(204);
    let mut replies = vec![
        server.sign(json!({ "valid_principals": "root" })).await,
        server.list("ssh/roles").await,
        server.read("ssh/config/ca").await,
        server.read("ssh/config/zeroaddress").await,
        server.write("ssh/lookup", json!({ "ip": "192.0.2.1" })).await,
        server
            .write("ssh/verify", json!({ "otp": "verify-echo-request" }))
            .await,
    ];
    server.delete("ssh/config/ca").await.expect(204);
    replies.push(
        server
            .write("ssh/config/ca", json!({ "key_type": "ed25519" }))
            .await,
    );
    for reply in replies {
        let envelope = reply.expect(200).json();
        assert_eq!(envelope.as_object().unwrap().len(), 8, "{envelope}");
        for (name, value) in [
            ("lease_id", json!("")),
            ("renewable", json!(false)),
            ("lease_duration", json!(0)),
            ("warnings", Value::Null),
            ("auth", Value::Null),
        ] {
            assert_eq!(envelope[name], value, "{name}");
        }
    }
}
