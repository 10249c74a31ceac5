//! A closed loop of callers: each sends its next request when it has the answer to its last.

use super::http::Connection;
use anyhow::{Result, ensure};
use serde::Serialize;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// What many callers saw.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) connections: usize,
    pub(crate) elapsed_secs: f64,
    /// How long each answer took, in microseconds, sorted.
    pub(crate) latencies_us: Vec<u64>,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies_us.len() as f64 / self.elapsed_secs
    }

    /// The latency that this part of all answers kept to, in milliseconds.
    pub(crate) fn quantile_ms(&self, part: f64) -> f64 {
        let index = (self.latencies_us.len() as f64 * part) as usize;
        let last = self.latencies_us.len().saturating_sub(1);
        self.latencies_us
            .get(index.min(last))
            .copied()
            .unwrap_or_default() as f64
            / 1e3
    }
}

/// When to end.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After this many answers to each caller.
    Answers(usize),
}

/// Sends `request` over so many `connections` until the end. Every answer must be a certificate.
pub(crate) async fn run(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    until: Until,
) -> Result<Outcome> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for connection in open {
        callers.spawn(call(connection, request.to_vec(), until, started));
    }
    let mut latencies_us = Vec::new();
    while let Some(caller) = callers.join_next().await {
        latencies_us.extend(caller??);
    }
    let elapsed_secs = started.elapsed().as_secs_f64();
    latencies_us.sort_unstable();
    Ok(Outcome {
        connections,
        elapsed_secs,
        latencies_us,
    })
}

async fn call(
    mut connection: Connection,
    request: Vec<u8>,
    until: Until,
    started: Instant,
) -> Result<Vec<u64>> {
    let mut latencies_us = Vec::new();
    loop {
        let is_over = match until {
            Until::Elapsed(limit) => started.elapsed() >= limit,
            Until::Answers(count) => latencies_us.len() >= count,
        };
        if is_over {
            return Ok(latencies_us);
        }
        let asked = Instant::now();
        let answer = connection.ask(&request).await?;
        latencies_us.push(u64::try_from(asked.elapsed().as_micros())?);
        let text = String::from_utf8_lossy(answer.body);
        ensure!(
            answer.status == 200 && text.contains("-cert-v01@openssh.com "),
            "no certificate but {}: {text}",
            answer.status
        );
    }
}
