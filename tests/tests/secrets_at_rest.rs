//! What `countersign serve` leaves in its directory and in its log: no secret, in any spelling.

#![allow(missing_docs)]

use anyhow::{Context, Result, ensure};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use countersign_tests::{KeyType, LocalServer, Outcome, Sshd, current_user, make_key, run};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
const ROOT: &str = "csn_root-token-of-the-secret-scan-AbCdEf";

struct Client {
    url: String,
    /// What was secret so far, by name.
    secrets: Vec<(&'static str, Vec<u8>)>,
}

impl Client {
    /// Sends a request below `/v1` with the root token in Vault's header.
    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Outcome> {
        let header = format!("X-Vault-Token: {ROOT}");
        self.send_with(&[&header], method, &format!("/v1/{path}"), body)
    }

    fn send_with(&self, headers: &[&str], method: &str, path: &str, body: &Value) -> Result<Outcome> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--request", method])
            .args([
                "--header",
                "Content-Type: application/json",
                "--header",
                "ngrok-version: 2",
            ]);
        for header in headers {
            curl.args(["--header", header]);
        }
        if !body.is_null() {
            curl.args(["--data", &body.to_string()]);
        }
        run(curl.arg(format!("{}{path}", self.url)), LIMIT)?.success()
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        Ok(serde_json::from_str(&self.send("POST", path, body)?.stdout).unwrap_or_default())
    }

    /// Sends a POST to another family, with a bearer token, or without where it is empty.
    fn post_as(&self, token: &str, path: &str, body: &Value) -> Result<Value> {
        let header = format!("Authorization: Bearer {token}");
        let headers = [header.as_str()];
        let headers = &headers[usize::from(token.is_empty())..];
        let outcome = self.send_with(headers, "POST", path, body)?;
        Ok(serde_json::from_str(&outcome.stdout).unwrap_or_default())
    }

    fn keep(&mut self, name: &'static str, secret: &str) {
        self.secrets.push((name, secret.as_bytes().to_vec()));
    }

    /// Keeps the text at `pointer` of an answer for a secret.
    fn secret(&mut self, name: &'static str, answer: &Value, pointer: &str) -> Result<String> {
        let text = at(name, answer, pointer)?;
        self.keep(name, &text);
        Ok(text)
    }

    /// Keeps a private key: a line of its PEM form, and what is secret in its bytes.
    fn private_key(&mut self, name: &'static str, pem: &str) -> Result<()> {
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let line = lines.get(lines.len() / 2).context("a PEM block")?;
        self.keep(name, line);
        let bytes = STANDARD_NO_PAD.decode(lines.concat().trim_end_matches('='))?;
        let length = [0, 0, 0, 64];
        let place = bytes.windows(4).position(|window| window == length);
        // An Ed25519 key of OpenSSH has its seed there; in the middle of an RSA key is its private exponent.
        let start = match place {
            Some(place) if pem.contains("OPENSSH") => place + 4,
            _ => bytes.len() / 2,
        };
        let part = bytes.get(start..start + 32).context("a private key's bytes")?;
        self.secrets.push((name, part.to_vec()));
        Ok(())
    }
}

fn at(name: &str, answer: &Value, pointer: &str) -> Result<String> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("{name}: {answer}"))?.to_owned())
}

/// Every spelling of a secret that could have come to lie somewhere: its bytes, in hex, and in base64 wherever its
/// first byte falls among three.
fn spellings(bytes: &[u8]) -> Vec<Vec<u8>> {
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

fn files(directory: &Path, found: &mut Vec<(String, String)>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else {
            found.push((path.display().to_string(), characters(&fs::read(&path)?)));
        }
    }
    Ok(())
}

/// A character for each byte: the standard library looks fast for one text in another.
fn characters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[test]
fn no_secret_lies_in_the_directory_or_in_the_log() -> Result<()> {
    let directory = TempDir::with_prefix("countersign-secrets-")?;
    let data = directory.path().join("data");
    let data_text = data.display().to_string();
    let server = LocalServer::start(&["--data-dir", &data_text, "--root-token", ROOT])?;
    let mut client = Client {
        url: server.url()?,
        secrets: vec![("root token", ROOT.into())],
    };
    lend(&mut client, directory.path())?;
    lend_keys(&mut client, directory.path())?;
    log_in(&mut client)?;
    wrap(&mut client)?;
    infisical(&mut client)?;
    venafi(&mut client)?;
    ngrok(&mut client)?;
    let names: BTreeSet<&str> = client.secrets.iter().map(|(name, _)| *name).collect();
    ensure!(names.len() >= 28, "{names:?}");

    let mut places = Vec::new();
    files(&data, &mut places)?;
    ensure!(
        places.iter().any(|(name, _)| name.ends_with("-wal")),
        "no write-ahead log"
    );
    places.push(("the log".into(), characters(server.log().as_bytes())));
    for (name, secret) in &client.secrets {
        for spelling in spellings(secret) {
            for (place, content) in &places {
                // The start prints the root token, for that is how a user comes to it.
                if *name == "root token" && place == "the log" {
                    continue;
                }
                ensure!(
                    !content.contains(&characters(&spelling)),
                    "{name} lies in {place}"
                );
            }
        }
    }
    // The scan finds what is there.
    ensure!(
        places
            .iter()
            .any(|(_, content)| content.contains("user-of-the-scan"))
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
    client.private_key("key of the admin user", &key)?;
    client.post("ssh/keys/admin", &json!({ "key": key }))?;
    client.post("ssh/keys/broken", &json!({ "key": key.replace("END", "end") }))?;
    let role = json!({ "key_type": "ca", "allow_user_certificates": true, "allowed_users": "*" });
    client.post("ssh/roles/ca", &role)?;
    let issued = client.post(
        "ssh/issue/ca",
        &json!({ "valid_principals": "a", "key_type": "ed25519" }),
    )?;
    client.private_key("issued private key", &at("issued", &issued, "/data/private_key")?)?;
    Ok(())
}

/// Keys on a host: one that stays there, one that was taken away, and one that could not be put there.
fn lend_keys(client: &mut Client, directory: &Path) -> Result<()> {
    let admins = directory.join("admins");
    fs::write(&admins, fs::read(directory.join("admin.pub"))?)?;
    let builder = Sshd::builder()?.keys_files(&admins.display().to_string());
    let host_key = builder.host_key().public_line()?;
    let sshd = builder.start()?;
    let user = current_user()?;
    let mut role = json!({
        "key_type": "dynamic", "key": "admin", "admin_user": user, "default_user": user, "cidr_list": "0.0.0.0/0",
        "port": sshd.port(), "host_key": host_key, "install_script": "#!/bin/sh\nexit 0\n",
    });
    client.post("ssh/roles/dynamic", &role)?;
    let ask = || client.post("ssh/creds/dynamic", &json!({ "ip": "127.0.0.1" }));
    let (first, second) = (ask()?, ask()?);
    for lent in [&first, &second] {
        client.private_key("dynamic key", &at("dynamic key", lent, "/data/key")?)?;
    }
    let lease = json!({ "lease_id": second["lease_id"] });
    ensure!(client.send("PUT", "sys/leases/revoke", &lease)?.stdout.is_empty());
    role["install_script"] = "#!/bin/sh\nexit 1\n".into();
    client.post("ssh/roles/dynamic", &role)?;
    let refused = client.post("ssh/creds/dynamic", &json!({ "ip": "127.0.0.1" }))?;
    ensure!(refused["errors"].is_array(), "{refused}");
    Ok(())
}

/// A one-time password in a wrapped answer.
fn wrap(client: &mut Client) -> Result<()> {
    let token = format!("X-Vault-Token: {ROOT}");
    let headers = [token.as_str(), "X-Vault-Wrap-TTL: 300"];
    for is_opened in [false, true] {
        let body = json!({ "ip": "127.0.0.1" });
        let wrapped = client
            .send_with(&headers, "POST", "/v1/ssh/creds/otp", &body)?
            .stdout;
        let wrapped: Value = serde_json::from_str(&wrapped)?;
        let token = client.secret("wrapping token", &wrapped, "/wrap_info/token")?;
        if is_opened {
            let opened = client.post("sys/wrapping/unwrap", &json!({ "token": token }))?;
            client.secret("wrapped password", &opened, "/data/key")?;
        }
    }
    Ok(())
}

fn infisical(client: &mut Client) -> Result<()> {
    let password = "a-persons-password-of-the-scan-ZuIoP";
    client.keep("password of a person", password);
    let document = json!({"projects": [{
        "name": "scan",
        "users": [{"email": "a@example.com", "password": password, "role": "admin"}],
        "identities": [{"name": "ci", "role": "member"}],
        "groups": [{"slug": "ops", "users": ["a@example.com"]}],
        "hosts": [{
            "hostname": "web.example.com",
            "loginMappings": [{"loginUser": "ubuntu", "allowedPrincipals": {"groups": ["ops"]}}],
        }],
    }]});
    let setup = client.post_as(ROOT, "/api/v1/countersign/apply", &document)?;
    let identity = "/projects/0/identities/0";
    let secret = client.secret("client secret", &setup, &format!("{identity}/clientSecret"))?;
    let id = at("client id", &setup, &format!("{identity}/clientId"))?;
    let login = "/api/v1/auth/universal-auth/login";
    let machine = client.post_as("", login, &json!({"clientId": id, "clientSecret": secret}))?;
    client.secret("token of a machine", &machine, "/accessToken")?;
    let wrong = "a-wrong-client-secret-of-the-scan-AsDfG";
    client.keep("wrong client secret", wrong);
    client.post_as("", login, &json!({"clientId": id, "clientSecret": wrong}))?;
    let login = "/api/v3/auth/login";
    client.post_as("", login, &json!({"email": "a@example.com", "password": wrong}))?;
    let person = client.post_as(
        "",
        login,
        &json!({"email": "a@example.com", "password": password}),
    )?;
    let token = client.secret("first token of a person", &person, "/accessToken")?;
    let body = json!({"organizationId": setup["organizationId"]});
    let person = client.post_as(&token, "/api/v3/auth/select-organization", &body)?;
    let token = client.secret("token of a person", &person, "/token")?;
    let host = at("host", &setup, "/projects/0/hosts/0/id")?;
    let path = format!("/api/v1/ssh/hosts/{host}/issue-user-cert");
    let issued = client.post_as(&token, &path, &json!({"loginUser": "ubuntu"}))?;
    client.private_key("private key for a host", &at("issued", &issued, "/privateKey")?)?;
    for token in [&token, &token[..token.len() - 1]] {
        client.post_as(
            token,
            &path,
            &json!({"loginUser": "nobody", "publicKey": password}),
        )?;
    }
    let signature = token.rsplit('.').next().context("a JWT")?.to_owned();
    client.keep("signature of a JWT", &signature);
    Ok(())
}

fn venafi(client: &mut Client) -> Result<()> {
    let policy = r#"path "*" { capabilities = ["create", "read", "update", "sudo"] }"#;
    client.post("sys/policies/acl/venafi", &json!({ "policy": policy }))?;
    client.post("auth/approle/role/svc", &json!({ "token_policies": ["venafi"] }))?;
    let id = client.send("GET", "auth/approle/role/svc/role-id", &Value::Null)?;
    let id: Value = serde_json::from_str(&id.stdout)?;
    let secret = client.post("auth/approle/role/svc/secret-id", &json!({}))?;
    let secret = client.secret("secret of a service", &secret, "/data/secret_id")?;
    let login = json!({
        "client_id": "scan", "username": id["data"]["role_id"], "password": secret, "scope": "ssh:manage",
    });
    let granted = client.post_as("", "/vedauth/authorize/oauth", &login)?;
    client.secret("refresh token", &granted, "/refresh_token")?;
    let token = client.secret("access token", &granted, "/access_token")?;
    let key = client.post_as(
        "",
        "/vedsdk/authorize",
        &json!({"Username": id["data"]["role_id"], "Password": secret}),
    )?;
    client.secret("API key", &key, "/APIKey")?;

    let template = json!({
        "Name": "users", "CAKeyPair": {"KeyAlgorithm": "ED25519"}, "AccessControl": {"DefaultPrincipals": ["alice"]},
        "Certificate": {"ValidityPeriod": "1h", "DefaultPrivateKeyAlgorithm": "ED25519"},
    });
    let ssh = "/vedsdk/SSHCertificates";
    client.post_as(ROOT, &format!("{ssh}/Template/Create"), &template)?;
    let passphrase = "a-passphrase-of-the-scan-YxCvB";
    client.keep("passphrase", passphrase);
    let request = json!({"CADN": "users", "KeyId": "alice", "ProcessingTimeout": 10});
    let requested = client.post_as(&token, &format!("{ssh}/Request"), &request)?;
    let mut retrieve = json!({
        "DN": requested["DN"], "IncludePrivateKeyData": true, "PrivateKeyPassphrase": passphrase,
    });
    let encrypted = client.post_as(&token, &format!("{ssh}/Retrieve"), &retrieve)?;
    client.keep(
        "encrypted private key",
        at("a key", &encrypted, "/PrivateKeyData")?
            .lines()
            .nth(2)
            .context("a line")?,
    );
    retrieve["PrivateKeyPassphrase"] = Value::Null;
    let plain = client.post_as(&token, &format!("{ssh}/Retrieve"), &retrieve)?;
    client.private_key("generated private key", &at("a key", &plain, "/PrivateKeyData")?)?;
    // Wrong in a way that is said, with the passphrase beside it.
    retrieve["PrivateKeyPassphrase"] = passphrase.into();
    retrieve["DN"] = passphrase.into();
    client.post_as(&token, &format!("{ssh}/Retrieve"), &retrieve)?;
    Ok(())
}

fn ngrok(client: &mut Client) -> Result<()> {
    let made = client.post("auth/token/create", &json!({ "ttl": "1h" }))?;
    let token = client.secret("token as API key", &made, "/auth/client_token")?;
    let wrong = "csn_a-wrong-api-key-of-the-scan-QaYwSx";
    client.keep("wrong API key", wrong);
    for token in [ROOT, &token, wrong] {
        let body = json!({ "description": "scan", "private_key_type": "ed25519" });
        client.post_as(token, "/ssh_certificate_authorities", &body)?;
    }
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
    client.keep("password", password);
    client.post("auth/userpass/users/u", &json!({ "password": password }))?;
    client.post("auth/userpass/login/u", &json!({ "password": password }))?;
    let wrong = "another-password-of-the-scan-QwErTz";
    client.keep("wrong password", wrong);
    client.post("auth/userpass/login/u", &json!({ "password": wrong }))?;
    // Secrets where none belongs.
    client.post(
        "ssh/roles/none",
        &json!({ "key_type": password, "port": password }),
    )?;
    client.post("ssh/verify", &json!({ "otp": wrong }))?;
    Ok(())
}
