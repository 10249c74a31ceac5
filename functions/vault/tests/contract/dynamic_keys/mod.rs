//! Dynamic keys, on hosts that are made up here; real ones are asked in the tests of the whole.

mod ending;
mod lending;

use crate::support::{ROOT, Server, key};
use countersign::{
    authority::KeySpec,
    hosts::{HostError, HostKeys, HostLogin, Hosts},
    store::{Query, Store, Table},
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
