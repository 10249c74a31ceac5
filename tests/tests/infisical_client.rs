//! Infisical's SDK for Python, unmodified, against the Infisical family on a port: it enrols the host of a real `sshd`,
//! and gets the credentials with which a real `ssh` then logs in.

#![allow(missing_docs)]

use anyhow::{Context, Result, anyhow, ensure};
use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use countersign::{access::create_root, in_memory, request_context::ClientAddress};
use countersign_tests::{Identity, Sshd, current_user, run_python};
use serde_json::{Value, json};
use std::{fs, net::Ipv4Addr};
use tokio::{net::TcpListener, task::spawn_blocking};
use tower::ServiceExt;

const PASSWORD: &str = "a long password";

/// The family in memory, and a token of its account.
async fn family() -> Result<(Router, String)> {
    let services = in_memory::services().await;
    let root = create_root(&services, None)
        .await
        .map_err(|error| anyhow!("{error:?}"))?;
    let address = ClientAddress(Some(Ipv4Addr::LOCALHOST.into()));
    let router = countersign_infisical::router(services).layer(Extension(address));
    Ok((router, root.secret.reveal().to_owned()))
}

/// Two people, two machines, one group: what an operator applies before anybody calls.
async fn set_up(router: &Router, root: &str) -> Result<Value> {
    let document = json!({"projects": [{
        "name": "prod",
        "users": [
            {"email": "alice@example.com", "password": PASSWORD},
            {"email": "admin@example.com", "password": PASSWORD, "role": "admin"},
        ],
        "identities": [
            {"name": "bootstrapper", "role": "ssh-host-bootstrapper"},
            {"name": "signer", "role": "member"},
        ],
        "groups": [{"slug": "ops", "users": ["alice@example.com"]}],
    }]});
    let request = Request::post("/api/v1/countersign/apply")
        .header("authorization", format!("Bearer {root}"))
        .header("content-type", "application/json")
        .body(Body::from(document.to_string()))?;
    let answer = router.clone().oneshot(request).await?;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 20).await?;
    ensure!(status == StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    Ok(serde_json::from_slice(&body)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn case_52_the_sdk_enrols_a_host_and_gets_credentials_that_log_in() -> Result<()> {
    let (router, root) = family().await?;
    let setup = set_up(&router, &root).await?.to_string();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    spawn_blocking(move || login(&url, &setup)).await?
}

fn login(url: &str, setup: &str) -> Result<()> {
    let sshd = Sshd::builder()?;
    let directory = tempfile::tempdir()?;
    let path = directory.path();
    let (user, host_key) = (current_user()?, sshd.host_key().public_line()?);
    let outcome = run_python(
        "contract/infisical/sdk.py",
        &[],
        &[
            ("INFISICAL_URL", url),
            ("SETUP", setup),
            ("DIRECTORY", path.to_str().context("the path is text")?),
            ("LOGIN_USER", &user),
            ("HOST_KEY", &host_key),
        ],
    )?;
    eprint!("{}", outcome.stdout);
    let read = |name: &str| fs::read_to_string(path.join(name));
    let sshd = sshd
        .user_ca(&read("user_ca.pub")?)
        .host_certificate(&read("host-cert.pub")?, &read("host_ca.pub")?)?
        .start()?;
    let identity = Identity::File {
        key: &path.join("id_ed25519"),
        certificate: &path.join("id_ed25519-cert.pub"),
    };
    let login = sshd.login(identity, "echo in")?.accepted()?;
    ensure!(login.stdout == "in\n", "{login:?}");
    ensure!(
        login.server_log.contains("user-"),
        "the key id stands in sshd's log: {}",
        login.server_log
    );
    Ok(())
}
