//! Logging in to a real `sshd` with a one-time password, which PAM has our equivalent of vault-ssh-helper verify.

#![allow(missing_docs)]

mod vault_server;

use anyhow::{Context, Result, ensure};
use countersign_tests::{Sshd, current_user, run, run_python, venv_python};
use serde_json::{Value, json};
use std::{fs, process::Command, time::Duration};
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
