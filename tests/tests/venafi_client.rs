//! The unmodified `vcert` package against `countersign serve --tls`, and logins to a real `sshd` with what it gets.

#![allow(missing_docs, clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use countersign_tests::{
    Identity, LocalServer, Sshd, countersign, current_user, decode_certificate, run, run_python,
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};

const ROOT: &str = "root";
const LIMIT: Duration = Duration::from_secs(60);

/// What the identity may do.
const POLICY: &str = r#"
path "vedsdk/SSHCertificates/*"   { capabilities = ["create", "read", "update"] }
path "vedsdk/template/*"          { capabilities = ["update"] }
path "vedsdk/folder/\\VED\\Policy\\team" { capabilities = ["create"] }
"#;

/// A server over HTTPS, and how to talk to it.
struct Server {
    _server: LocalServer,
    url: String,
    trust_bundle: String,
}

impl Server {
    fn start() -> Result<Self> {
        let server = LocalServer::start(&["--memory", "--tls", "--root-token", ROOT])?;
        let after = |words: &str| -> Result<String> {
            let line = server.banner().lines().find_map(|line| line.split_once(words));
            Ok(line.context("the banner says it")?.1.trim().to_owned())
        };
        Ok(Self {
            url: after(" answers at ")?,
            trust_bundle: after("# TLS certificate to trust: ")?,
            _server: server,
        })
    }

    /// What an administration command prints.
    fn administer(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = countersign()?;
        command.args(arguments).args([
            "--url",
            &self.url,
            "--token",
            ROOT,
            "--ca-cert",
            &self.trust_bundle,
            "--json",
        ]);
        let said = run(&mut command, LIMIT)?.success()?;
        Ok(serde_json::from_str(&said.stdout)?)
    }

    /// The templates, and an identity that may use them: its client id and secret.
    fn set_up(&self, directory: &Path) -> Result<(String, String)> {
        let user = current_user()?;
        let users = json!({
            "Name": "users",
            "CAKeyPair": {"KeyAlgorithm": "ED25519", "Name": "user-ca"},
            "AccessControl": {"AllowedPrincipalsPatterns": [user], "DefaultPrincipals": ["bob", "alice"]},
            "Certificate": {"CertificateDestinationDn": "\\VED\\Policy\\ssh", "ValidityPeriod": "8h"},
        });
        let hosts = json!({
            "Name": "hosts",
            "CAKeyPair": {"KeyAlgorithm": "ECDSAP256"},
            "AccessControl": {"AllowedPrincipalsPatterns": ["[a-z0-9.]+"]},
            "Certificate": {"Type": "Host"},
        });
        for template in [users, hosts] {
            let file = directory.join("template.json");
            fs::write(&file, template.to_string())?;
            let file = file.to_str().context("the path is text")?;
            self.administer(&["venafi", "template", "create", file])?;
        }
        let file = directory.join("policy.hcl");
        fs::write(&file, POLICY)?;
        self.administer(&[
            "policy",
            "write",
            "venafi",
            file.to_str().context("the path is text")?,
        ])?;
        let identity = self.administer(&["identity", "create", "svc", "--policy", "venafi"])?;
        let text = |name: &str| -> Result<String> {
            Ok(identity[name].as_str().context("the identity has it")?.to_owned())
        };
        Ok((text("client_id")?, text("client_secret")?))
    }
}

#[test]
fn cases_03_06_07_08_22_23_and_30_the_python_package_enrols_and_its_certificates_log_in() -> Result<()> {
    let server = Server::start()?;
    let directory = tempfile::tempdir()?;
    let (client_id, secret) = server.set_up(directory.path())?;
    let at = |name: &str| directory.path().join(name);
    let sshd = Sshd::builder()?;
    run_python(
        "contract/venafi/client.py",
        &[
            &server.url,
            &server.trust_bundle,
            &client_id,
            &secret,
            &directory.path().display().to_string(),
            &current_user()?,
            &sshd.host_key().public_path().display().to_string(),
        ],
        &[],
    )?;
    let read = |name: &str| fs::read_to_string(at(name));
    for name in ["id", "service"] {
        private(&at(name))?;
    }
    let sshd = sshd
        .user_ca(&read("user-ca.pub")?)
        .host_certificate(&read("host-cert.pub")?, &read("host-ca.pub")?)?
        .start()?;
    for (name, key_id) in [("id", "local 2"), ("service", "service-1")] {
        let (key, certificate) = (at(name), at(&format!("{name}-cert.pub")));
        let identity = Identity::File {
            key: &key,
            certificate: &certificate,
        };
        let outcome = sshd.login(identity, "echo let in")?.accepted()?;
        ensure!(outcome.stdout == "let in\n", "{outcome:?}");
        sshd.login_as("nobody", identity, "true")?.refused()?;
        let listing = decode_certificate(&read(&format!("{name}-cert.pub"))?)?;
        ensure!(listing.contains(&format!("Key ID: \"{key_id}\"")), "{listing}");
        sshd.wait_for_log(&format!("ID {key_id} (serial "))?;
    }
    let listed = server.administer(&["certificate", "list", "--family", "venafi"])?;
    let listed = listed["certificates"].as_array().context("a list")?;
    ensure!(listed.len() == 4, "{listed:?}");
    Ok(())
}

/// The package gives its files no rights of their own, and ssh wants a private key to be private.
fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}
