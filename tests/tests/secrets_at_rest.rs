//! What `countersign serve` leaves in its directory and in its log: no secret, in any spelling.

#![allow(missing_docs)]

use anyhow::{Context, Result, ensure};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use countersign_tests::{KeyType, LocalServer, Outcome, make_key, run};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command, time::Duration};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
const ROOT: &str = "csn_root-token-of-the-secret-scan-AbCdEf";

struct Client {
    url: String,
    /// What was secret so far, by name.
    secrets: Vec<(&'static str, String)>,
}

impl Client {
    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Outcome> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--request", method, "--header"])
            .arg(format!("X-Vault-Token: {ROOT}"));
        if !body.is_null() {
            curl.args(["--data", &body.to_string()]);
        }
        run(curl.arg(format!("{}/v1/{path}", self.url)), LIMIT)?.success()
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        Ok(serde_json::from_str(&self.send("POST", path, body)?.stdout).unwrap_or_default())
    }

    /// Keeps the text at `pointer` of an answer for a secret.
    fn secret(&mut self, name: &'static str, answer: &Value, pointer: &str) -> Result<String> {
        let text = answer.pointer(pointer).and_then(Value::as_str);
        let text = text.with_context(|| format!("{name}: {answer}"))?.to_owned();
        self.secrets.push((name, text.clone()));
        Ok(text)
    }
}

/// Every spelling of a secret that could have come to lie somewhere: its bytes, in hex, and in base64 wherever its
/// first byte falls among three.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for skipped in 0..3 {
        let (from, to) = (
            (3 - skipped) % 3,
            bytes.len() - (bytes.len() - (3 - skipped) % 3) % 3,
        );
        all.push(STANDARD_NO_PAD.encode(&bytes[from..to]).into_bytes());
        all.push(URL_SAFE_NO_PAD.encode(&bytes[from..to]).into_bytes());
    }
    all
}

/// The secret inside a PEM block: its middle line, which no two keys share.
fn inner_line(pem: &str) -> Result<String> {
    let lines: Vec<&str> = pem.lines().collect();
    lines
        .get(lines.len() / 2)
        .map(|line| (*line).to_owned())
        .context("a PEM block")
}

fn files(directory: &Path, found: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else {
            found.push((path.display().to_string(), fs::read(&path)?));
        }
    }
    Ok(())
}

fn holds(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}

#[test]
fn no_secret_lies_in_the_directory_or_in_the_log() -> Result<()> {
    let directory = TempDir::with_prefix("countersign-secrets-")?;
    let data = directory.path().join("data");
    let data_text = data.display().to_string();
    let server = LocalServer::start(&["--data-dir", &data_text, "--root-token", ROOT])?;
    let mut client = Client {
        url: server.url()?,
        secrets: vec![("root token", ROOT.to_owned())],
    };
    lend(&mut client, directory.path())?;
    log_in(&mut client)?;
    ensure!(client.secrets.len() >= 9);

    let mut places = Vec::new();
    files(&data, &mut places)?;
    ensure!(
        places.iter().any(|(name, _)| name.ends_with("-wal")),
        "no write-ahead log"
    );
    places.push(("the log".into(), server.log().into_bytes()));
    for (name, secret) in &client.secrets {
        for spelling in spellings(secret) {
            for (place, content) in &places {
                // The start prints the root token, for that is how a user comes to it.
                if *name == "root token" && place == "the log" {
                    continue;
                }
                ensure!(!holds(content, &spelling), "{name} lies in {place}");
            }
        }
    }
    // The scan finds what is there.
    ensure!(
        places
            .iter()
            .any(|(_, content)| holds(content, b"user-of-the-scan"))
    );
    Ok(())
}

fn lend(client: &mut Client, directory: &Path) -> Result<()> {
    client.post("ssh/config/ca", &json!({ "key_type": "ed25519" }))?;
    let role = json!({ "key_type": "otp", "default_user": "user-of-the-scan", "cidr_list": "0.0.0.0/0" });
    client.post("ssh/roles/otp", &role)?;
    for _ in 0..2 {
        let lent = client.post("ssh/creds/otp", &json!({ "ip": "127.0.0.1" }))?;
        let password = client.secret("one-time password", &lent, "/data/key")?;
        if client.secrets.len() == 2 {
            let right = client.post("ssh/verify", &json!({ "otp": password }))?;
            ensure!(right["data"]["role_name"] == "otp", "{right}");
        }
    }
    let key = fs::read_to_string(make_key(directory, "admin", KeyType::Ed25519)?.path())?;
    client.secrets.push(("key of the admin user", inner_line(&key)?));
    client.post("ssh/keys/admin", &json!({ "key": key }))?;
    client.post("ssh/keys/broken", &json!({ "key": key.replace("END", "end") }))?;
    let role = json!({ "key_type": "ca", "allow_user_certificates": true, "allowed_users": "*" });
    client.post("ssh/roles/ca", &role)?;
    let issued = client.post(
        "ssh/issue/ca",
        &json!({ "valid_principals": "a", "key_type": "ed25519" }),
    )?;
    let pem = client.secret("issued private key", &issued, "/data/private_key")?;
    client.secrets.pop();
    client.secrets.push(("issued private key", inner_line(&pem)?));
    Ok(())
}

fn log_in(client: &mut Client) -> Result<()> {
    let token = client.post("auth/token/create", &json!({ "ttl": "1h" }))?;
    let text = client.secret("token", &token, "/auth/client_token")?;
    client.post("auth/token/lookup", &json!({ "token": text }))?;
    client.post("sys/auth/approle", &json!({ "type": "approle" }))?;
    client.post("auth/approle/role/r", &json!({ "policies": "default" }))?;
    let id = client
        .send("GET", "auth/approle/role/r/role-id", &Value::Null)?
        .stdout;
    let id: Value = serde_json::from_str(&id)?;
    let secret = client.post("auth/approle/role/r/secret-id", &json!({}))?;
    let secret = client.secret("secret id", &secret, "/data/secret_id")?;
    let login = json!({ "role_id": id["data"]["role_id"], "secret_id": secret });
    let login = client.post("auth/approle/login", &login)?;
    client.secret("token of a login", &login, "/auth/client_token")?;
    client.post("sys/auth/userpass", &json!({ "type": "userpass" }))?;
    let password = "a-password-of-the-scan-QwErTy";
    client.secrets.push(("password", password.into()));
    client.post("auth/userpass/users/u", &json!({ "password": password }))?;
    client.post("auth/userpass/login/u", &json!({ "password": password }))?;
    let wrong = "another-password-of-the-scan-QwErTz";
    client.secrets.push(("wrong password", wrong.into()));
    client.post("auth/userpass/login/u", &json!({ "password": wrong }))?;
    // Secrets where none belongs.
    client.post(
        "ssh/roles/none",
        &json!({ "key_type": password, "port": password }),
    )?;
    client.post("ssh/verify", &json!({ "otp": wrong }))?;
    Ok(())
}
