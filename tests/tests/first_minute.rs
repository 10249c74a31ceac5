//! A newcomer's first minute: what the local server prints, pasted into bash, ends in a login to a real sshd.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use countersign_tests::{LocalServer, current_user, executed_by, run};
use std::{process::Command, time::Duration};

const LIMIT: Duration = Duration::from_secs(60);

/// Pastes the whole text that the server printed.
fn paste(server: &LocalServer) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-c", server.banner()]);
    let outcome = run(&mut bash, LIMIT).unwrap().success().unwrap();
    let user = current_user().unwrap();
    let login = format!("Logged in as {user}, by certificate.");
    assert!(
        outcome.stdout.lines().last() == Some(&login),
        "no login\n--- stdout\n{}\n--- stderr\n{}",
        outcome.stdout,
        outcome.stderr
    );
    outcome.stdout
}

#[test]
fn the_printed_commands_end_in_a_login() {
    let blocks = executed_by("README.md", "the_printed_commands_end_in_a_login").unwrap();
    assert_eq!(
        blocks,
        ["cargo run -- serve\n"],
        "what this test starts, but for the port"
    );
    let server = LocalServer::start(&[]).unwrap();
    let said = paste(&server);
    assert!(
        said.contains("Type: ssh-ed25519-cert-v01@openssh.com user certificate"),
        "{said}"
    );
    assert!(!said.contains("\"errors\""), "{said}");
    // Whoever pastes them again gets another login.
    paste(&server);
}

#[test]
fn they_do_so_over_https_too() {
    paste(&LocalServer::start(&["--memory", "--tls"]).unwrap());
}

#[test]
fn and_with_a_chosen_token() {
    paste(&LocalServer::start(&["--memory", "--root-token", "it's$HOME"]).unwrap());
}
