//! Logging in with the real `ssh`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::{Outcome, run};
use crate::sshd::{Sshd, current_user};

const LIMIT: Duration = Duration::from_secs(60);
/// The status of `ssh` itself, as opposed to the remote command's.
const SSH_FAILED: i32 = 255;

/// What a client logs in with.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    /// All that an agent offers, by its socket.
    Agent(&'a Path),
    /// A private key's file and a certificate's.
    File {
        /// The private key.
        key: &'a Path,
        /// The certificate.
        certificate: &'a Path,
    },
}

/// How a login ended.
#[derive(Debug)]
pub struct LoginOutcome {
    /// The remote command's exit status; `ssh` itself says 255; none when a signal ended it.
    pub status: Option<i32>,
    /// What the remote command printed.
    pub stdout: String,
    /// What the remote command and `ssh` complained of.
    pub stderr: String,
    /// What the server had logged when the client left.
    pub server_log: String,
}

impl LoginOutcome {
    /// Whether the server let the client in and ran its command.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.status.is_some_and(|status| status != SSH_FAILED)
    }

    /// Whether the server refused the credentials. A host that the client did not trust is neither.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.status == Some(SSH_FAILED) && self.stderr.contains("Permission denied")
    }

    /// The outcome of a login that must have been accepted.
    ///
    /// # Errors
    /// It was not: with what both sides said.
    pub fn accepted(self) -> Result<Self> {
        ensure!(
            self.is_accepted(),
            "the login was not accepted: {}",
            self.both_sides()
        );
        Ok(self)
    }

    /// The outcome of a login that must have been refused for its credentials.
    ///
    /// # Errors
    /// It was not: with what both sides said.
    pub fn refused(self) -> Result<Self> {
        ensure!(
            self.is_refused(),
            "the login was not refused: {}",
            self.both_sides()
        );
        Ok(self)
    }

    fn both_sides(&self) -> String {
        let Self {
            status,
            stdout,
            stderr,
            server_log,
        } = self;
        format!("status {status:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- sshd\n{server_log}")
    }
}

impl Sshd {
    /// Logs in as the user who runs the tests, and runs a command.
    ///
    /// # Errors
    /// `ssh` cannot be run or does not end; a refused login is an outcome.
    pub fn login(&self, identity: Identity<'_>, command: &str) -> Result<LoginOutcome> {
        self.login_as(&current_user()?, identity, command)
    }

    /// Logs in as the user named. Only a root sshd can log in another one, whose account must not be locked.
    ///
    /// # Errors
    /// As [`Sshd::login`].
    pub fn login_as(&self, user: &str, identity: Identity<'_>, command: &str) -> Result<LoginOutcome> {
        let mut ssh = self.ssh(user, identity);
        let outcome = run(ssh.arg(command), LIMIT)
            .context("ssh did not run: apt-get install openssh-client, or run `tests/run setup`")?;
        Ok(self.outcome(outcome))
    }

    /// Logs in as the user named with a password, and runs a command.
    ///
    /// # Errors
    /// As [`Sshd::login`].
    pub fn login_with_password(&self, user: &str, password: &str, command: &str) -> Result<LoginOutcome> {
        let askpass = self.known_hosts().with_file_name("askpass");
        std::fs::write(&askpass, "#!/bin/sh\nprintf '%s\\n' \"$ASKPASS_ANSWER\"\n")?;
        std::fs::set_permissions(&askpass, std::fs::Permissions::from_mode(0o755))?;
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-T", "-p"]).arg(self.port().to_string());
        option(&mut ssh, "UserKnownHostsFile", self.known_hosts().display());
        for fixed in [
            "ConnectTimeout=20",
            "GlobalKnownHostsFile=none",
            "NumberOfPasswordPrompts=1",
            "PreferredAuthentications=keyboard-interactive",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
        ] {
            ssh.args(["-o", fixed]);
        }
        ssh.env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("ASKPASS_ANSWER", password)
            .args(["-l", user, "127.0.0.1", command]);
        Ok(self.outcome(run(&mut ssh, LIMIT)?))
    }

    /// An `ssh` that reads no configuration, asks nothing, trusts this server alone and offers this identity alone;
    /// more options may follow, then the command.
    #[must_use]
    pub fn ssh(&self, user: &str, identity: Identity<'_>) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-T", "-p"]).arg(self.port().to_string());
        option(&mut ssh, "UserKnownHostsFile", self.known_hosts().display());
        for fixed in [
            "BatchMode=yes",
            "ConnectTimeout=20",
            "GlobalKnownHostsFile=none",
            "PreferredAuthentications=publickey",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
        ] {
            ssh.args(["-o", fixed]);
        }
        match identity {
            Identity::Agent(socket) => {
                option(&mut ssh, "IdentityAgent", socket.display());
                option(&mut ssh, "IdentityFile", "none");
            }
            Identity::File { key, certificate } => {
                option(&mut ssh, "IdentityAgent", "none");
                option(&mut ssh, "IdentitiesOnly", "yes");
                option(&mut ssh, "IdentityFile", key.display());
                option(&mut ssh, "CertificateFile", certificate.display());
            }
        }
        ssh.args(["-l", user, "127.0.0.1"]);
        ssh
    }

    fn outcome(&self, outcome: Outcome) -> LoginOutcome {
        LoginOutcome {
            status: outcome.status.code(),
            stdout: outcome.stdout,
            stderr: outcome.stderr,
            server_log: self.log(),
        }
    }
}

fn option(ssh: &mut Command, name: &str, value: impl std::fmt::Display) {
    ssh.arg("-o").arg(format!("{name}={value}"));
}
