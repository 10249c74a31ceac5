//! AWS on loopback: MiniStack from `tests/.venv`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::process::{Server, free_port};
use crate::python::{tests_directory, venv_python};

const READY_LIMIT: Duration = Duration::from_secs(60);
const ATTEMPTS: usize = 3;

/// A running MiniStack with nothing in it; it takes any credentials. Dropping it ends it and the functions it runs.
#[derive(Debug)]
pub struct Ministack {
    // Fields drop in order: the server ends before its directory goes.
    server: Server,
    _directory: TempDir,
    port: u16,
}

impl Ministack {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// `tests/.venv` is missing, or MiniStack does not come up: with its log.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// The same with more environment variables, such as `AUTH=true`.
    ///
    /// # Errors
    /// As [`Ministack::start`].
    pub fn start_with(environment: &[(&str, &str)]) -> Result<Self> {
        let mut failure = None;
        // Between choosing a free port and listening on it, another process may take it.
        for _ in 0..ATTEMPTS {
            match Self::attempt(environment) {
                Err(error) if format!("{error:#}").contains("address already in use") => {
                    failure = Some(error)
                }
                other => return other.context("MiniStack did not start"),
            }
        }
        Err(failure.context("no attempt was made")?)
    }

    fn attempt(environment: &[(&str, &str)]) -> Result<Self> {
        let python = venv_python()?;
        let directory = TempDir::with_prefix("countersign-ministack-")?;
        let port = free_port()?;
        let mut command = Command::new(python);
        command
            .args(["-m", "ministack"])
            .current_dir(directory.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            // Without it the functions would call AWS itself.
            .env("AWS_ENDPOINT_URL", endpoint_of(port))
            // Two listeners that would be on every address.
            .env("IOT_MTLS_ENABLED", "0")
            .env("SFTP_HOST", "127.0.0.1")
            // It removes containers that it takes for its own: none are, here.
            .env(
                "DOCKER_HOST",
                format!("unix://{}/no-docker", directory.path().display()),
            )
            .env("STATE_DIR", directory.path())
            .env("TMPDIR", directory.path())
            .envs(environment.iter().copied());
        let mut server = Server::start(&command, &directory.path().join("log"))?;
        server.wait_until(READY_LIMIT, || answers(port))?;
        Ok(Self {
            server,
            _directory: directory,
            port,
        })
    }

    /// The endpoint of every service: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        endpoint_of(self.port)
    }

    /// The port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it and its functions have written so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}

fn endpoint_of(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn answers(port: u16) -> bool {
    health(port).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn health(port: u16) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The package of a Lambda function as `tests/run` builds it.
///
/// # Errors
/// It has not been built.
pub fn function_zip(name: &str) -> Result<PathBuf> {
    let package = tests_directory()
        .join("../target/lambda")
        .join(name)
        .join("bootstrap.zip");
    ensure!(
        package.exists(),
        "{} is missing: `tests/run setup` builds the functions",
        package.display()
    );
    Ok(package)
}
