//! How a key gets off its host again, whatever fails on the way.

use super::Set;
use crate::support::{NOW, ROOT};
use countersign::{
    hosts::HostError,
    store::{
        Table,
        faulty::{Fail, Fault, Operation},
    },
};
use serde_json::{Value, json};

#[tokio::test]
async fn the_reaper_takes_keys_away_at_their_end_and_not_before() {
    let set = Set::with_role(json!({})).await;
    set.server
        .write(
            "sys/mounts/ssh/tune",
            json!({ "default_lease_ttl": "1h", "max_lease_ttl": "2h" }),
        )
        .await
        .expect(204);
    let id = set.lease().await;
    set.sweep_at(NOW + 3599).await;
    assert_eq!(set.host.lines(), 1);
    assert!(set.is_known(&id).await);
    let renewed = set
        .server
        .write("sys/leases/renew", json!({ "lease_id": id, "increment": 1800 }))
        .await;
    let renewed = renewed.expect(200).json();
    assert_eq!(
        (&renewed["lease_id"], &renewed["lease_duration"]),
        (&json!(id), &json!(1800))
    );
    assert_eq!(
        (&renewed["renewable"], &renewed["data"]),
        (&json!(true), &Value::Null)
    );
    set.sweep_at(NOW + 3599 + 1799).await;
    assert_eq!(set.host.lines(), 1);
    // No renewal goes past the most that the mount lends.
    let renewed = set
        .server
        .write(&format!("sys/renew/{id}"), json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(renewed["lease_duration"], 7200 - 3599 - 1799);
    assert!(renewed["warnings"][0].as_str().is_some());
    set.sweep_at(NOW + 7200).await;
    assert_eq!(set.host.lines(), 0);
    assert!(!set.is_known(&id).await);
    set.server
        .write("sys/leases/renew", json!({ "lease_id": id }))
        .await
        .refused_by_user_error("lease not found");
}

#[tokio::test]
async fn a_host_that_is_away_keeps_the_lease_until_it_is_back() {
    let set = Set::with_role(json!({})).await;
    let id = set.lease().await;
    let away = HostError::Unreachable("away".into());
    set.host.fail(away.clone(), false);
    let revoke = async || {
        set.server
            .write("sys/leases/revoke", json!({ "lease_id": id }))
            .await
    };
    revoke().await.refused_framed(
        500,
        &format!("error removing public key from authorized_keys file in target: {away}"),
    );
    assert!(!set.is_known(&id).await, "it can be renewed no more");
    set.server
        .write("sys/leases/renew", json!({ "lease_id": id }))
        .await
        .refused_by_user_error("lease not found");
    set.host.fail(away.clone(), false);
    set.sweep_at(NOW + 30).await;
    assert_eq!(set.host.lines(), 1);
    set.sweep_at(NOW + 31).await;
    assert_eq!(set.host.lines(), 1, "not before the pause is over");
    set.sweep_at(NOW + 90).await;
    assert_eq!(set.host.lines(), 0);

    // Nobody waits for it; or nobody wants it any more.
    for (path, body, left) in [
        (None, json!({ "sync": false }), 1),
        (Some("sys/leases/revoke-force/ssh"), json!({}), 0),
    ] {
        let id = set.lease().await;
        set.host.fail(away.clone(), false);
        let path = path.map_or_else(|| format!("sys/leases/revoke/{id}"), str::to_owned);
        let reply = set.server.write(&path, body).await;
        assert!([202, 204].contains(&reply.status.as_u16()));
        let before = set.host.logins.lock().unwrap().len();
        set.sweep_at(NOW + 1_000_000).await;
        assert_eq!(set.host.logins.lock().unwrap().len() - before, left);
        set.server.clock.set(NOW);
    }
}

#[tokio::test]
async fn a_key_ends_with_its_token_and_with_its_mount() {
    let set = Set::with_role(json!({})).await;
    let policy = "path \"*\" { capabilities = [\"create\", \"update\", \"sudo\"] }";
    set.server
        .write("sys/policies/acl/p", json!({ "policy": policy }))
        .await
        .expect(204);
    let token = async |fields: Value, of: &str| {
        let mut body = json!({ "policies": ["p"] });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let auth = set
            .server
            .call_as(of, "PUT", "auth/token/create", body)
            .await
            .expect(200)
            .json();
        auth["auth"]["client_token"].as_str().unwrap().to_owned()
    };
    // By the end of its parent.
    let parent = token(json!({}), ROOT).await;
    let child = token(json!({}), &parent).await;
    set.creds_as(&child).await.expect(200);
    set.server
        .write("auth/token/revoke", json!({ "token": parent }))
        .await
        .expect(204);
    assert_eq!(set.host.lines(), 0);
    // Not by the end of a parent that leaves its children.
    let parent = token(json!({}), ROOT).await;
    let child = token(json!({}), &parent).await;
    set.creds_as(&child).await.expect(200);
    set.creds_as(&parent).await.expect(200);
    set.server
        .write("auth/token/revoke-orphan", json!({ "token": parent }))
        .await
        .expect(204);
    assert_eq!(set.host.lines(), 1);
    set.sweep_at(NOW + 1000).await;
    assert_eq!(set.host.lines(), 1);
    set.server
        .call_as(&child, "PUT", "auth/token/revoke-self", json!({}))
        .await
        .expect(204);
    assert_eq!(set.host.lines(), 0);
    // By its token's time, and by its last use.
    set.server.clock.set(NOW);
    let short = token(json!({ "ttl": "100s" }), ROOT).await;
    set.creds_as(&short).await.expect(200);
    set.sweep_at(NOW + 99).await;
    assert_eq!(set.host.lines(), 1);
    set.sweep_at(NOW + 100).await;
    assert_eq!(set.host.lines(), 0);
    set.server.clock.set(NOW);
    let twice = token(json!({ "num_uses": 2 }), ROOT).await;
    set.creds_as(&twice).await.expect(200);
    set.creds_as(&twice).await.expect(400);
    set.sweep_at(NOW + 60).await;
    assert_eq!(set.host.lines(), 0);
    // A mount stays until its keys are gone.
    set.creds().await.expect(200);
    set.host.fail(HostError::Login, false);
    set.server
        .delete("sys/mounts/ssh")
        .await
        .refused_with(500, "error removing public key");
    set.server.read("ssh/roles/r").await.expect(200);
    set.server.delete("sys/mounts/ssh").await.expect(204);
    assert_eq!(set.host.lines(), 0);
}

#[tokio::test]
async fn what_is_ended_while_it_is_installed_does_not_stay_on_its_host() {
    let set = Set::with_role(json!({})).await;
    let policy = "path \"ssh/creds/*\" { capabilities = [\"update\"] }";
    let token = set.server.token_with(policy).await;
    for (method, path, status) in [
        ("PUT", "sys/leases/revoke-prefix/ssh", 503),
        ("PUT", "sys/leases/revoke-force/ssh", 204),
        ("DELETE", "sys/mounts/ssh", 503),
        ("PUT", "auth/token/revoke", 204),
    ] {
        let (is_here, go_on) = set.host.hold();
        let end = async {
            is_here.await.unwrap();
            for _ in 0..2 {
                let body = json!({ "token": token });
                let reply = set.server.call_as(ROOT, method, path, body).await;
                assert_eq!(reply.status, status, "{path}: {}", reply.text());
            }
            go_on.send(()).unwrap();
        };
        let (reply, ()) = tokio::join!(set.creds_as(&token), end);
        assert!(
            [403, 409].contains(&reply.status.as_u16()),
            "{path}: {}",
            reply.text()
        );
        assert_eq!((set.host.lines(), set.records().await), (0, 0), "{path}");
    }
}

#[tokio::test]
async fn a_server_that_dies_after_its_lease_was_ended_leaves_the_key_to_the_reaper() {
    let set = Set::with_role(json!({})).await;
    let (is_here, go_on) = set.host.hold();
    let request = async {
        // It is never heard of again.
        tokio::select! {
            _ = set.creds() => panic!("it answered"),
            () = async {
                is_here.await.unwrap();
                set.server.write("sys/leases/revoke-prefix/ssh", json!({})).await.expect(503);
            } => {}
        }
    };
    request.await;
    drop(go_on);
    set.host.lines.lock().unwrap().clear();
    set.host.lines.lock().unwrap().insert("unknown".into());
    let before = set.host.logins.lock().unwrap().len();
    set.sweep_at(NOW + 120).await;
    assert_eq!(
        set.host.logins.lock().unwrap().len(),
        before + 1,
        "somebody looks"
    );
    assert_eq!(set.records().await, 0);
}

/// The two ways in which a write fails; a read has one, since whether it took place does not matter.
const WRITES: [(Operation, Fail); 2] = [(Operation::Write, Fail::Before), (Operation::Write, Fail::After)];

/// Every write and every read on the way fails once. However that ends, after the reaper's time nothing is
/// on the host without a lease, and there is no lease without its key.
#[tokio::test]
async fn no_fault_of_the_store_leaves_a_key_without_a_lease() {
    let set = Set::with_role(json!({})).await;
    for (operation, fail) in WRITES.into_iter().chain([(Operation::Read, Fail::Before)]) {
        for nth in 1.. {
            set.server.clock.set(NOW);
            let fault = operation.on(Table::Access);
            set.server.store.fail_nth(fault, nth, fail, Fault::Unavailable);
            let reply = set.creds().await;
            let is_through = !set.server.store.is_healed();
            set.server.store.heal();
            let place = format!("{operation:?} {nth} {fail:?}: {}", reply.text());
            if is_through {
                assert_eq!(reply.status, 200, "{place}");
                set.server
                    .write("sys/leases/revoke-prefix/ssh", json!({}))
                    .await
                    .expect(204);
            } else {
                assert_eq!(reply.status, 503, "{place}");
                set.sweep_at(NOW + 121).await;
            }
            assert_eq!((set.host.lines(), set.records().await), (0, 0), "{place}");
            if is_through {
                assert!(nth > 1);
                break;
            }
        }
    }
}

#[tokio::test]
async fn no_fault_of_the_store_loses_a_lease_that_ends() {
    let set = Set::with_role(json!({})).await;
    for by_reaper in [false, true] {
        let reads = [Operation::Read, Operation::Query].map(|operation| (operation, Fail::Before));
        for (operation, fail) in WRITES.into_iter().chain(reads) {
            for nth in 1.. {
                set.server.clock.set(NOW);
                let id = set.lease().await;
                let fault = operation.on(Table::Access);
                set.server.store.fail_nth(fault, nth, fail, Fault::Unavailable);
                if by_reaper {
                    set.server.clock.set(NOW + 2_764_800);
                    let _ = countersign_vault::end_leases(&set.server.services).await;
                } else {
                    let body = json!({ "lease_id": id });
                    set.server.write("sys/leases/revoke", body).await;
                }
                let is_through = !set.server.store.is_healed();
                set.server.store.heal();
                let place = format!("{by_reaper} {operation:?} {nth} {fail:?}");
                // A key on the host has its lease at every moment.
                assert!(set.host.lines() == 0 || set.records().await >= 2, "{place}");
                set.sweep_at(NOW + 2_764_800).await;
                set.sweep_at(NOW + 2_764_900).await;
                assert_eq!((set.host.lines(), set.records().await), (0, 0), "{place}");
                if is_through {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_host_that_is_away_keeps_no_other_waiting() {
    let set = Set::with_role(json!({})).await;
    let ask = async |ip: &str| {
        set.server
            .write("ssh/creds/r", json!({ "ip": ip }))
            .await
            .expect(200);
    };
    for _ in 0..33 {
        ask("10.1.1.1").await;
    }
    set.server.clock.set(NOW + 1);
    ask("10.2.2.2").await;
    *set.host.away.lock().unwrap() = Some("10.1.1.1");
    let before = set.host.logins.lock().unwrap().len();
    set.sweep_at(NOW + 1 + 2_764_800).await;
    assert_eq!(set.host.lines(), 33, "the other host's is gone");
    let logins = set.host.logins.lock().unwrap().len() - before;
    assert_eq!(logins, 3, "who is away is not tried again and again");
    // Once it is back, all of its keys go.
    *set.host.away.lock().unwrap() = None;
    for minute in 1..5 {
        set.sweep_at(NOW + 1 + 2_764_800 + 60 * minute).await;
    }
    assert_eq!((set.host.lines(), set.records().await), (0, 0));
}

#[tokio::test]
async fn a_mount_that_moves_takes_its_keys_back_first() {
    let set = Set::with_role(json!({})).await;
    set.creds().await.expect(200);
    let remount = async || {
        let body = json!({ "from": "ssh", "to": "moved" });
        set.server.write("sys/remount", body).await
    };
    set.host.fail(HostError::Unreachable("away".into()), false);
    remount().await.refused_with(500, "error removing public key");
    set.server.read("ssh/roles/r").await.expect(200);
    remount().await.expect(200);
    assert_eq!((set.host.lines(), set.records().await), (0, 0));
    set.server.delete("sys/mounts/moved").await.expect(204);
}
