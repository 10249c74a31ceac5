//! The commands among the outputs, run as an operator would, against a local server in the stack's place.

use crate::document::Template;
use anyhow::{Context, Result};
use countersign_tests::{LocalServer, run};
use std::{fs, process::Command, time::Duration};

const LIMIT: Duration = Duration::from_secs(30);
const ROOT_TOKEN: &str = "countersign-outputs-root-token";

/// The command that the output `name` holds, for the API at `address`.
fn command(name: &str, address: &str) -> Result<String> {
    let template = Template::read()?;
    let value = &template.0["Outputs"][name]["Value"]["Fn::Sub"][0];
    let command = value.as_str().with_context(|| format!("no output {name}"))?;
    Ok(command.replace("${Address}", address))
}

fn bash(command: &str) -> Result<countersign_tests::Outcome> {
    run(Command::new("bash").args(["-c", command]), LIMIT)
}

#[test]
fn the_printed_commands_give_what_sshd_and_known_hosts_take() -> Result<()> {
    let server = LocalServer::start(&["--memory", "--root-token", ROOT_TOKEN])?;
    let url = server.url()?;
    bash(&format!(
        "curl -fsS -H 'X-Vault-Token: {ROOT_TOKEN}' {url}/v1/ssh/config/ca -d '{{\"generate_signing_key\": true}}'"
    ))?
    .success()?;

    let key = bash(&command("CaPublicKeyCommand", &url)?)?.success()?.stdout;
    assert!(key.starts_with("ssh-"), "{key}");
    let known = bash(&command("KnownHostsCommand", &url)?)?.success()?.stdout;
    assert_eq!(known.trim_end(), format!("@cert-authority * {}", key.trim_end()));

    let etc = tempfile::tempdir()?;
    fs::create_dir_all(etc.path().join("sshd_config.d"))?;
    let at = etc.path().display().to_string();
    let trust = command("SshdCommand", &url)?.replace("/etc/ssh", &at);
    // Whoever runs it twice has it once.
    for _ in 0..2 {
        bash(&trust)?.success()?;
    }
    assert_eq!(fs::read_to_string(etc.path().join("trusted_user_ca.pub"))?, key);
    assert_eq!(
        fs::read_to_string(etc.path().join("sshd_config.d/countersign.conf"))?,
        format!("TrustedUserCAKeys {at}/trusted_user_ca.pub\n")
    );
    Ok(())
}

#[test]
fn where_the_api_does_not_answer_they_fail_and_trust_nothing() -> Result<()> {
    let nobody = "http://127.0.0.1:1";
    for name in ["CaPublicKeyCommand", "KnownHostsCommand"] {
        let outcome = bash(&command(name, nobody)?)?;
        assert!(!outcome.status.success(), "{name}");
        assert_eq!(outcome.stdout, "", "{name}");
    }
    let etc = tempfile::tempdir()?;
    fs::create_dir_all(etc.path().join("sshd_config.d"))?;
    let trust = command("SshdCommand", nobody)?.replace("/etc/ssh", &etc.path().display().to_string());
    assert!(!bash(&trust)?.status.success());
    assert!(!etc.path().join("sshd_config.d/countersign.conf").exists());
    Ok(())
}
