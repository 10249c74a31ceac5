//! `countersign serve` as a process of its own, with an Ed25519 CA and a role, in a directory of its own.

use super::http::{Connection, request};
use anyhow::{Context, Result, bail, ensure};
use countersign_tests::{Ask, Family};
use serde_json::Value;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const TOKEN: &str = "the-bench-has-a-token-of-its-own-0123456789";
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills it.
pub(crate) struct Local {
    child: Child,
    directory: TempDir,
    pub(crate) address: SocketAddr,
    /// The request for a certificate.
    pub(crate) signature: Vec<u8>,
}

impl Local {
    /// Starts the `binary` on a free port, and gives it a CA and a role.
    pub(crate) async fn start(binary: &Path) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let address = free_address()?;
        let child = spawn(binary, directory.path(), address)?;
        let mut local = Self {
            child,
            directory,
            address,
            signature: Vec::new(),
        };
        local.wait().await?;
        let ask = Family::Vault
            .set_up(TOKEN, &mut async |ask: &Ask| {
                local.ask(ask.method, &ask.path, &ask.body).await
            })
            .await?;
        let token = [("x-vault-token", TOKEN)];
        local.signature = request(ask.method, &ask.path, &token, &ask.body.to_string());
        Ok(local)
    }

    async fn wait(&self) -> Result<()> {
        let health = request("GET", "/v1/sys/health", &[], "");
        let end = Instant::now() + START_LIMIT;
        while Instant::now() < end {
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection
                    .ask(&health)
                    .await
                    .is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        bail!("the server did not start\n{log}")
    }

    /// Asks with the root token; the answer's body, which is null where there is none.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut connection = Connection::open(self.address).await?;
        let bytes = request(method, path, &[("x-vault-token", TOKEN)], &body);
        let answer = connection.ask(&bytes).await?;
        let text = String::from_utf8_lossy(answer.body);
        ensure!(answer.status < 300, "{method} {path}: {} {text}", answer.status);
        Ok(serde_json::from_slice(answer.body).unwrap_or_default())
    }

    /// The request for a page of the newest certificates.
    pub(crate) fn page() -> Vec<u8> {
        let path = "/v1/sys/countersign/certificates?limit=100";
        request("GET", path, &[("x-vault-token", TOKEN)], "")
    }

    /// The most memory that the process has had, in MB.
    pub(crate) fn peak_mb(&self) -> Result<f64> {
        peak_mb(self.child.id())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(binary: &Path, directory: &Path, address: SocketAddr) -> Result<Child> {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))?;
    Command::new(binary)
        .arg("serve")
        .args(["--listen", &address.to_string()])
        .args(["--root-token", TOKEN])
        .arg("--data-dir")
        .arg(directory.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))
}

/// The most memory that a process has had, in MB of 10^6 bytes.
pub(crate) fn peak_mb(process: u32) -> Result<f64> {
    let status = fs::read_to_string(PathBuf::from(format!("/proc/{process}/status")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: f64 = kib
        .context("the kernel does not say how much memory there is")?
        .parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// An address on loopback that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
