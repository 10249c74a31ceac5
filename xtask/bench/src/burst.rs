//! Two thousand callers at the same moment: nothing lost, nothing wrong.

use crate::{http::Connection, local::Local};
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::HashSet,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};

const CALLERS: usize = 2_000;
/// A full queue of new connections drops some: the kernel's, not the server's. They try again.
const CONNECT_TRIES: usize = 50;

/// What became of the burst.
#[derive(Debug, Serialize)]
pub(crate) struct Burst {
    pub(crate) callers: usize,
    pub(crate) certificates: usize,
    /// Those who were told to come again.
    pub(crate) refused: usize,
    pub(crate) elapsed_secs: f64,
}

pub(crate) async fn measure(local: &Local) -> Result<Burst> {
    let mut connections = Vec::new();
    for _ in 0..CALLERS {
        connections.push(open(local.address).await?);
    }
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for mut connection in connections {
        let request = local.signature.clone();
        callers.spawn(async move {
            let answer = connection.ask(&request).await?;
            let body: Value = serde_json::from_slice(answer.body).unwrap_or_default();
            match (answer.status, body["data"]["serial_number"].as_str()) {
                (200, Some(serial)) => Ok(Some(serial.to_owned())),
                (429 | 503, None) if body["errors"].is_array() => Ok(None),
                (status, _) => bail!("{status} {body}"),
            }
        });
    }
    let (mut serials, mut refused) = (HashSet::new(), 0);
    while let Some(caller) = callers.join_next().await {
        match caller?? {
            Some(serial) => ensure!(serials.insert(serial), "a serial stands on two certificates"),
            None => refused += 1,
        }
    }
    let elapsed_secs = started.elapsed().as_secs_f64();
    for serial in serials.iter().take(50) {
        let path = format!("/v1/sys/countersign/certificates/{}", serial.replace(':', ""));
        local.ask("GET", &path, &Value::Null).await?;
    }
    Ok(Burst {
        callers: CALLERS,
        certificates: serials.len(),
        refused,
        elapsed_secs,
    })
}

async fn open(address: SocketAddr) -> Result<Connection> {
    for _ in 1..CONNECT_TRIES {
        if let Ok(connection) = Connection::open(address).await {
            return Ok(connection);
        }
        sleep(Duration::from_millis(20)).await;
    }
    Connection::open(address).await
}
