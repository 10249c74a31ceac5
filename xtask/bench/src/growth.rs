//! Whether a table that has grown makes signatures or listings slower.

use crate::{
    http::Connection,
    load::{self, Until},
    local::Local,
    report::median,
};
use anyhow::{Result, ensure};
use serde::Serialize;
use std::{path::Path, time::Instant};

/// How many callers fill the tables.
const FILLERS: usize = 64;
/// In how many parts they fill a table of at least so many records, telling each.
const PARTS: usize = 10;
const NOTEWORTHY: usize = 100_000;
const ROUNDS: usize = 15;
const CALLERS: usize = 8;
const SIGNATURES: usize = 60;
const PAGES: usize = 20;

/// A server with so many records, and how long its work took, in rounds with the others.
#[derive(Debug, Serialize)]
pub(crate) struct Growth {
    pub(crate) records: usize,
    signature_us: Vec<f64>,
    page_us: Vec<f64>,
}

impl Growth {
    /// The time of a signature, as a ratio to that of `smallest`: the middle of all rounds.
    pub(crate) fn signature_ratio(&self, smallest: &Self) -> f64 {
        ratio(&self.signature_us, &smallest.signature_us)
    }

    /// The time of a page of the newest certificates, likewise.
    pub(crate) fn page_ratio(&self, smallest: &Self) -> f64 {
        ratio(&self.page_us, &smallest.page_us)
    }
}

fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
    median(&ratios)
}

/// Measures servers whose tables hold so many records, all in the same rounds.
pub(crate) async fn measure(binary: &Path, sizes: &[usize]) -> Result<Vec<Growth>> {
    let (mut servers, mut growth) = (Vec::new(), Vec::new());
    for &records in sizes {
        eprintln!("a table of {records} certificates");
        let server = Local::start(binary).await?;
        fill(&server, records).await?;
        servers.push(server);
        growth.push(Growth {
            records,
            signature_us: Vec::new(),
            page_us: Vec::new(),
        });
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for (server, growth) in servers.iter().zip(&mut growth) {
            let signatures = Until::Answers(SIGNATURES);
            let outcome = load::run(server.address, &server.signature, CALLERS, signatures).await?;
            growth.signature_us.push(1e6 / outcome.per_second());
            growth.page_us.push(pages(server).await?);
        }
    }
    Ok(growth)
}

/// Has so many certificates made, and says how far it is: a million take minutes.
async fn fill(server: &Local, records: usize) -> Result<()> {
    let parts = if records < NOTEWORTHY { 1 } else { PARTS };
    for part in 1..=parts {
        let each = Until::Answers(records.div_ceil(FILLERS * parts));
        load::run(server.address, &server.signature, FILLERS, each).await?;
        if parts > 1 {
            eprintln!("  {} of them", records * part / parts);
        }
    }
    Ok(())
}

/// How long one page takes, in microseconds.
async fn pages(server: &Local) -> Result<f64> {
    let mut connection = Connection::open(server.address).await?;
    let started = Instant::now();
    for _ in 0..PAGES {
        let answer = connection.ask(&Local::page()).await?;
        ensure!(answer.status == 200, "a page is not there: {}", answer.status);
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / PAGES as f64)
}
