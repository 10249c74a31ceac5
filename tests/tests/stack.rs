//! The deployment itself, from scratch: `localstack/up` builds the functions, deploys the template to an emulator of
//! AWS, and every family's clients then work through API Gateway and the Lambda binaries, with keys in KMS.

#![allow(missing_docs)]

use anyhow::{Context, Result, ensure};
use countersign_tests::{Identity, KeyFile, KeyType, Sshd, Stack, current_user, make_key, run_python};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fs, path::Path};

#[test]
fn the_deployed_stack_serves_every_family_and_its_certificates_log_in() -> Result<()> {
    let mut stack = Stack::up()?;
    ensure!(
        stack
            .url()
            .strip_prefix("http://127.0.0.1:")
            .is_some_and(|port| port.parse::<u16>().is_ok()),
        "{} is no bare origin",
        stack.url()
    );
    let directory = tempfile::tempdir()?;
    let key = make_key(directory.path(), "key", KeyType::Ed25519)?;
    // First, since it lists the CAs of the whole account.
    ngrok(&stack)?;
    vault(&stack, &key)?;
    hvac(&stack)?;
    infisical(&stack)?;
    counted(&stack, &key)?;
    once_more_it_keeps_what_was_made(&mut stack)
}

#[derive(Deserialize)]
struct Signed {
    ca_key: String,
    certificate: String,
    serial: String,
}

fn vault(stack: &Stack, key: &KeyFile) -> Result<()> {
    let (line, user) = (key.public_line()?, current_user()?);
    let arguments = [stack.url(), stack.token(), &line, &user];
    let outcome = stack.run_python("contract/stack/vault.py", &arguments, &[])?;
    let signed: Signed = serde_json::from_str(&outcome.stdout)?;
    let sshd = Sshd::builder()?.user_ca(&signed.ca_key).start()?;
    let certificate = key.write_certificate(&signed.certificate)?;
    let identity = Identity::File {
        key: key.path(),
        certificate: &certificate,
    };
    sshd.login(identity, "true")?.accepted()?;

    let serial = u64::from_str_radix(&signed.serial, 16)?.to_string();
    let record = stack
        .countersign(&["certificate", "show", &serial, "--json"])?
        .stdout;
    let record = &serde_json::from_str::<Value>(&record)?["record"];
    ensure!(
        record["family"] == "vault" && record["role"] == "team/ssh/ops",
        "what was signed is on record: {record}"
    );
    ensure!(
        record["source_ip"] == "127.0.0.1",
        "the gateway's view of the caller is recorded: {record}"
    );
    Ok(())
}

fn hvac(stack: &Stack) -> Result<()> {
    let environment = [("VAULT_ADDR", stack.url()), ("VAULT_TOKEN", stack.token())];
    stack.run_python("contract/vault/hvac_ca.py", &[], &environment)?;
    Ok(())
}

fn ngrok(stack: &Stack) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let user_key = make_key(directory.path(), "user", KeyType::Ed25519)?;
    let sshd = Sshd::builder()?;
    let (user, host_key) = (user_key.public_path(), sshd.host_key().public_path());
    let login_name = current_user()?;
    let arguments = [
        stack.url(),
        stack.token(),
        text(&user)?,
        text(&host_key)?,
        &login_name,
        text(directory.path())?,
    ];
    run_python("contract/ngrok/client.py", &arguments, &[])?;
    let read = |name: &str| fs::read_to_string(directory.path().join(name));
    let sshd = sshd
        .user_ca(&read("user-ca.pub")?)
        .host_certificate(&read("host-cert.pub")?, &read("host-ca.pub")?)?
        .start()?;
    let certificate = user_key.write_certificate(&read("user-cert.pub")?)?;
    let identity = Identity::File {
        key: user_key.path(),
        certificate: &certificate,
    };
    sshd.login(identity, "true")?.accepted()?;
    Ok(())
}

fn infisical(stack: &Stack) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let password = "a long password";
    let document = json!({"projects": [{
        "name": "prod",
        "users": [
            {"email": "alice@example.com", "password": password},
            {"email": "admin@example.com", "password": password, "role": "admin"},
        ],
        "identities": [
            {"name": "bootstrapper", "role": "ssh-host-bootstrapper"},
            {"name": "signer", "role": "member"},
        ],
        "groups": [{"slug": "ops", "users": ["alice@example.com"]}],
    }]});
    let file = directory.path().join("setup.json");
    fs::write(&file, document.to_string())?;
    let setup = stack
        .countersign(&["infisical", "apply", text(&file)?, "--json"])?
        .stdout;
    let sshd = Sshd::builder()?;
    let (login_user, host_key) = (current_user()?, sshd.host_key().public_line()?);
    let environment = [
        ("INFISICAL_URL", stack.url()),
        ("SETUP", &setup),
        ("DIRECTORY", text(directory.path())?),
        ("LOGIN_USER", &login_user),
        ("HOST_KEY", &host_key),
    ];
    run_python("contract/infisical/sdk.py", &[], &environment)?;
    let read = |name: &str| fs::read_to_string(directory.path().join(name));
    let sshd = sshd
        .user_ca(&read("user_ca.pub")?)
        .host_certificate(&read("host-cert.pub")?, &read("host_ca.pub")?)?
        .start()?;
    let identity = Identity::File {
        key: &directory.path().join("id_ed25519"),
        certificate: &directory.path().join("id_ed25519-cert.pub"),
    };
    sshd.login(identity, "true")?.accepted()?;
    Ok(())
}

fn counted(stack: &Stack, key: &KeyFile) -> Result<()> {
    let line = key.public_line()?;
    let arguments = ["countersign", stack.url(), stack.token(), &line];
    stack.run_python("contract/stack/counted.py", &arguments, &[])?;
    Ok(())
}

fn once_more_it_keeps_what_was_made(stack: &mut Stack) -> Result<()> {
    let before = stack.countersign(&["certificate", "list", "--json"])?.stdout;
    let (url, token) = (stack.url().to_owned(), stack.token().to_owned());
    stack.up_again()?;
    ensure!(stack.url() == url, "{} is not {url}", stack.url());
    ensure!(stack.token() != token, "a token is shown once");
    let after = stack.countersign(&["certificate", "list", "--json"])?.stdout;
    ensure!(after == before, "{after}\nis not\n{before}");
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is text")
}
