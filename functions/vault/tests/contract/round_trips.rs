//! What one certificate costs, and what happens when the store fails.

use crate::support::{ED25519, Server};
use countersign::{
    certificates::{self, CertificateRecord},
    store::faulty::{Counts, Fail, Fault, Operation},
    types::Serial,
};
use serde_json::json;

#[tokio::test]
async fn a_warm_signature_is_one_read_and_one_write() {
    let server = Server::with_role(json!({ "allowed_users": "root", "default_user": "root" })).await;
    server.sign(json!({})).await.expect(200);
    for _ in 0..3 {
        server.store.take_counts();
        server.sign(json!({})).await.expect(200);
        assert_eq!(
            server.store.take_counts(),
            Counts {
                queries: 0,
                reads: 1,
                writes: 1
            }
        );
    }
    server
        .write("ssh/issue/r", json!({ "key_type": "ed25519" }))
        .await
        .expect(200);
    server.store.take_counts();
    server
        .write("ssh/issue/r", json!({ "key_type": "ed25519" }))
        .await
        .expect(200);
    assert_eq!(
        server.store.take_counts(),
        Counts {
            queries: 0,
            reads: 1,
            writes: 1
        }
    );
}

#[tokio::test]
async fn a_stale_hint_costs_a_read_and_decides_nothing() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let root = json!({ "valid_principals": "root" });
    let old = server.sign(root.clone()).await.certificate().signature_key;
    server.delete("ssh/config/ca").await.expect(204);
    server
        .write("ssh/config/ca", json!({ "key_type": "ec" }))
        .await
        .expect(200);
    server.store.take_counts();
    let new = server.sign(root.clone()).await.certificate().signature_key;
    assert_ne!(old, new);
    assert_eq!(server.store.take_counts().reads, 2);
    server.sign(root.clone()).await.expect(200);
    assert_eq!(server.store.take_counts().reads, 1);
    // A narrowed role counts at once, and a deleted one is gone at once.
    server.role("r", json!({ "allowed_users": "web" })).await;
    server.sign(root.clone()).await.expect(400);
    server.delete("ssh/roles/r").await.expect(204);
    server.sign(root).await.refused_by_user_error("Unknown role: r");
}

#[tokio::test]
async fn every_certificate_has_its_record() {
    let server = Server::with_role(json!({ "allowed_users": "root" })).await;
    let reply = server
        .sign(json!({ "valid_principals": "root" }))
        .await
        .expect(200);
    let request_id = reply.json()["request_id"].as_str().unwrap().to_owned();
    let serial = u64::from_str_radix(reply.json()["data"]["serial_number"].as_str().unwrap(), 16).unwrap();
    let found = certificates::read_serial(&*server.services.store, Serial::parse(serial).unwrap())
        .await
        .unwrap();
    let CertificateRecord {
        family,
        role,
        display_name,
        request_id: recorded,
        ..
    } = found.unwrap().0;
    assert_eq!(
        (family.as_str(), role.as_str(), display_name.as_str()),
        ("vault", "ssh/r", "root")
    );
    assert_eq!(recorded, request_id);
}

#[tokio::test]
async fn a_store_that_fails_refuses_and_can_be_asked_again() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let root = json!({ "valid_principals": "root" });
    server.sign(root.clone()).await.expect(200);
    for operation in [Operation::Read, Operation::Write] {
        for fail in [Fail::Before, Fail::After] {
            for (fault, status) in [
                (Fault::Throttled, 429),
                (Fault::Unavailable, 503),
                (Fault::Unusable, 500),
            ] {
                server.store.fail_next(operation, fail, fault);
                let reply = server.sign(root.clone()).await.expect(status);
                assert!(!reply.text().contains("signed_key"), "{}", reply.text());
                assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 1);
                assert!(server.store.is_healed());
                server.sign(root.clone()).await.expect(200);
            }
        }
    }
    server
        .store
        .fail_next(Operation::Read, Fail::Before, Fault::Unavailable);
    server
        .write("ssh/sign/r", json!({ "public_key": ED25519 }))
        .await
        .refused_with(503, "try again");
}
