//! What survives a restart, and a sudden end.

use crate::support::{Server, make_key};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use tempfile::TempDir;

fn start(directory: &TempDir, arguments: &[&str]) -> Server {
    let data = directory.path().join("data");
    Server::start(&[&["--data-dir", data.to_str().unwrap()], arguments].concat())
}

fn is_root(server: &Server, token: &str) -> bool {
    let (status, answer) = server
        .request("GET", "auth/token/lookup-self", Some(token), "")
        .unwrap();
    status == 200 && answer["data"]["policies"] == json!(["root"])
}

#[test]
fn an_old_directory_keeps_its_root_tokens_and_takes_more() {
    let directory = TempDir::new().unwrap();
    let first = start(&directory, &[]);
    let token = first.root_token().unwrap();
    drop(first);

    let second = start(&directory, &[]);
    assert_eq!(second.root_token(), None);
    assert!(second.banner.contains("--root-token TOKEN"), "{}", second.banner);
    assert!(
        second.banner.lines().all(|line| line.starts_with('#')),
        "no command that cannot work: {}",
        second.banner
    );
    assert!(is_root(&second, &token));
    drop(second);

    let third = start(&directory, &["--root-token", "one-more"]);
    assert!(is_root(&third, &token) && is_root(&third, "one-more"));
    drop(third);

    // The same again is no error, and nothing new.
    let fourth = start(&directory, &["--root-token", "one-more"]);
    assert!(is_root(&fourth, &token) && is_root(&fourth, "one-more"));
}

#[test]
fn a_directory_that_began_with_a_chosen_token_gets_no_other() {
    let directory = TempDir::new().unwrap();
    drop(start(&directory, &["--root-token", "chosen"]));
    let again = start(&directory, &[]);
    assert_eq!(again.root_token(), None);
    assert!(is_root(&again, "chosen"));
}

#[test]
fn a_restart_keeps_the_ca_its_roles_and_its_certificates() {
    let directory = TempDir::new().unwrap();
    let key = fs::read_to_string(make_key(directory.path())).unwrap();
    let first = start(&directory, &["--root-token", "root"]);
    first.make_ca("root");
    let ca = first.call("root", "GET", "ssh/config/ca", &Value::Null)["data"].clone();
    let signed = first.call("root", "POST", "ssh/sign/me", &json!({"public_key": key}));
    assert!(first.stop("-TERM").success());

    let second = start(&directory, &[]);
    assert_eq!(
        second.call("root", "GET", "ssh/config/ca", &Value::Null)["data"],
        ca
    );
    second.call("root", "POST", "ssh/sign/me", &json!({"public_key": key}));
    let serial = signed["data"]["serial_number"].as_str().unwrap();
    let shown = second.says("root", &["certificate", "show", serial]);
    assert!(shown.contains("alice"), "{shown}");
}

/// Each certificate that a client holds has its record, however the server ended.
#[test]
fn a_killed_server_keeps_every_certificate_that_it_gave_out() {
    let directory = TempDir::new().unwrap();
    let key = fs::read_to_string(make_key(directory.path())).unwrap();
    let body = json!({"public_key": key}).to_string();
    let server = start(&directory, &["--root-token", "root"]);
    server.make_ca("root");
    let given_out = Mutex::new(Vec::new());
    let enough = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((200, answer)) = server.request("POST", "ssh/sign/me", Some("root"), &body) {
                    let serial = answer["data"]["serial_number"].as_str().unwrap().to_owned();
                    given_out.lock().unwrap().push(serial);
                    enough.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        while enough.load(Ordering::SeqCst) < 60 {
            thread::sleep(Duration::from_millis(5));
        }
        server.kill();
    });
    drop(server);

    let server = start(&directory, &[]);
    let listed = server.json("root", &["certificate", "list", "--limit", "100000"]);
    let listed: Vec<u64> = listed["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|certificate| certificate["serial_number"].as_str().unwrap().parse().unwrap())
        .collect();
    let given_out = given_out.into_inner().unwrap();
    assert!(given_out.len() >= 60);
    for serial in given_out {
        let number = u64::from_str_radix(&serial, 16).unwrap();
        assert!(listed.contains(&number), "the certificate {serial} has no record");
    }
}
