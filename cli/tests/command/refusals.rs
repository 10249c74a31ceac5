//! What a newcomer is refused in the first ten minutes, and what each refusal says to do next.

use crate::support::{Server, countersign, exchange, failure, make_key};
use serde_json::{Value, json};
use std::process::Command;
use tempfile::TempDir;

#[test]
fn a_refused_command_says_what_to_do_next() {
    let server = Server::start(&["--memory", "--root-token", "root"]);
    let (url, address) = (server.url.as_str(), server.url.strip_prefix("http://").unwrap());
    let https = url.replace("http:", "https:");
    let directory = TempDir::new().unwrap();
    let data = directory.path().to_str().unwrap();
    let _holder = Server::start(&["--data-dir", data]);
    let lost = TempDir::new().unwrap();
    std::fs::write(lost.path().join("countersign.db"), "").unwrap();
    let lost = lost.path().to_str().unwrap();
    let public_key = make_key(directory.path());
    let public_key = public_key.to_str().unwrap();
    for (arguments, advice) in [
        (&["token", "list"][..], "--url or COUNTERSIGN_URL"),
        (&["token", "list", "--url", url], "--token or COUNTERSIGN_TOKEN"),
        (
            &["token", "list", "--url", url, "--token", "other"],
            "countersign token lookup",
        ),
        (
            &["token", "list", "--url", "http://127.0.0.1:1", "--token", "root"],
            "`countersign serve` starts a server",
        ),
        (
            &["token", "list", "--url", &https, "--token", "root"],
            "write http:// in --url",
        ),
        (
            &["token", "create", "--url", url, "--token", "root"],
            "<--policy <POLICY>|--root>",
        ),
        (
            &["certificate", "show", "12", "--url", url, "--token", "root"],
            "countersign certificate list",
        ),
        (
            &[
                "venafi", "template", "show", "none", "--url", url, "--token", "root",
            ],
            "countersign venafi template list",
        ),
        (
            &[
                "authority",
                "create",
                "--key-spec",
                "RSA_1024",
                "--url",
                url,
                "--token",
                "root",
            ],
            "one of ED25519, P256",
        ),
        (
            &["authority", "import", public_key, "--url", url, "--token", "root"],
            "-----BEGIN … PRIVATE KEY-----",
        ),
        (&["serve", "--memory", "--listen", address], "serve --listen"),
        (
            &["serve", "--memory", "--listen", "nowhere"],
            "--listen 127.0.0.1:8200",
        ),
        (
            &["serve", "--memory", "--listen", "192.0.2.1:8200"],
            "this machine has no such address",
        ),
        (
            &["serve", "--listen", "127.0.0.1:0", "--data-dir", data],
            "choose another directory with --data-dir",
        ),
        (
            &["serve", "--listen", "127.0.0.1:0", "--data-dir", lost],
            "put it back",
        ),
        (
            &["serve", "--listen", "127.0.0.1:0", "--data-dir", "/proc/none"],
            "check who owns it",
        ),
    ] {
        let refused = failure(&countersign().args(arguments).output().unwrap());
        assert!(refused.contains(advice), "{arguments:?}: {refused}");
    }
}

/// A request of another family.
fn post(server: &Server, token: &str, path: &str, body: &Value) -> u16 {
    let (address, body) = (server.url.strip_prefix("http://").unwrap(), body.to_string());
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nngrok-version: 2\r\nContent-Type: \
         application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    exchange(address, request.as_bytes()).unwrap().0
}

#[test]
fn whoever_runs_the_server_reads_once_what_to_do_about_a_refused_request() {
    let server = Server::start(&["--memory", "--root-token", "root"]);
    let directory = TempDir::new().unwrap();
    let key = std::fs::read_to_string(make_key(directory.path())).unwrap();
    let small = directory.path().join("small");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f"])
        .arg(&small)
        .status();
    assert!(made.unwrap().success());
    let small = std::fs::read_to_string(small.with_extension("pub")).unwrap();
    let request = |token: Option<&str>, path: &str, body: &Value| {
        let (status, answer) = server
            .request("POST", path, token, &body.to_string())
            .expect("an answer");
        assert!(status >= 400, "{path}: {answer}");
        answer
    };
    let sign = |key: &str, name: &str| {
        let body = json!({"public_key": key, "valid_principals": name});
        request(Some("root"), "ssh/sign/me", &body)
    };
    // The answers have the words of the real products.
    for _ in 0..2 {
        let answer = request(None, "ssh/sign/me", &Value::Null);
        assert_eq!(answer["errors"], json!(["permission denied"]));
    }
    sign(&key, "alice");
    let role = json!({"key_type": "ca", "allow_user_certificates": true, "allowed_users": "alice"});
    server.call("root", "POST", "ssh/roles/me", &role);
    sign(&key, "alice");
    server.make_ca("root");
    sign(&small, "alice");
    let answer = sign(&key, "bob");
    assert_eq!(
        answer["errors"],
        json!(["bob is not a valid value for valid_principals"])
    );
    server.call("root", "POST", "ssh/roles/undefaulted", &role);
    let unnamed = json!({"public_key": key});
    let answer = request(Some("root"), "ssh/sign/undefaulted", &unnamed);
    assert_eq!(
        answer["errors"],
        json!(["empty valid principals not allowed by role"])
    );
    let hosts = json!({"key_type": "ca", "allow_host_certificates": true, "allowed_users": "alice"});
    server.call("root", "POST", "ssh/roles/hosts", &hosts);
    let user = json!({"public_key": key, "valid_principals": "alice"});
    request(Some("root"), "ssh/sign/hosts", &user);
    let policy = json!({"policies": ["default"], "id": "weak"});
    server.call("root", "POST", "auth/token/create", &policy);
    request(Some("weak"), "ssh/roles/me", &role);
    let template = json!({"CADN": "none", "KeyId": "me", "PublicKeyData": key});
    assert_eq!(
        post(&server, "root", "/vedsdk/SSHCertificates/Request", &template),
        400
    );
    let authority = json!({
        "ssh_certificate_authority_id": "sshca_2rwwl2T6kKDNklNsSXGf3D53Kpj", "public_key": key, "principals": ["me"],
    });
    for (token, status) in [("root", 400), ("other", 403), ("other", 403)] {
        let path = "/ssh_user_certificates";
        assert_eq!(post(&server, token, path, &authority), status);
    }

    let said = server.said_later();
    assert_eq!(
        said.matches("send the root token").count(),
        2,
        "once for Vault's callers and once for ngrok's: {said}"
    );
    for advice in [
        "countersign policy write",
        "vault write ssh/config/ca",
        "vault write ssh/roles/NAME",
        "name it in the role",
        "name one in the request",
        "allow_user_certificates or",
        "ssh-keygen -t ed25519",
        "countersign venafi template create",
        "POST /ssh_certificate_authorities",
    ] {
        assert_eq!(said.matches(advice).count(), 1, "{advice}: {said}");
    }
    assert!(
        said.lines().all(|line| line.is_empty() || line.starts_with('#')),
        "{said}"
    );
}
