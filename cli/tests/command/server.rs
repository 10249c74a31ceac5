//! The start, the port, the directory, the end.

use crate::support::{Server, countersign, exchange, failure};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

#[test]
fn it_is_ready_and_prints_a_root_token_that_works() {
    let server = Server::start(&["--memory"]);
    let token = server.root_token().expect("a root token");
    let answer = server.call(&token, "GET", "auth/token/lookup-self", &Value::Null);
    assert_eq!(answer["data"]["policies"], serde_json::json!(["root"]));
    assert!(server.banner.contains("in memory"));
    assert!(!server.log().contains(&token), "no secret is logged");
}

#[test]
fn a_chosen_root_token_works_and_others_do_not() {
    let server = Server::start(&["--memory", "--root-token", "chosen"]);
    server.call("chosen", "GET", "auth/token/lookup-self", &Value::Null);
    let (status, _) = server
        .request("GET", "auth/token/lookup-self", Some("other"), "")
        .unwrap();
    assert_eq!(status, 403);
}

#[test]
fn the_environment_says_what_the_command_line_does_not() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut command = countersign();
    command
        .arg("serve")
        .env("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .env("COUNTERSIGN_DATA_DIR", &data)
        .env("COUNTERSIGN_ROOT_TOKEN", "from-environment");
    let server = Server::start_command(&mut command);
    server.call("from-environment", "GET", "auth/token/lookup-self", &Value::Null);
    assert!(data.join("countersign.db").exists());
}

#[test]
fn without_a_word_it_keeps_everything_in_countersign_data() {
    let directory = TempDir::new().unwrap();
    let mut command = countersign();
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(directory.path());
    let _server = Server::start_command(&mut command);
    assert!(directory.path().join("countersign-data/countersign.db").exists());
}

#[test]
fn its_directory_is_for_its_owner_alone() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let _server = Server::start(&["--tls", "--data-dir", data.to_str().unwrap()]);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let is_public = path.ends_with("tls.pem");
        assert_eq!(
            mode(&path),
            if is_public { 0o644 } else { 0o600 },
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().to_str().unwrap();
    let server = Server::start(&["--data-dir", data]);
    let second = countersign()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", data])
        .output()
        .unwrap();
    let error = failure(&second);
    assert!(
        error.contains("is in use by another countersign process"),
        "{error}"
    );
    assert!(error.contains("--data-dir"), "{error}");
    assert!(
        server.request("GET", "sys/health", None, "").is_some(),
        "the first goes on"
    );
}

#[test]
fn a_lost_sealing_key_is_not_replaced() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().to_str().unwrap();
    drop(Server::start(&["--data-dir", data]));
    let key = directory.path().join("sealing.key");
    std::fs::remove_file(&key).unwrap();
    let second = countersign()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", data])
        .output()
        .unwrap();
    let error = failure(&second);
    assert!(error.contains("sealing.key is missing"), "{error}");
    assert!(!key.exists(), "no other is made in its place");

    std::fs::write(&key, "damaged").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let third = countersign()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", data])
        .output()
        .unwrap();
    let error = failure(&third);
    assert!(
        error.contains("restore sealing.key, or begin with another --data-dir"),
        "{error}"
    );
}

#[test]
fn a_taken_port_is_refused_with_advice() {
    let server = Server::start(&["--memory"]);
    let address = server.url.strip_prefix("http://").unwrap();
    let second = countersign()
        .args(["serve", "--memory", "--listen", address])
        .output()
        .unwrap();
    let error = failure(&second);
    assert!(
        error.contains("is in use by another program") && error.contains("--listen"),
        "{error}"
    );
    let nonsense = countersign()
        .args(["serve", "--memory", "--listen", "nowhere"])
        .output()
        .unwrap();
    assert!(failure(&nonsense).contains("--listen"));
}

#[test]
fn it_ends_in_peace_when_told_to() {
    for signal in ["-TERM", "-INT"] {
        let server = Server::start(&["--memory"]);
        assert!(server.stop(signal).success(), "{signal}");
    }
}

#[test]
fn paths_of_no_family_are_not_found() {
    let server = Server::start(&["--memory"]);
    let address = server.url.strip_prefix("http://").unwrap();
    for path in ["/", "/index.html", "/v2/sys/health"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_eq!(exchange(address, request.as_bytes()).unwrap().0, 404, "{path}");
    }
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let server = Server::start(&["--memory"]);
    let address = server.url.strip_prefix("http://").unwrap();
    let request = format!(
        "GET /v1/sys/health HTTP/1.1\r\nHost: x\r\nX: {}\r\n",
        "x".repeat(60 * 1024)
    );
    let refused = exchange(
        address,
        [request.as_bytes(), &vec![b'y'; 10_000]].concat().as_slice(),
    );
    assert!(
        refused.is_none_or(|(status, _)| status == 431),
        "a head of 70 kB is read"
    );
    assert_eq!(server.request("GET", "sys/health", None, "").unwrap().0, 200);
}

#[test]
fn the_clients_address_is_the_sockets() {
    let server = Server::start(&["--memory", "--root-token", "root"]);
    let address = server.url.strip_prefix("http://").unwrap();
    let request = "GET /v1/sys/mounts HTTP/1.1\r\nHost: x\r\nX-Vault-Token: root\r\nX-Forwarded-For: \
                   203.0.113.9\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(address, request.as_bytes()).unwrap().0, 200);
    let log = server.log();
    assert!(
        log.contains("\"source_ip\":\"127.0.0.1\"") && !log.contains("203.0.113.9"),
        "{log}"
    );
}
