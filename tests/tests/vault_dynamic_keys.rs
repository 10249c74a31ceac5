//! Dynamic keys on a real `sshd`: installed, used, taken away; and what happens when something dies in between.

#![allow(missing_docs, clippy::unwrap_used)]

mod server_process;

use anyhow::{Context, Result, ensure};
use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use countersign::{
    Services,
    access::create_root,
    clock::{Clock, FixedClock, SystemClock},
    in_memory,
    types::SecretToken,
};
use countersign_hosts::SshHosts;
use countersign_tests::{
    AwsDouble, Identity, KeyFile, KeyType, LoginOutcome, Sshd, certify, current_user, make_key, run,
};
use serde_json::{Value, json};
use server_process::ServerProcess;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tower::ServiceExt;

const ROOT: &str = "csn_root-token-of-the-dynamic-keys-test";
/// What is in the user's authorized keys before: no newline at the end.
const BEFORE: &str =
    "# by hand\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAIBAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g other";

/// A host: the admin user's key, and a home directory beside the real one.
struct Host {
    sshd: Sshd,
    directory: TempDir,
    admin: KeyFile,
    other: KeyFile,
    host_key: String,
    authority: KeyFile,
}

impl Host {
    fn start(with_certificate: bool) -> Result<Self> {
        let directory = TempDir::with_prefix("countersign-host-")?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        let home = directory.path().join(current_user()?);
        fs::create_dir_all(home.join(".ssh"))?;
        fs::write(home.join(".ssh/authorized_keys"), BEFORE)?;
        let admin = make_key(directory.path(), "admin", KeyType::Ed25519)?;
        let other = make_key(directory.path(), "other", KeyType::Ed25519)?;
        let authority = make_key(directory.path(), "authority", KeyType::Ed25519)?;
        fs::write(directory.path().join("admins"), admin.public_line()?)?;
        let files = format!(
            "{} {}",
            directory.path().join("admins").display(),
            home.join(".ssh/authorized_keys").display()
        );
        let mut builder = Sshd::builder()?.keys_files(&files);
        let host_key = builder.host_key().public_line()?;
        if with_certificate {
            let line = certify(&authority, &host_key, &["-h", "-I", "host", "-n", "127.0.0.1"])?;
            builder = builder.host_certificate(&line, &authority.public_line()?)?;
        }
        Ok(Self {
            sshd: builder.start()?,
            directory,
            admin,
            other,
            host_key,
            authority,
        })
    }

    fn authorized_keys(&self) -> PathBuf {
        let user = current_user().unwrap();
        self.directory.path().join(user).join(".ssh/authorized_keys")
    }

    fn is_as_before(&self) -> bool {
        fs::read(self.authorized_keys()).unwrap() == BEFORE.as_bytes()
    }

    /// Logs in with the key that a request was answered with.
    fn login(&self, key: &str) -> Result<LoginOutcome> {
        let path = self.directory.path().join("lent");
        fs::write(&path, key)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let none = self.directory.path().join("none");
        let identity = Identity::File {
            key: &path,
            certificate: &none,
        };
        self.sshd.login(identity, "exit 0")
    }
}

/// The Vault family over a store of its own, and the time.
struct Server {
    services: Services,
    clock: Arc<FixedClock>,
}

impl Server {
    async fn new() -> Result<Self> {
        let services = in_memory::services().await;
        let server = Self::of(services);
        server.found().await?;
        Ok(server)
    }

    /// One that `services` make, but for the time.
    fn of(mut services: Services) -> Self {
        let clock = Arc::new(FixedClock::at(SystemClock.now()));
        services.clock = clock.clone();
        services.hosts = Arc::new(SshHosts::new(clock.clone()));
        Self { services, clock }
    }

    /// Makes the root token and the mount.
    async fn found(&self) -> Result<()> {
        create_root(&self.services, Some(SecretToken::new(ROOT))).await?;
        countersign_vault::mounts::seed(&self.services).await?;
        Ok(())
    }

    async fn call(&self, path: &str, body: Value) -> (u16, Value) {
        let request = Request::post(format!("/v1/{path}"))
            .header("x-vault-token", ROOT)
            .body(Body::from(body.to_string()))
            .unwrap();
        let router = countersign_vault::standalone(self.services.clone());
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn read(&self, path: &str) -> Result<(u16, Value)> {
        let request = Request::get(format!("/v1/{path}")).header("x-vault-token", ROOT);
        let router = countersign_vault::standalone(self.services.clone());
        let response = router.oneshot(request.body(Body::empty())?).await?;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await?;
        Ok((status, serde_json::from_slice(&body)?))
    }

    /// Writes the key and the role `r` for `host`.
    async fn prepare(&self, host: &Host, host_key: &str) -> Result<()> {
        let key = fs::read_to_string(host.admin.path())?;
        let (status, body) = self.call("ssh/keys/k", json!({ "key": key })).await;
        ensure!(status == 204, "{body}");
        let role = json!({
            "key_type": "dynamic", "key": "k", "admin_user": current_user()?, "default_user": current_user()?,
            "cidr_list": "127.0.0.0/8", "port": host.sshd.port(), "host_key": host_key,
        });
        let (status, body) = self.call("ssh/roles/r", role.clone()).await;
        ensure!(status == 204, "{body}");
        // The script of our own, for a home directory that is not in /home.
        let (_, read) = self.read("ssh/roles/r").await?;
        let own = read["data"]["install_script"].as_str().context("a script")?;
        let target = host.authorized_keys();
        let script = format!("#!/bin/sh\nset -- \"$1\" \"$2\" '{}'\n{own}", target.display());
        let mut role = role;
        role["install_script"] = script.into();
        let (status, body) = self.call("ssh/roles/r", role).await;
        ensure!(status == 204, "{body}");
        Ok(())
    }

    async fn creds(&self) -> (u16, Value) {
        self.call("ssh/creds/r", json!({ "ip": "127.0.0.1" })).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_for_as_long_as_its_lease() -> Result<()> {
    let host = Host::start(false)?;
    let server = Server::new().await?;
    server.prepare(&host, &host.host_key).await?;
    for ends_by_itself in [false, true] {
        let (status, answer) = server.creds().await;
        ensure!(status == 200, "{answer}\n{}", host.sshd.log());
        let key = answer["data"]["key"].as_str().context("a key")?;
        host.login(key)?.accepted()?;
        ensure!(!host.is_as_before());
        if ends_by_itself {
            server.clock.set(server.clock.now() + 2_764_800);
            countersign_reaper::sweep(&server.services).await?;
        } else {
            let lease = json!({ "lease_id": answer["lease_id"] });
            let (status, body) = server.call("sys/leases/revoke", lease).await;
            ensure!(status == 204, "{body}");
        }
        host.login(key)?.refused()?;
        ensure!(
            host.is_as_before(),
            "{:?}",
            fs::read_to_string(host.authorized_keys())
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_host_is_logged_in_to() -> Result<()> {
    let host = Host::start(false)?;
    let certified = Host::start(true)?;
    let server = Server::new().await?;
    let authority =
        |key: &KeyFile| Ok::<_, anyhow::Error>(format!("@cert-authority {}", key.public_line()?.trim()));
    for (host, host_key, is_right) in [
        (&host, host.other.public_line()?, false),
        (&host, authority(&host.authority)?, false),
        (&host, format!("192.0.2.1 {}", host.host_key), false),
        (
            &host,
            format!("[127.0.0.1]:{} {}", host.sshd.port(), host.host_key),
            true,
        ),
        (&certified, authority(&certified.other)?, false),
        (&certified, authority(&certified.authority)?, true),
        (&certified, certified.host_key.clone(), true),
    ] {
        server.prepare(host, &host_key).await?;
        let (status, answer) = server.creds().await;
        if is_right {
            ensure!(status == 200, "{host_key}: {answer}");
            let lease = json!({ "lease_id": answer["lease_id"] });
            let (status, body) = server.call("sys/leases/revoke", lease).await;
            ensure!(status == 204, "{body}");
        } else {
            ensure!(status == 500, "{host_key}: {answer}");
            let text = answer["errors"][0].as_str().unwrap_or_default();
            ensure!(text.contains("host_key"), "{host_key}: {text}");
        }
        ensure!(host.is_as_before());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_there_or_knows_no_admin_is_a_clear_error() -> Result<()> {
    let host = Host::start(false)?;
    let server = Server::new().await?;
    server.prepare(&host, &host.host_key).await?;
    fs::write(host.directory.path().join("admins"), "")?;
    let (status, answer) = server.creds().await;
    ensure!(
        status == 500 && answer.to_string().contains("refused the login"),
        "{answer}"
    );
    let line = host.host_key.clone();
    drop(host.sshd);
    let (status, answer) = server.creds().await;
    ensure!(
        status == 500 && answer.to_string().contains("cannot be reached"),
        "{answer} {line}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_between_installing_and_answering_leaves_the_key_to_the_reaper() -> Result<()> {
    let host = Host::start(false)?;
    let tables = AwsDouble::start().await?;
    let server = Server::of(server_process::services(&tables.endpoint()));
    server.found().await?;
    server.prepare(&host, &host.host_key).await?;
    let doomed = ServerProcess::start(&tables)?;
    // The host kills it, once the key is there.
    let (_, role) = server.read("ssh/roles/r").await?;
    let own = role["data"]["install_script"].as_str().context("a script")?;
    let kill = format!("[ \"$1\" = uninstall ] || kill -9 {}", doomed.id());
    let script = json!({ "install_script": format!("#!/bin/sh\n(\n{own}\n)\n{kill}\n") });
    let mut role = role["data"].clone();
    role.as_object_mut()
        .context("a role")?
        .extend(script.as_object().cloned().unwrap_or_default());
    let (status, body) = server.call("ssh/roles/r", role).await;
    ensure!(status == 204, "{body}");

    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--header",
        &format!("X-Vault-Token: {ROOT}"),
    ])
    .args(["--data", r#"{"ip":"127.0.0.1"}"#])
    .arg(format!("http://{}/v1/ssh/creds/r", doomed.address()));
    let outcome = spawn_blocking(move || run(&mut curl, Duration::from_secs(60))).await??;
    ensure!(outcome.stdout.is_empty(), "it answered: {}", outcome.stdout);
    drop(doomed);
    ensure!(!host.is_as_before(), "{}", host.sshd.log());

    // Everything starts again; what is left are the tables.
    let again = Server::of(server_process::services(&tables.endpoint()));
    countersign_reaper::sweep(&again.services).await?;
    ensure!(!host.is_as_before(), "who installs may still be at work");
    again.clock.set(again.clock.now() + 120);
    countersign_reaper::sweep(&again.services).await?;
    ensure!(host.is_as_before(), "{}", host.sshd.log());
    fs::write(host.directory.path().join("admins"), "")?;
    let (status, body) = again.call("sys/leases/revoke-prefix/ssh", json!({})).await;
    ensure!(status == 204, "a lease is left: {body}");
    Ok(())
}
