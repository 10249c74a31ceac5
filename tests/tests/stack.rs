//! The deployment itself, from scratch: `localstack/up` builds the functions, deploys the template to an emulator of
//! AWS, and every family's clients then work through API Gateway and the Lambda binaries, with keys in KMS.

#![allow(missing_docs)]

use anyhow::{Context, Result, ensure};
use countersign_tests::{
    Identity, KeyFile, KeyType, Sshd, Stack, countersign, current_user, executed_by, function_zip, make_key,
    run_python,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fs, net::TcpStream, os::unix::fs::PermissionsExt, path::Path};

#[test]
fn the_deployed_stack_serves_every_family_and_its_certificates_log_in() -> Result<()> {
    let documented = executed_by(
        "localstack/README.md",
        "the_deployed_stack_serves_every_family_and_its_certificates_log_in",
    )?;
    ensure!(documented == ["localstack/up\n"], "{documented:?}");
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
    venafi(&stack)?;
    counted(&stack, &key)?;
    let line = key.public_line()?;
    let arguments = [NAME, stack.url(), stack.token(), &line, NAME];
    stack.run_python("contract/stack/faults.py", &arguments, &[])?;
    stack.run_python("contract/stack/honoured.py", &[NAME, NAME], &[])?;
    an_emulator_that_runs_already_is_used_and_left_running(&stack)?;
    callers(&stack, &line)?;
    let package = function_zip("vault")?;
    let arguments = [text(&package)?, NAME, NAME, stack.token()];
    stack.run_python("contract/stack/watch.py", &arguments, &[])?;
    once_more_it_keeps_what_was_made(&mut stack)
}

/// What `localstack/up` calls the stack, and its tables.
const NAME: &str = "countersign";

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

fn venafi(stack: &Stack) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    let login_name = current_user()?;
    let users = json!({
        "Name": "users",
        "CAKeyPair": {"KeyAlgorithm": "ED25519", "Name": "user-ca"},
        "AccessControl": {"AllowedPrincipalsPatterns": [login_name], "DefaultPrincipals": ["bob", "alice"]},
        "Certificate": {"CertificateDestinationDn": "\\VED\\Policy\\ssh", "ValidityPeriod": "8h"},
    });
    let hosts = json!({
        "Name": "hosts",
        "CAKeyPair": {"KeyAlgorithm": "ECDSAP256"},
        "AccessControl": {"AllowedPrincipalsPatterns": ["[a-z0-9.]+"]},
        "Certificate": {"Type": "Host"},
    });
    for template in [users, hosts] {
        fs::write(at("template.json"), template.to_string())?;
        stack.countersign(&["venafi", "template", "create", text(&at("template.json"))?])?;
    }
    let policy = r#"
        path "vedsdk/SSHCertificates/*" { capabilities = ["create", "read", "update"] }
        path "vedsdk/template/*" { capabilities = ["update"] }
        path "vedsdk/folder/\\VED\\Policy\\team" { capabilities = ["create"] }"#;
    fs::write(at("policy.hcl"), policy)?;
    stack.countersign(&["policy", "write", "venafi", text(&at("policy.hcl"))?])?;
    let identity = stack.countersign(&["identity", "create", "svc", "--policy", "venafi", "--json"])?;
    let identity: Value = serde_json::from_str(&identity.stdout)?;
    let sshd = Sshd::builder()?;
    let host_key = sshd.host_key().public_path();
    let arguments = [
        stack.url(),
        identity["client_id"].as_str().context("a client id")?,
        identity["client_secret"].as_str().context("a secret")?,
        text(directory.path())?,
        &login_name,
        text(&host_key)?,
    ];
    stack.run_python("contract/stack/venafi.py", &arguments, &[])?;
    let read = |name: &str| fs::read_to_string(at(name));
    let sshd = sshd
        .user_ca(&read("user-ca.pub")?)
        .host_certificate(&read("host-cert.pub")?, &read("host-ca.pub")?)?
        .start()?;
    fs::set_permissions(at("id"), fs::Permissions::from_mode(0o600))?;
    let (key, certificate) = (at("id"), at("id-cert.pub"));
    let identity = Identity::File {
        key: &key,
        certificate: &certificate,
    };
    sshd.login(identity, "true")?.accepted()?;
    Ok(())
}

fn counted(stack: &Stack, key: &KeyFile) -> Result<()> {
    let line = key.public_line()?;
    let arguments = [NAME, stack.url(), stack.token(), &line];
    stack.run_python("contract/stack/counted.py", &arguments, &[])?;
    Ok(())
}

fn callers(stack: &Stack, line: &str) -> Result<()> {
    let command = countersign()?;
    let command = command.get_program().to_str().context("the path is text")?;
    let arguments = [NAME, stack.url(), NAME, line, command];
    stack.run_python("contract/stack/callers.py", &arguments, &[])?;
    Ok(())
}

/// The emulator of `stack` is somebody else's to a second `localstack/up`, which finds the stack there.
fn an_emulator_that_runs_already_is_used_and_left_running(stack: &Stack) -> Result<()> {
    let list = ["certificate", "list", "--json"];
    let guest = Stack::up_at(&stack.endpoint()?, NAME)?;
    ensure!(guest.url() != stack.url(), "each has an origin of its own");
    ensure!(guest.log().is_empty(), "it started an emulator: {}", guest.log());
    for (url, token) in [(guest.url(), guest.token()), (guest.url(), stack.token())] {
        run_python("contract/stack/known.py", &[url, token], &[])?;
    }
    ensure!(guest.countersign(&list)?.stdout == stack.countersign(&list)?.stdout);
    guest.down()?;
    let address = guest.url().trim_start_matches("http://");
    ensure!(TcpStream::connect(address).is_err(), "{address} is still served");
    run_python("contract/stack/known.py", &[stack.url(), guest.token()], &[])?;
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
