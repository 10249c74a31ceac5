//! `countersign venafi template`, against a running server; and what `countersign certificate` says of archived ones.

use crate::support::{Server, exchange, failure, make_key};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

const ROOT: &str = "root";

/// Asks for a certificate; the answer of a success.
fn post(server: &Server, body: &str) -> Value {
    let address = server.url.strip_prefix("http://").unwrap();
    let request = format!(
        "POST /vedsdk/SSHCertificates/Request HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer \
         {ROOT}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let (status, answer) = exchange(address, request.as_bytes()).unwrap();
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

fn document() -> Value {
    json!({
        "Name": "users",
        "CAKeyPair": {"KeyAlgorithm": "ED25519"},
        "AccessControl": {"DefaultPrincipals": ["alice"]},
        "Certificate": {"ValidityPeriod": "1h"},
    })
}

#[test]
fn a_template_is_made_changed_shown_listed_and_deleted() {
    let server = Server::start(&["--memory", "--root-token", ROOT]);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("users.json");
    let file_name = file.to_str().unwrap();
    let template = |arguments: &[&str]| server.json(ROOT, &[&["venafi", "template"], arguments].concat());
    fs::write(&file, document().to_string()).unwrap();
    let made = template(&["create", file_name]);
    assert_eq!(made["DN"], r"\VED\Certificate Authority\SSH\Templates\users");
    let shown = template(&["show", "users"]);
    assert_eq!(shown["AccessControl"]["DefaultPrincipals"], json!(["alice"]));
    assert_eq!(template(&["list"])[0]["Guid"], made["Guid"]);
    let taken = failure(&server.administer(ROOT, &["venafi", "template", "create", file_name]));
    assert!(
        taken.contains("There is a template with this name already."),
        "{taken}"
    );
    fs::write(&file, json!({"Name": "users", "Contacts": ["ops"]}).to_string()).unwrap();
    template(&["update", file_name]);
    let changed = template(&["show", "users"]);
    assert_eq!(changed["Contacts"], json!(["ops"]));
    assert_eq!(changed["AccessControl"], shown["AccessControl"]);
    fs::write(
        &file,
        json!({"Name": "users", "AccessControl": {"Patterns": []}, "x": 1}).to_string(),
    )
    .unwrap();
    let said = failure(&server.administer(ROOT, &["venafi", "template", "update", file_name]));
    assert!(said.contains("is not known here"), "{said}");
    let said = server.says(ROOT, &["venafi", "template", "delete", "users"]);
    assert_eq!(said, "Template users is gone.\n");
    let said = failure(&server.administer(ROOT, &["venafi", "template", "delete", "users"]));
    assert!(said.contains("countersign venafi template list"), "{said}");
    assert_eq!(template(&["list"]), json!([]));
}

#[test]
fn archived_certificates_and_their_origin_can_be_seen() {
    let server = Server::start(&["--memory", "--root-token", ROOT]);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("users.json");
    fs::write(&file, document().to_string()).unwrap();
    server.json(ROOT, &["venafi", "template", "create", file.to_str().unwrap()]);
    let key = fs::read_to_string(make_key(directory.path())).unwrap();
    let ask = |origin: &str| {
        let body = json!({
            "CADN": "users", "KeyId": "alice", "PublicKeyData": key, "Origin": origin, "ProcessingTimeout": 10,
            "IncludeCertificateDetails": true,
        });
        let answer = post(&server, &body.to_string());
        answer["CertificateDetails"]["SerialNumber"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = ask("a first program");
    let second = ask("a second program");
    let serials = |arguments: &[&str]| -> Vec<String> {
        let listed = server.json(ROOT, &[&["certificate", "list"], arguments].concat());
        let all = listed["certificates"].as_array().unwrap().clone();
        all.iter()
            .map(|one| one["serial_number"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(serials(&["--family", "venafi"]), [second.clone(), first.clone()]);
    assert_eq!(serials(&["--archived"]), std::slice::from_ref(&first));
    let said = server.says(ROOT, &["certificate", "show", &first]);
    assert!(
        said.contains("a first program") && said.contains("Archived:"),
        "{said}"
    );
    assert!(said.contains(r"\VED\Policy\SSH Certificates\alice"), "{said}");
    let said = server.says(ROOT, &["certificate", "show", &second]);
    assert!(
        said.contains("a second program") && !said.contains("Archived:"),
        "{said}"
    );
}
