//! Logging in to a real `sshd` with a one-time password, which PAM has our equivalent of vault-ssh-helper verify.

#![allow(missing_docs, clippy::unwrap_used)]

mod server_process;
mod vault_server;

use anyhow::{Context, Result, ensure};
use countersign::{access::create_root, types::SecretToken};
use countersign_tests::{AwsDouble, Sshd, current_user, run, run_python, venv_python};
use serde_json::{Value, json};
use server_process::ServerProcess;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    sync::Barrier,
    thread,
    time::Duration,
};
use tokio::task::spawn_blocking;

const ROOT: &str = "csn_root-token-of-the-password-test";
const LIMIT: Duration = Duration::from_secs(30);
const HELPER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/contract/vault/one_time_password_helper.py"
);

/// Sends a POST with the root token; gives what came back.
fn post(url: &str, path: &str, body: &Value) -> Result<Value> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--header"])
        .arg(format!("X-Vault-Token: {ROOT}"))
        .args(["--data", &body.to_string()])
        .arg(format!("{url}/v1/{path}"));
    let text = run(&mut curl, LIMIT)?.success()?.stdout;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

fn password(url: &str, ip: &str) -> Result<String> {
    let answer = post(url, "ssh/creds/otp", &json!({ "ip": ip }))?;
    let key = answer["data"]["key"].as_str().map(str::to_owned);
    key.with_context(|| answer.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_lets_its_user_in_once_and_only_on_its_host() -> Result<()> {
    let url = vault_server::serve(ROOT).await?;
    spawn_blocking(move || log_in(&url)).await?
}

fn log_in(url: &str) -> Result<()> {
    let user = current_user()?;
    let role = json!({ "key_type": "otp", "default_user": user, "cidr_list": "0.0.0.0/0" });
    post(url, "ssh/roles/otp", &role)?;
    let builder = Sshd::builder()?;
    let configuration = builder.directory().join("helper.hcl");
    fs::write(
        &configuration,
        format!("vault_addr = \"{url}\"\nallowed_roles = \"otp\"\n"),
    )?;
    let helper = format!(
        "{} {HELPER} -dev -config={}",
        venv_python()?.display(),
        configuration.display()
    );
    let helper_log = builder.directory().join("helper.log");
    // The answer to the question of whether this is the place.
    run(
        Command::new("sh").args(["-c", &format!("{helper} -verify-only")]),
        LIMIT,
    )?
    .success()?;
    let stack = format!(
        "auth requisite pam_exec.so quiet expose_authtok log={} {helper}\nauth optional pam_permit.so\naccount required pam_permit.so\n\
         session required pam_permit.so\n",
        helper_log.display()
    );
    let sshd = builder.pam(&stack).start()?;
    let login = |password: &str| sshd.login_with_password(&user, password, "echo in");
    let said = || fs::read_to_string(&helper_log).unwrap_or_default();

    let first = password(url, "127.0.0.1")?;
    let outcome = login(&first)?.accepted().with_context(said)?;
    ensure!(outcome.stdout == "in\n", "{}", outcome.stdout);
    login(&first)?.refused()?;
    login("verify-echo-request")?.refused()?;
    login(&password(url, "192.0.2.1")?)?.refused()?;
    login(&password(url, "127.0.0.1")?)?
        .accepted()
        .with_context(said)?;
    Ok(())
}

/// Verifies `password` at each of `addresses`, all at the same moment; gives the statuses.
fn verify_at_once(password: &str, addresses: &[&str]) -> Result<Vec<u16>> {
    let body = json!({ "otp": password }).to_string();
    let start = Barrier::new(addresses.len());
    let verify = |address: &str| -> Result<u16> {
        let connection = TcpStream::connect(address);
        start.wait();
        let mut connection = connection?;
        write!(
            connection,
            "PUT /v1/ssh/verify HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let is_clean = answer.contains("200 OK") || answer.contains("{\"errors\":[\"OTP not found\"]}");
        ensure!(is_clean, "{answer}");
        Ok(answer.split(' ').nth(1).context("a status")?.parse()?)
    };
    let verify = &verify;
    thread::scope(|scope| {
        let callers: Vec<_> = addresses
            .iter()
            .map(|address| scope.spawn(move || verify(address)))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))?)
            .collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_verifications_by_two_processes_on_the_same_tables_one_succeeds() -> Result<()> {
    let tables = AwsDouble::start().await?;
    let services = server_process::services(&tables.endpoint());
    create_root(&services, Some(SecretToken::new(ROOT))).await?;
    countersign_vault::mounts::seed(&services).await?;
    let servers = [ServerProcess::start(&tables)?, ServerProcess::start(&tables)?];
    ensure!(servers[0].id() != servers[1].id());
    spawn_blocking(move || {
        let [first, second] = [servers[0].address(), servers[1].address()];
        let url = format!("http://{first}");
        let role = json!({ "key_type": "otp", "default_user": "ubuntu", "cidr_list": "0.0.0.0/0" });
        post(&url, "ssh/roles/otp", &role)?;
        for _ in 0..3 {
            let mut statuses = verify_at_once(&password(&url, "127.0.0.1")?, &[first, second].repeat(100))?;
            statuses.sort_unstable();
            let mut expected = vec![200];
            expected.resize(200, 400);
            ensure!(statuses == expected, "{statuses:?}");
        }
        Ok(())
    })
    .await?
}

#[tokio::test(flavor = "multi_thread")]
async fn case_43_to_53_the_helpers_own_checks() -> Result<()> {
    let url = vault_server::serve(ROOT).await?;
    let script = move || {
        let environment = [("VAULT_ADDR", url.as_str())];
        run_python(
            "contract/vault/one_time_password_helper_cases.py",
            &[],
            &environment,
        )
    };
    let outcome = spawn_blocking(script).await??;
    ensure!(outcome.stdout == "cases 43 to 53\n", "{}", outcome.stdout);
    Ok(())
}
