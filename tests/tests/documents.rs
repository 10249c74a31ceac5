//! The commands of the documents, pasted by a reader: what each promises comes true.

#![allow(missing_docs)]

use anyhow::{Context, Result, bail, ensure};
use countersign_tests::{
    Identity, KeyType, LocalServer, Outcome, Reader, Sshd, current_user, decode_certificate, executed_by,
    fingerprint, make_key, run,
};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

const ROOT: &str = "csn_root-token-of-the-documents";
const LIMIT: Duration = Duration::from_secs(60);

/// A reader beside a running local server.
struct Desk {
    reader: Reader,
    url: String,
    _server: LocalServer,
}

impl Desk {
    fn new() -> Result<Self> {
        let server = LocalServer::start(&["--memory", "--root-token", ROOT])?;
        Ok(Self {
            reader: Reader::new()?,
            url: server.url()?,
            _server: server,
        })
    }

    /// Pastes commands with the address and the token that the server printed.
    fn paste(&self, commands: &str) -> Result<Outcome> {
        let commands = commands
            .replace("http://127.0.0.1:8200", &self.url)
            .replace('…', ROOT);
        let environment = [
            ("VAULT_ADDR", self.url.as_str()),
            ("VAULT_TOKEN", ROOT),
            ("COUNTERSIGN_URL", &self.url),
            ("COUNTERSIGN_TOKEN", ROOT),
            ("no_proxy", "127.0.0.1"),
        ];
        self.reader.paste(&commands, &environment)
    }

    fn json(&self, command: &str) -> Result<Value> {
        Ok(serde_json::from_str(
            &self.paste(&format!("{command} --json"))?.stdout,
        )?)
    }

    fn home(&self) -> &Path {
        self.reader.home()
    }
}

#[test]
fn the_commands_for_vaults_client_certify_rotate_and_administer() -> Result<()> {
    let blocks = executed_by(
        "README.md",
        "the_commands_for_vaults_client_certify_rotate_and_administer",
    )?;
    let [certify, trust, rotate, administer] = blocks.as_slice() else {
        bail!("there are {} blocks", blocks.len());
    };
    let desk = Desk::new()?;
    let home = desk.home().display().to_string();
    let (ssh, on_the_host) = (desk.home().join(".ssh"), |block: &str| {
        block.replace("/etc/ssh", &home)
    });
    fs::create_dir(&ssh)?;
    fs::create_dir(desk.home().join("sshd_config.d"))?;
    make_key(&ssh, "id_ed25519", KeyType::Ed25519)?;
    let certificate =
        || -> Result<String> { decode_certificate(&fs::read_to_string(ssh.join("id_ed25519-cert.pub"))?) };

    desk.paste(certify)?;
    desk.paste(&on_the_host(trust))?;
    let trusted = fs::read_to_string(desk.home().join("trusted_user_ca.pub"))?;
    let listing = certificate()?;
    ensure!(
        listing.contains("user certificate") && listing.contains("ubuntu"),
        "{listing}"
    );
    ensure!(listing.contains(&fingerprint(&trusted)?), "{listing}\n{trusted}");
    let configuration = fs::read_to_string(desk.home().join("sshd_config.d/countersign.conf"))?;
    ensure!(
        configuration == format!("TrustedUserCAKeys {home}/trusted_user_ca.pub\n"),
        "{configuration}"
    );

    let old = desk.paste("vault read -field=default ssh/config/issuers")?.stdout;
    desk.paste(&on_the_host(rotate).replace("<id of the old one>", old.trim()))?;
    let trusted = fs::read_to_string(desk.home().join("trusted_user_ca.pub"))?;
    let next = trusted.lines().nth(1).context("hosts trust both keys")?;
    let sign = certify.lines().last().context("the last command signs")?;
    desk.paste(sign)?;
    let listing = certificate()?;
    ensure!(listing.contains(&fingerprint(next)?), "{listing}\n{trusted}");

    let listed = desk.json("countersign certificate list")?;
    let serial = listed["certificates"][0]["serial_number"]
        .as_str()
        .context("a serial")?;
    let said = desk.paste(&administer.replace("SERIAL", serial))?.stdout;
    for promised in ["csn_", "ubuntu", serial, "Signing CA"] {
        ensure!(said.contains(promised), "no {promised} in {said}");
    }
    Ok(())
}

#[test]
fn the_commands_for_venafis_clients_set_up_a_template() -> Result<()> {
    let blocks = executed_by("README.md", "the_commands_for_venafis_clients_set_up_a_template")?;
    let server = LocalServer::start(&["--tls"])?;
    let exports = server.banner().lines().filter(|line| line.starts_with("export "));
    let exports: String = exports.map(|line| format!("{line}\n")).collect();
    let reader = Reader::new()?;
    make_key(reader.home(), "key", KeyType::Ed25519)?;
    let environment = [("no_proxy", "127.0.0.1")];
    let said = reader
        .paste(&format!("{exports}{}", blocks.concat()), &environment)?
        .stdout;
    let printed = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_whitespace().last());
        value.with_context(|| format!("no {name} in {said}"))
    };
    // What vcert sends.
    let (id, secret) = (printed("client id")?, printed("client secret")?);
    let log_in_and_enrol = format!(
        r#"ask() {{ curl -sS -H 'Content-Type: application/json' "$@"; }}
        login='{{"client_id": "vcert-sdk", "username": "{id}", "password": "{secret}", "scope": "ssh:manage"}}'
        token=$(ask "$VAULT_ADDR/vedauth/authorize/oauth" -d "$login" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
        ask -H "Authorization: Bearer $token" "$VAULT_ADDR/vedsdk/SSHCertificates/Request" -d '{{"CADN": "users",
            "KeyId": "laptop", "Principals": ["ubuntu"], "PublicKeyData": "'"$(cat key.pub)"'"}}'"#
    );
    let answer = reader
        .paste(&format!("{exports}{log_in_and_enrol}"), &environment)?
        .stdout;
    let answer: Value = serde_json::from_str(&answer).context(answer)?;
    ensure!(answer["Response"]["Success"] == true, "{answer}");
    Ok(())
}

#[test]
fn the_commands_for_callers_without_a_token_admit_them() -> Result<()> {
    let blocks = executed_by(
        "infra/README.md",
        "the_commands_for_callers_without_a_token_admit_them",
    )?;
    let desk = Desk::new()?;
    desk.paste(&blocks.concat())?;
    let listed = desk.json("countersign admission list")?;
    let admissions = listed["admissions"].as_array().context("a list")?;
    ensure!(admissions.len() == 2, "{listed}");
    Ok(())
}

#[test]
fn the_commands_for_one_time_passwords_lend_one_and_the_helper_finds_its_server() -> Result<()> {
    let blocks = executed_by(
        "docs/one-time-passwords.md",
        "the_commands_for_one_time_passwords_lend_one_and_the_helper_finds_its_server",
    )?;
    let [lend, configuration] = blocks.as_slice() else {
        bail!("there are {} blocks", blocks.len());
    };
    let desk = Desk::new()?;
    let lent = desk.paste(lend)?.stdout;
    ensure!(
        lent.contains("key_type otp") && lent.contains("username ubuntu"),
        "{lent}"
    );
    let file = desk.home().join("config.hcl");
    fs::write(
        &file,
        configuration.replace("https://countersign.example.com", &desk.url),
    )?;
    let mut helper = Command::new("python3");
    helper
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/contract/vault/one_time_password_helper.py"
        ))
        .args(["-dev", "-verify-only"])
        .arg(format!("-config={}", file.display()));
    run(&mut helper, LIMIT)?.success()?;
    Ok(())
}

#[test]
fn the_commands_for_dynamic_keys_lend_one_that_logs_in() -> Result<()> {
    let blocks = executed_by(
        "docs/one-time-passwords.md",
        "the_commands_for_dynamic_keys_lend_one_that_logs_in",
    )?;
    let desk = Desk::new()?;
    let user = current_user()?;
    let admin = make_key(desk.home(), "admin_key", KeyType::Ed25519)?;
    let authorized = desk.home().join(&user).join(".ssh/authorized_keys");
    let keys_files = format!("{} {}", admin.public_path().display(), authorized.display());
    let builder = Sshd::builder()?.keys_files(&keys_files);
    fs::write(desk.home().join("known_hosts"), builder.host_key().public_line()?)?;
    let sshd = builder.start()?;
    // The script of our own, for a home directory that is not in /home.
    let script = format!(
        "#!/bin/sh\nset -- \"$1\" \"$2\" '{}'\n{}",
        authorized.display(),
        include_str!("../../functions/vault/src/ssh/install.sh")
    );
    fs::write(desk.home().join("install.sh"), script)?;
    fs::create_dir(desk.home().join(&user))?;

    let commands = blocks
        .concat()
        .replace("admin_user=admin", &format!("admin_user={user}"))
        .replace("default_user=ubuntu", &format!("default_user={user}"))
        .replace("10.0.0.0/8", "127.0.0.0/8")
        .replace("10.1.2.3", "127.0.0.1")
        .replace(
            "host_key=@known_hosts",
            &format!(
                "host_key=@known_hosts port={} install_script=@install.sh",
                sshd.port()
            ),
        );
    let lent = desk.paste(&commands)?.stdout;
    let start = lent.find("-----BEGIN").with_context(|| lent.clone())?;
    let end = lent.rfind("-----\n").context("the end of the key")? + "-----\n".len();
    let key = desk.home().join("lent");
    fs::write(&key, &lent[start..end])?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    let identity = Identity::File {
        key: &key,
        certificate: &desk.home().join("none"),
    };
    sshd.login(identity, "true")?.accepted()?;
    Ok(())
}
