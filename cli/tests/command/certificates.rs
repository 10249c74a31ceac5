//! `certificate list` and `certificate show`.

use crate::support::{Server, failure, make_key};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};
use tempfile::TempDir;

const ROOT: &str = "root";

fn sign(server: &Server, directory: &Path, fields: Value) -> Value {
    let key = directory.join("key.pub");
    let key = fs::read_to_string(if key.exists() { key } else { make_key(directory) }).unwrap();
    let mut body = fields;
    body["public_key"] = key.into();
    server.call(ROOT, "POST", "ssh/sign/me", &body)["data"].clone()
}

/// What the real `ssh-keygen -L` prints, in UTC, without the line that names the file.
fn ssh_keygen(certificate: &Path) -> String {
    let output = Command::new("ssh-keygen")
        .env("TZ", "UTC0")
        .arg("-Lf")
        .arg(certificate)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().skip(1).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_certificate_is_shown_as_ssh_keygen_shows_it_and_whose_it_is() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&["--memory", "--root-token", ROOT]);
    server.make_ca(ROOT);
    let signed = sign(&server, directory.path(), json!({}));
    let file = directory.path().join("key-cert.pub");
    fs::write(&file, signed["signed_key"].as_str().unwrap()).unwrap();

    let hex = signed["serial_number"].as_str().unwrap();
    let decimal = u64::from_str_radix(hex, 16).unwrap().to_string();
    let shown = server.says(ROOT, &["certificate", "show", &decimal]);
    assert_eq!(
        server.says(ROOT, &["certificate", "show", hex]),
        shown,
        "Vault's spelling of the serial"
    );
    let id = shown.lines().next().unwrap().trim_end_matches(':');
    assert_eq!(server.says(ROOT, &["certificate", "show", id]), shown);

    // Ours says that its times are in UTC.
    let decoded = ssh_keygen(&file);
    let without_zone: String = shown
        .lines()
        .skip(1)
        .take(decoded.lines().count())
        .map(|line| match line.trim_start().starts_with("Valid: ") {
            true => line.replace("Z to ", " to ").trim_end_matches('Z').to_owned() + "\n",
            false => format!("{line}\n"),
        })
        .collect();
    assert_eq!(without_zone, decoded);
    for fact in ["root", "127.0.0.1", "vault", "ssh/me", "sshca_"] {
        assert!(shown[decoded.len()..].contains(fact), "{fact}: {shown}");
    }
    let json = server.json(ROOT, &["certificate", "show", id]);
    assert_eq!(
        (&json["id"], &json["family"], &json["serial_number"]),
        (&json!(id), &json!("vault"), &json!(decimal))
    );

    let error = failure(&server.administer(ROOT, &["certificate", "show", "1"]));
    assert!(error.contains("countersign certificate list"), "{error}");
}

#[test]
fn certificates_are_listed_newest_first_and_filtered() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&["--memory", "--root-token", ROOT]);
    assert!(
        server
            .says(ROOT, &["certificate", "list"])
            .contains("No certificate matches")
    );
    server.make_ca(ROOT);
    let role = json!({
        "key_type": "ca", "allow_user_certificates": true, "allow_host_certificates": true, "allowed_users": "*",
        "allowed_domains": "*", "allow_bare_domains": true, "allow_subdomains": true, "ttl": "30m",
    });
    server.call(ROOT, "POST", "ssh/roles/me", &role);
    let mut serials: Vec<String> = Vec::new();
    for (cert_type, principal) in [
        ("user", "alice"),
        ("host", "web"),
        ("user", "bob"),
        ("user", "alice"),
    ] {
        let signed = sign(
            &server,
            directory.path(),
            json!({"cert_type": cert_type, "valid_principals": principal}),
        );
        let serial = u64::from_str_radix(signed["serial_number"].as_str().unwrap(), 16).unwrap();
        serials.push(serial.to_string());
    }
    // Within one second the order is open: so sets are compared here, and the order by the core's own tests.
    let list = |filter: &[&str]| {
        let listed = server.json(ROOT, &[&["certificate", "list"], filter].concat());
        let position = |certificate: &Value| {
            serials
                .iter()
                .position(|serial| certificate["serial_number"] == **serial)
        };
        let mut found: Vec<usize> = listed["certificates"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(position)
            .collect();
        found.sort_unstable();
        found
    };
    assert_eq!(list(&[]), [0, 1, 2, 3]);
    assert_eq!(list(&["--user"]), [0, 2, 3]);
    assert_eq!(list(&["--host"]), [1]);
    assert_eq!(list(&["--principal", "alice"]), [0, 3]);
    assert_eq!(list(&["--family", "vault", "--role", "ssh/me"]), [0, 1, 2, 3]);
    assert_eq!(list(&["--family", "ngrok"]), [0_usize; 0]);
    assert_eq!(list(&["--since", "1h"]), [0, 1, 2, 3]);
    assert_eq!(list(&["--since", "2100-01-01"]), [0_usize; 0]);
    assert_eq!(list(&["--limit", "2"]).len(), 2);
    let table = server.says(ROOT, &["certificate", "list", "--host"]);
    assert!(
        table.starts_with("ISSUED ") && table.contains(&serials[1]) && table.contains("web"),
        "{table}"
    );
    assert!(
        failure(&server.administer(ROOT, &["certificate", "list", "--since", "soon"])).contains("2026-11-24")
    );
}
