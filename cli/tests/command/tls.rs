//! HTTPS, with certificates of both kinds.

use crate::support::{Server, countersign, failure, text};
use std::{fs, process::Command};
use tempfile::TempDir;

fn administer(server: &Server, ca_cert: Option<&str>) -> std::process::Output {
    let mut command: Command = countersign();
    command.args(["token", "lookup", "--url", &server.url, "--token", "root"]);
    command.args(ca_cert.map(|path| ["--ca-cert", path]).into_iter().flatten());
    command.output().unwrap()
}

#[test]
fn a_self_signed_certificate_is_made_printed_and_used_again() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().to_str().unwrap();
    let arguments = ["--tls", "--data-dir", data, "--root-token", "root"];
    let path = directory.path().canonicalize().unwrap().join("tls.pem");
    let path = path.to_str().unwrap();
    let server = Server::start(&arguments);
    assert!(server.url.starts_with("https://"));
    assert!(server.banner.contains(path), "{}", server.banner);
    let made = fs::read(path).unwrap();
    let output = administer(&server, Some(path));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(failure(&administer(&server, None)).contains("--ca-cert"));
    drop(server);

    let again = Server::start(&arguments);
    assert_eq!(fs::read(path).unwrap(), made);
    assert!(administer(&again, Some(path)).status.success());
}

#[test]
fn a_given_certificate_is_used() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().to_str().unwrap();
    drop(Server::start(&["--tls", "--data-dir", data]));
    let (certificate, key) = (format!("{data}/tls.pem"), format!("{data}/tls-key.pem"));
    let server = Server::start(&[
        "--memory",
        "--root-token",
        "root",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ]);
    let output = administer(&server, Some(&certificate));
    assert!(output.status.success(), "{}", text(&output.stderr));

    let nowhere = "/nowhere".to_owned();
    for (certificate, key, reason) in [
        (&key, &key, "is not a PEM"),
        (&certificate, &certificate, "is not a PEM"),
        (&certificate, &nowhere, "/nowhere cannot be read"),
        (&nowhere, &key, "/nowhere cannot be read"),
    ] {
        let mut command = countersign();
        command.args([
            "serve",
            "--memory",
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            certificate,
            "--tls-key",
            key,
        ]);
        let error = failure(&command.output().unwrap());
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn in_memory_only_the_certificate_is_written_and_goes_at_the_end() {
    let server = Server::start(&["--memory", "--tls", "--root-token", "root"]);
    let line = server
        .banner
        .lines()
        .find_map(|line| line.strip_prefix("# TLS certificate to trust: "));
    let path = line.unwrap().to_owned();
    assert!(!fs::read_to_string(&path).unwrap().contains("PRIVATE KEY"));
    assert!(administer(&server, Some(&path)).status.success());
    assert!(server.stop("-TERM").success());
    assert!(!fs::exists(&path).unwrap());
}
