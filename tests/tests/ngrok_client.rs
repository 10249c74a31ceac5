//! The unmodified `ngrok-api` package against the ngrok router on loopback, and a login to a real `sshd` with the
//! certificates that it gets.

#![allow(missing_docs)]

use anyhow::{Result, ensure};
use countersign::{access, in_memory};
use countersign_tests::{Identity, KeyType, Sshd, current_user, decode_certificate, make_key, run_python};
use std::{fs, path::Path};
use tokio::net::TcpListener;

/// Serves the family on loopback; gives its URL and a root token.
async fn serve() -> Result<(String, String)> {
    let services = in_memory::services().await;
    let root = access::create_root(&services, None).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, countersign_ngrok::router(services)).into_future());
    Ok((url, root.secret.reveal().to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_package_drives_every_method_and_its_certificates_log_in() -> Result<()> {
    let (url, token) = serve().await?;
    tokio::task::spawn_blocking(move || drive_and_log_in(&url, &token)).await?
}

fn drive_and_log_in(url: &str, token: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    let user_key = make_key(directory.path(), "user", KeyType::Ed25519)?;
    let sshd = Sshd::builder()?;
    let login_name = current_user()?;
    run_python(
        "contract/ngrok/client.py",
        &[
            url,
            token,
            &user_key.public_path().display().to_string(),
            &sshd.host_key().public_path().display().to_string(),
            &login_name,
            &directory.path().display().to_string(),
        ],
        &[],
    )?;
    let read = |name: &str| fs::read_to_string(at(name));
    let sshd = sshd
        .user_ca(&read("user-ca.pub")?)
        .host_certificate(&read("host-cert.pub")?, &read("host-ca.pub")?)?
        .start()?;
    let certificate = user_key.write_certificate(&read("user-cert.pub")?)?;
    let identity = Identity::File {
        key: user_key.path(),
        certificate: &certificate,
    };
    let outcome = sshd.login(identity, "echo let in")?.accepted()?;
    ensure!(outcome.stdout == "let in\n", "{outcome:?}");
    sshd.login_as("nobody", identity, "true")?.refused()?;
    log_names_the_certificate(&sshd, &at("user-cert.pub"))
}

/// sshd logs the key id, which is the resource's id, and the serial, by which the certificate can be revoked.
fn log_names_the_certificate(sshd: &Sshd, certificate: &Path) -> Result<()> {
    let line = fs::read_to_string(certificate)?;
    let listing = decode_certificate(&line)?;
    let field = |name: &str| {
        let value = listing.lines().find_map(|line| line.trim().strip_prefix(name));
        value.unwrap_or_default().trim().trim_matches('"').to_owned()
    };
    let (key_id, serial) = (field("Key ID:"), field("Serial:"));
    ensure!(
        key_id.starts_with("sucrt_") && line.trim_end().ends_with(&key_id),
        "{listing}"
    );
    ensure!(serial != "0" && !serial.is_empty(), "{listing}");
    sshd.wait_for_log(&format!("ID {key_id} (serial {serial})"))
}
