//! A real `sshd` on loopback that trusts what a test tells it to.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::process::{Server, free_port, poll, run};
use crate::ssh_keygen::{KeyFile, KeyType, make_key};

/// By absolute path: sshd runs itself again.
const SSHD: &str = "/usr/sbin/sshd";
/// Where sshd goes before a login when it runs as root.
const PRIVILEGE_SEPARATION_DIRECTORY: &str = "/run/sshd";
const READY_LIMIT: Duration = Duration::from_secs(20);
const LOG_LIMIT: Duration = Duration::from_secs(5);
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
const ATTEMPTS: usize = 3;

/// The name of the user who runs the tests: the one whom an unprivileged sshd can log in.
///
/// # Errors
/// `id` failed.
pub fn current_user() -> Result<String> {
    id("-un")
}

fn id(option: &str) -> Result<String> {
    let outcome = run(Command::new("id").arg(option), COMMAND_LIMIT)?.success()?;
    Ok(outcome.stdout.trim().to_owned())
}

/// An `sshd` to be started: whom it will trust, and the host key that it will show.
#[derive(Debug)]
pub struct SshdBuilder {
    directory: TempDir,
    host_key: KeyFile,
    host_ca: Option<String>,
    user_cas: Vec<String>,
    revoked_keys: Option<Vec<u8>>,
    keys_files: String,
    pam: Option<String>,
    directives: Vec<String>,
}

impl SshdBuilder {
    /// The directory of its files, for those that further directives name. Other users may enter it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The host key: certify it before [`SshdBuilder::host_certificate`].
    #[must_use]
    pub fn host_key(&self) -> &KeyFile {
        &self.host_key
    }

    /// Trusts a CA, given as a public key's line, for logins.
    #[must_use]
    pub fn user_ca(mut self, ca_key: &str) -> Self {
        self.user_cas.push(ca_key.trim_end().to_owned());
        self
    }

    /// Shows a certificate of the host key. Clients then trust the CA alone, no longer the key; they know the host as
    /// `127.0.0.1`.
    ///
    /// # Errors
    /// The certificate cannot be written.
    pub fn host_certificate(mut self, certificate: &str, host_ca_key: &str) -> Result<Self> {
        self.host_key.write_certificate(certificate)?;
        self.host_ca = Some(host_ca_key.trim_end().to_owned());
        Ok(self)
    }

    /// Refuses what this key revocation list revokes.
    #[must_use]
    pub fn revoked_keys(mut self, krl: &[u8]) -> Self {
        self.revoked_keys = Some(krl.to_owned());
        self
    }

    /// Trusts the keys in these files, by absolute paths between blanks, for logins.
    #[must_use]
    pub fn keys_files(mut self, files: &str) -> Self {
        self.keys_files = files.to_owned();
        self
    }

    /// Takes passwords alone, and lets PAM judge them by this stack: the text of `/etc/pam.d/sshd`. Only this server
    /// sees it, in a mount namespace of its own, for which it takes root.
    #[must_use]
    pub fn pam(mut self, stack: &str) -> Self {
        self.pam = Some(stack.to_owned());
        self
    }

    /// Adds a line to the configuration.
    #[must_use]
    pub fn directive(mut self, line: &str) -> Self {
        self.directives.push(line.to_owned());
        self
    }

    /// Starts it and waits until it accepts connections.
    ///
    /// # Errors
    /// sshd is not installed, refuses its configuration or does not come up: with its log.
    pub fn start(self) -> Result<Sshd> {
        ensure!(
            Path::new(SSHD).exists(),
            "{SSHD} is missing: apt-get install openssh-server, or run `tests/run setup` as root"
        );
        prepare_privilege_separation()?;
        self.write_trust()?;
        for _ in 0..ATTEMPTS {
            let port = free_port()?;
            self.write_configuration(port)?;
            let mut server = Server::start(&self.sshd(&["-D", "-e"]), &self.directory().join("log"))?;
            match server.wait_until(READY_LIMIT, || accepts(port)) {
                Ok(()) => return self.finish(server, port),
                Err(error) if server.log().contains("Address already in use") => drop(error),
                Err(error) => return Err(error.context("sshd did not start")),
            }
        }
        bail!("no free port for sshd in {ATTEMPTS} attempts")
    }

    fn finish(self, server: Server, port: u16) -> Result<Sshd> {
        let sshd = Sshd {
            server,
            directory: self.directory,
            port,
        };
        let known = match &self.host_ca {
            Some(ca) => format!("@cert-authority [127.0.0.1]:{port} {ca}\n"),
            None => format!("[127.0.0.1]:{port} {}\n", self.host_key.public_line()?),
        };
        fs::write(sshd.known_hosts(), known)?;
        Ok(sshd)
    }

    fn write_trust(&self) -> Result<()> {
        write_lines(&user_cas_file(self.directory()), &self.user_cas)?;
        if let Some(stack) = &self.pam {
            fs::write(self.directory().join("pam"), stack)?;
        }
        if let Some(krl) = &self.revoked_keys {
            fs::write(revoked_keys_file(self.directory()), krl)?;
        }
        Ok(())
    }

    fn write_configuration(&self, port: u16) -> Result<()> {
        let directory = self.directory().display();
        let mut lines = vec![
            format!("Port {port}"),
            "ListenAddress 127.0.0.1".to_owned(),
            format!("HostKey {}", self.host_key.path().display()),
            "PidFile none".to_owned(),
            format!("TrustedUserCAKeys {directory}/user_cas"),
            format!("AuthorizedKeysFile {}", self.keys_files),
            "PasswordAuthentication no".to_owned(),
            "StrictModes no".to_owned(),
            "MaxStartups 100".to_owned(),
            "LogLevel VERBOSE".to_owned(),
        ];
        let yes_or_no = if self.pam.is_some() { "yes" } else { "no" };
        for keyword in ["KbdInteractiveAuthentication", "UsePAM"] {
            lines.push(format!("{keyword} {yes_or_no}"));
        }
        if self.pam.is_some() {
            lines.push("AuthenticationMethods keyboard-interactive".to_owned());
            lines.push("PermitRootLogin yes".to_owned());
        }
        if self.host_ca.is_some() {
            lines.push(format!(
                "HostCertificate {}",
                self.host_key.certificate_path().display()
            ));
        }
        if self.revoked_keys.is_some() {
            lines.push(format!("RevokedKeys {directory}/revoked_keys"));
        }
        if knows_penalties(self)? {
            lines.push("PerSourcePenalties no".to_owned());
        }
        lines.extend(self.directives.iter().cloned());
        write_lines(&self.configuration(), &lines)
    }

    fn configuration(&self) -> PathBuf {
        self.directory().join("sshd_config")
    }

    fn sshd(&self, options: &[&str]) -> Command {
        let mut command = if self.pam.is_some() {
            let stack = self.directory().join("pam");
            let steps = "mount --bind \"$1\" /etc/pam.d/sshd && shift && exec \"$@\"";
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "--", "sh", "-c", steps, "sh"])
                .arg(stack);
            command.arg(SSHD);
            command
        } else {
            Command::new(SSHD)
        };
        command.args(options).arg("-f").arg(self.configuration());
        command
    }
}

/// A running `sshd`. Dropping it ends it.
#[derive(Debug)]
pub struct Sshd {
    // Fields drop in order: the server ends before its directory goes.
    server: Server,
    directory: TempDir,
    port: u16,
}

impl Sshd {
    /// Prepares one, with an Ed25519 host key.
    ///
    /// # Errors
    /// `ssh-keygen` failed.
    pub fn builder() -> Result<SshdBuilder> {
        let directory = TempDir::with_prefix("countersign-sshd-")?;
        // A root sshd reads some files as the user who logs in.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711))?;
        let host_key = make_key(directory.path(), "host_key", KeyType::Ed25519)?;
        Ok(SshdBuilder {
            directory,
            host_key,
            host_ca: None,
            user_cas: Vec::new(),
            revoked_keys: None,
            keys_files: "none".to_owned(),
            pam: None,
            directives: Vec::new(),
        })
    }

    /// The port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file of known hosts that makes a client trust this server.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.directory.path().join("known_hosts")
    }

    /// What sshd has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Waits a little until the log holds this text: sshd may write after its client has left.
    ///
    /// # Errors
    /// It does not appear: with the log.
    pub fn wait_for_log(&self, text: &str) -> Result<()> {
        let seen = poll(LOG_LIMIT, || Ok(self.log().contains(text).then_some(())))?;
        seen.with_context(|| format!("sshd has not logged {text:?}:\n{}", self.log()))
    }

    /// Replaces the trusted CAs; sshd reads them at each login.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_user_cas(&self, ca_keys: &[&str]) -> Result<()> {
        let lines: Vec<String> = ca_keys.iter().map(|line| line.trim_end().to_owned()).collect();
        replace(&user_cas_file(self.directory.path()), text_of(&lines).as_bytes())
    }

    /// Replaces the key revocation list of a server that was started with one; sshd reads it at each login.
    ///
    /// # Errors
    /// It was started without one, or the file cannot be written.
    pub fn set_revoked_keys(&self, krl: &[u8]) -> Result<()> {
        let path = revoked_keys_file(self.directory.path());
        ensure!(path.exists(), "this sshd was started without a revocation list");
        replace(&path, krl)
    }
}

fn prepare_privilege_separation() -> Result<()> {
    if id("-u")? == "0" {
        fs::create_dir_all(PRIVILEGE_SEPARATION_DIRECTORY)
            .with_context(|| format!("cannot make {PRIVILEGE_SEPARATION_DIRECTORY}"))?;
    }
    Ok(())
}

/// OpenSSH 9.8 and later make clients wait that keep failing; before, the keyword is unknown.
fn knows_penalties(builder: &SshdBuilder) -> Result<bool> {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let lines = [
        format!("HostKey {}", builder.host_key.path().display()),
        "PerSourcePenalties no".to_owned(),
    ];
    write_lines(&builder.configuration(), &lines)?;
    let outcome = run(&mut builder.sshd(&["-t"]), COMMAND_LIMIT)?;
    Ok(*KNOWN.get_or_init(|| outcome.status.success()))
}

fn accepts(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

fn user_cas_file(directory: &Path) -> PathBuf {
    directory.join("user_cas")
}

fn revoked_keys_file(directory: &Path) -> PathBuf {
    directory.join("revoked_keys")
}

fn text_of(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn write_lines(path: &Path, lines: &[String]) -> Result<()> {
    fs::write(path, text_of(lines)).with_context(|| format!("cannot write {}", path.display()))
}

/// In one step, so that no login sees half a file.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(&new, path).with_context(|| format!("cannot replace {}", path.display()))
}
