//! Roles of type `dynamic`, `keys`, and keys on hosts: cases 54 to 60, 25, 41. The hosts are made up here; real ones are
//! asked in the tests of the whole.

use crate::support::{NOW, ROOT, Server, key};
use countersign::{
    authority::KeySpec,
    hosts::{HostError, HostKeys, HostLogin, Hosts},
    store::{
        Query, Store, Table,
        faulty::{Fail, Fault, Operation},
    },
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio::sync::oneshot;

/// A host: the lines of its authorized keys, and what it does next.
#[derive(Default)]
struct Host {
    lines: Mutex<BTreeSet<String>>,
    failures: Mutex<Vec<(HostError, bool)>>,
    logins: Mutex<Vec<(String, HostKeys)>>,
    /// What stands in the addresses of hosts that never answer.
    away: Mutex<Option<&'static str>>,
    /// What the next installation waits for before it begins: it says that it is there, and is let on.
    gate: Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>,
}

impl Host {
    /// Fails the next command; it has its effect all the same or not.
    fn fail(&self, error: HostError, with_effect: bool) {
        self.failures.lock().unwrap().push((error, with_effect));
    }

    /// Holds the next installation: tells when it is there, and lets it on.
    fn hold(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((here, is_here), (go_on, go)) = (oneshot::channel(), oneshot::channel());
        *self.gate.lock().unwrap() = Some((here, go));
        (is_here, go_on)
    }

    fn lines(&self) -> usize {
        self.lines.lock().unwrap().len()
    }
}

#[async_trait::async_trait]
impl Hosts for Host {
    async fn run(&self, login: &HostLogin, command: &str, input: &[u8]) -> Result<(), HostError> {
        assert!(input.starts_with(b"#!/bin/sh\n"));
        let login = (
            format!("{}@{}", login.user, login.address),
            login.host_keys.clone(),
        );
        let is_away = self
            .away
            .lock()
            .unwrap()
            .is_some_and(|part| login.0.contains(part));
        self.logins.lock().unwrap().push(login);
        if is_away {
            return Err(HostError::Unreachable("away".into()));
        }
        let gate = self.gate.lock().unwrap().take();
        if let Some((here, go)) = gate {
            here.send(()).unwrap();
            go.await.unwrap();
        }
        let (before, key) = command.split_once("ssh-rsa ").unwrap();
        let options = before.rsplit('\'').next().unwrap();
        let line = format!("{options}ssh-rsa {}", key.split('\'').next().unwrap());
        let failure = self.failures.lock().unwrap().pop();
        if failure.as_ref().is_none_or(|(_, with_effect)| *with_effect) {
            let mut lines = self.lines.lock().unwrap();
            if command.contains(".sh install ") {
                lines.insert(line);
            } else {
                assert!(command.contains(".sh uninstall "));
                lines.remove(&line);
            }
        }
        failure.map_or(Ok(()), |(error, _)| Err(error))
    }
}

struct Set {
    server: Server,
    host: Arc<Host>,
}

impl Set {
    async fn new() -> Self {
        let mut server = Server::new().await;
        let host = Arc::new(Host::default());
        server.services.hosts = host.clone();
        server.router = countersign_vault::standalone(server.services.clone());
        let pem = key(KeySpec::Ed25519).await.to_pem();
        server
            .write("ssh/keys/k", json!({ "key": pem.as_str() }))
            .await
            .expect(204);
        Self { server, host }
    }

    async fn with_role(fields: Value) -> Self {
        let set = Self::new().await;
        set.role(fields).await.expect(204);
        set
    }

    async fn role(&self, fields: Value) -> crate::support::Reply {
        let line = key(KeySpec::Ed25519).await.public_key().to_line();
        let mut body = json!({
            "key_type": "dynamic", "key": "k", "admin_user": "admin", "default_user": "ubuntu",
            "cidr_list": "10.0.0.0/8", "host_key": line,
        });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        self.server.write("ssh/roles/r", body).await
    }

    async fn creds(&self) -> crate::support::Reply {
        self.creds_as(ROOT).await
    }

    async fn creds_as(&self, token: &str) -> crate::support::Reply {
        self.server
            .call_as(token, "PUT", "ssh/creds/r", json!({ "ip": "10.1.1.1" }))
            .await
    }

    /// Asks for a key, and gives the lease's id.
    async fn lease(&self) -> String {
        self.creds().await.expect(200).json()["lease_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn sweep_at(&self, now: u64) {
        self.server.clock.set(now);
        countersign_vault::end_leases(&self.server.services)
            .await
            .unwrap();
    }

    /// How many records of leases there are, over or not, and of when they are due.
    async fn records(&self) -> usize {
        let shards = (0..16).map(|shard| format!("lease/{shard:x}"));
        let mut found = 0;
        for partition in shards.chain(["lease-due".to_owned()]) {
            let query = Query::partition(Table::Access, partition);
            found += self.server.store.inner().query(&query).await.unwrap().len();
        }
        found
    }

    async fn is_known(&self, lease: &str) -> bool {
        self.server
            .write("sys/leases/lookup", json!({ "lease_id": lease }))
            .await
            .status
            == 200
    }
}

#[tokio::test]
async fn case_54_keys_are_written_and_deleted_and_never_read() {
    let set = Set::new().await;
    let server = &set.server;
    server.read("ssh/keys/k").await.expect(405);
    server.list("ssh/keys").await.expect(404);
    for bad in [
        "",
        "nonsense",
        "-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n",
    ] {
        server
            .write("ssh/keys/k", json!({ "key": bad }))
            .await
            .refused_by_user_error("Invalid key");
    }
    let encrypted = key(KeySpec::Ed25519)
        .await
        .to_encrypted_openssh("", "x", &*server.services.random)
        .await
        .unwrap();
    server
        .write("ssh/keys/k", json!({ "key": encrypted.as_str() }))
        .await
        .refused_by_user_error("Invalid key");
    for name in ["k", "k", "unknown"] {
        server.delete(&format!("ssh/keys/{name}")).await.expect(204);
    }
    server.write("ssh/keys/a@b", json!({})).await.expect(404);
}

#[tokio::test]
async fn case_55_56_a_role_reads_back() {
    let set = Set::with_role(json!({})).await;
    let data = set.server.read("ssh/roles/r").await.data();
    let script = data["install_script"].as_str().unwrap();
    assert!(script.starts_with("#!/bin/sh\n") && script.contains("install"));
    let expected = json!({
        "accept_any_host_key": false, "admin_user": "admin", "allowed_users": "", "cidr_list": "10.0.0.0/8",
        "default_user": "ubuntu", "exclude_cidr_list": "",
        "host_key": key(KeySpec::Ed25519).await.public_key().to_line(), "install_script": script, "key": "k",
        "key_bits": 2048, "key_option_specs": "", "key_type": "dynamic", "port": 22,
    });
    assert_eq!(data, expected);
    let listed = set.server.list("ssh/roles").await.data();
    assert_eq!(listed["key_info"], json!({ "r": { "key_type": "dynamic" } }));
    set.server.delete("ssh/roles/r").await.expect(204);
    set.server.read("ssh/roles/r").await.refused_silently(404);
}

#[tokio::test]
async fn a_role_is_checked_in_the_order_of_the_real_product() {
    let set = Set::new().await;
    let mut fields =
        json!({ "default_user": "", "key": "", "admin_user": "", "key_bits": 1023, "host_key": "x" });
    let mut refused = async |name: &str, mended: Value, text: &str| {
        set.role(fields.clone()).await.refused_by_user_error(text);
        fields[name] = mended;
    };
    refused("default_user", "ubuntu".into(), "missing default user").await;
    refused("key", "other".into(), "missing key name").await;
    refused("key", "k".into(), "invalid 'key': \"other\"").await;
    refused("admin_user", "admin".into(), "missing admin username").await;
    refused("key_bits", 2048.into(), "invalid key_bits field").await;
    set.role(fields.clone())
        .await
        .refused_with(400, "line 1 of host_key");
    set.role(json!({ "key_option_specs": "a\nb" }))
        .await
        .refused_with(400, "key_option_specs");
    set.role(json!({ "install_script": "x".repeat(40_000) }))
        .await
        .refused_with(400, "install_script");
    for (bits, made) in [(1024, 2048), (2048, 2048), (3072, 3072), (4096, 4096), (0, 2048)] {
        let reply = set.role(json!({ "key_bits": bits })).await;
        assert_eq!(reply.status, if bits == 1024 { 200 } else { 204 });
        assert_eq!(
            reply.text().contains("RSA keys of 1024 bits are not made"),
            bits == 1024
        );
        assert_eq!(set.server.read("ssh/roles/r").await.data()["key_bits"], made);
    }
    for fields in [
        json!({ "host_key": "" }),
        json!({ "host_key": "", "accept_any_host_key": true }),
    ] {
        let warning = set.role(fields).await.expect(200).json()["warnings"][0].clone();
        assert!(
            warning.as_str().unwrap().contains("accept_any_host_key"),
            "{warning}"
        );
    }
}

#[tokio::test]
async fn case_57_58_a_key_is_lent_and_taken_back() {
    let set = Set::with_role(json!({ "key_option_specs": "no-pty" })).await;
    let reply = set.creds().await.expect(200).json();
    let data = &reply["data"];
    assert!(
        data["key"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN RSA PRIVATE KEY-----\n")
    );
    let expected = json!({
        "ip": "10.1.1.1", "key": data["key"], "key_type": "dynamic", "port": 22, "username": "ubuntu",
    });
    assert_eq!(*data, expected);
    assert_eq!(
        (&reply["renewable"], &reply["lease_duration"]),
        (&json!(true), &json!(2_764_800))
    );
    assert_eq!(set.host.lines(), 1);
    let line = set.host.lines.lock().unwrap().first().cloned().unwrap();
    assert!(line.starts_with("no-pty ssh-rsa "), "{line}");
    let (who, keys) = set.host.logins.lock().unwrap()[0].clone();
    assert_eq!(who, "admin@10.1.1.1:22");
    assert!(matches!(keys, HostKeys::Known(keys) if keys.len() == 1));
    let id = reply["lease_id"].as_str().unwrap();
    set.server
        .write("sys/leases/revoke", json!({ "lease_id": id }))
        .await
        .expect(204);
    assert_eq!(set.host.lines(), 0);
    assert!(!set.is_known(id).await);
}

#[tokio::test]
async fn case_59_60_left_over_keys_are_tidied() {
    let set = Set::new().await;
    let tidied = async || set.server.delete("ssh/tidy/dynamic-keys").await.data()["message"].clone();
    assert_eq!(tidied().await, "Removed 1 of 1 host keys.");
    assert_eq!(tidied().await, "Removed 0 of 0 host keys.");
    let pem = key(KeySpec::Ed25519).await.to_pem();
    for name in 0..15 {
        set.server
            .write(&format!("ssh/keys/k{name}"), json!({ "key": pem.as_str() }))
            .await
            .expect(204);
    }
    assert_eq!(tidied().await, "Removed 15 of 15 host keys.");
    assert_eq!(tidied().await, "Removed 0 of 0 host keys.");
    // What a role or a lease needs is none.
    set.server
        .write("ssh/keys/k", json!({ "key": pem.as_str() }))
        .await
        .expect(204);
    set.role(json!({})).await.expect(204);
    let lease = set.lease().await;
    assert_eq!(tidied().await, "Removed 0 of 0 host keys.");
    set.server.delete("ssh/roles/r").await.expect(204);
    assert_eq!(tidied().await, "Removed 0 of 0 host keys.");
    set.server
        .write("sys/leases/revoke", json!({ "lease_id": lease }))
        .await
        .expect(204);
    assert_eq!(tidied().await, "Removed 1 of 1 host keys.");
}

#[tokio::test]
async fn case_25_41_networks_hold_for_keys_too() {
    let set = Set::with_role(json!({ "cidr_list": "" })).await;
    set.creds()
        .await
        .refused_by_user_error("Error validating IP: IP does not belong to role");
    set.server
        .write("ssh/config/zeroaddress", json!({ "roles": "r" }))
        .await
        .expect(204);
    set.creds().await.expect(200);
    set.server.delete("ssh/config/zeroaddress").await.expect(204);
    set.creds()
        .await
        .refused_by_user_error("Error validating IP: IP does not belong to role");
    set.role(json!({})).await.expect(204);
    let roles = set
        .server
        .write("ssh/lookup", json!({ "ip": "10.1.1.1" }))
        .await
        .data();
    assert_eq!(roles, json!({ "roles": ["r"] }));
}

#[tokio::test]
async fn without_a_host_key_nothing_is_sent_anywhere() {
    let set = Set::new().await;
    set.role(json!({ "host_key": "" })).await.expect(200);
    set.creds().await.refused_with(400, "host_key");
    let port = json!({ "port": 70000 });
    set.role(port).await.expect(204);
    set.creds().await.refused_with(400, "port");
    set.role(json!({ "allowed_users": "*" })).await.expect(204);
    let body = json!({ "ip": "10.1.1.1", "username": "../root" });
    set.server
        .write("ssh/creds/r", body)
        .await
        .refused_with(400, "username");
    assert!(set.host.logins.lock().unwrap().is_empty());
    set.role(json!({ "host_key": "", "accept_any_host_key": true }))
        .await
        .expect(200);
    set.creds().await.expect(200);
    assert_eq!(set.host.logins.lock().unwrap()[0].1, HostKeys::Any);
}

#[tokio::test]
async fn a_host_that_cannot_be_used_is_a_clear_error_and_leaves_nothing() {
    let set = Set::with_role(json!({})).await;
    let text = "failed to add public key to authorized_keys file in target: ";
    for error in [
        HostError::HostKey("SHA256:x".into()),
        HostError::Login,
        HostError::Unreachable("nobody there".into()),
        HostError::Command(Some(1)),
    ] {
        set.host.fail(error.clone(), false);
        set.creds().await.refused_framed(500, &format!("{text}{error}"));
        set.server
            .list("sys/leases/lookup/ssh")
            .await
            .refused_silently(404);
        set.sweep_at(NOW + 10_000).await;
        assert_eq!(set.host.lines(), 0);
        set.server.clock.set(NOW);
    }
    let before = set.host.logins.lock().unwrap().len();
    set.sweep_at(NOW + 100_000).await;
    assert_eq!(
        set.host.logins.lock().unwrap().len(),
        before,
        "nothing is left to look after"
    );
    set.server.delete("ssh/keys/k").await.expect(204);
    set.creds().await.refused_framed(500, "key \"k\" not found");
}

#[tokio::test]
async fn a_key_that_was_installed_without_an_answer_is_taken_away() {
    let set = Set::with_role(json!({})).await;
    set.host.fail(HostError::TimedOut, true);
    set.creds().await.refused_with(500, "did not answer in time");
    set.sweep_at(NOW + 119).await;
    assert_eq!(set.host.lines(), 1, "the host may still be at work");
    set.sweep_at(NOW + 120).await;
    assert_eq!((set.host.lines(), set.records().await), (0, 0));
}

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
