//! What was measured: a table for people, one line for programs, and the samples for whoever computes again.

use crate::{
    burst::Burst,
    functions::{Measured, Package},
    growth::Growth,
    load::Outcome,
};
use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::{fmt, fs, path::Path};

/// Where the target of `local_ratio` is measured.
const CONNECTIONS: usize = 32;

/// Everything.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) core_ratio: f64,
    pub(crate) functions: Vec<Measured>,
    pub(crate) other_packages: Vec<Package>,
    pub(crate) loads: Vec<Outcome>,
    /// Signatures made and verified a second, before the loads and after each.
    pub(crate) bounds: Vec<f64>,
    pub(crate) local_peak_mb: f64,
    pub(crate) burst: Burst,
    pub(crate) burst_peak_mb: f64,
    pub(crate) growth: Vec<Growth>,
}

impl Report {
    /// Writes all samples to `path`.
    pub(crate) fn keep(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self)?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The figures that scripts rely on.
    pub(crate) fn json(&self) -> Value {
        let worst = |figure: fn(&Measured) -> f64| self.functions.iter().map(figure).fold(0.0, f64::max);
        let most = |count: fn(&Measured) -> usize| self.functions.iter().map(count).max();
        let target = self.loads.iter().find(|load| load.connections == CONNECTIONS);
        let certs_per_s = target.map_or(0.0, Outcome::per_second);
        json!({
            "core_ratio": rounded(self.core_ratio),
            "aws_calls": most(|function| function.aws_calls),
            "aws_depth": most(|function| function.aws_depth),
            "cold_ratio": rounded(worst(Measured::cold_ratio)),
            "zip_mb": rounded(self.zip_mb()),
            "peak_mb": rounded(worst(|function| function.peak_mb)),
            "local_certs_per_s": certs_per_s.round(),
            "local_ratio": rounded(certs_per_s / median(&self.bounds)),
            "growth_ratio": rounded(self.growth_ratio()),
        })
    }

    /// The largest package.
    fn zip_mb(&self) -> f64 {
        let measured = self.functions.iter().map(|function| function.zip_mb);
        let others = self.other_packages.iter().map(|package| package.zip_mb);
        measured.chain(others).fold(0.0, f64::max)
    }

    fn growth_ratio(&self) -> f64 {
        match (self.growth.first(), self.growth.last()) {
            (Some(smallest), Some(largest)) => largest.signature_ratio(smallest),
            _ => 0.0,
        }
    }
}

fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "certificate / (sign + verify), worst CA algorithm: {:.2}",
            self.core_ratio
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "function     first poll / hello   first answer   calls  depth   at 100 ms a call   late connections   peak      zip"
        )?;
        for one in &self.functions {
            writeln!(
                f,
                "{:<12} {:>5.1} ms / {:.1} = {:.2}   {:>9.1} ms {:>7} {:>6} {:>15.0} ms {:>18} {:>6.1} MB {:>5.2} MB",
                one.name,
                one.first_poll_ms(),
                one.hello_ms(),
                one.cold_ratio(),
                one.first_answer_ms(),
                one.aws_calls,
                one.aws_depth,
                one.delayed_ms,
                one.late_connections,
                one.peak_mb,
                one.zip_mb,
            )?;
        }
        for package in &self.other_packages {
            writeln!(
                f,
                "{:<12} makes no certificates; zip {:.2} MB",
                package.name, package.zip_mb
            )?;
        }
        writeln!(f)?;
        let bound = median(&self.bounds);
        writeln!(
            f,
            "local server; the bound, sign + verify on all cores: {bound:.0}/s"
        )?;
        for load in &self.loads {
            writeln!(
                f,
                "{:>3} connections  {:>6.0}/s   ratio {:.3}   p50 {:>6.2} ms   p99 {:>6.2} ms",
                load.connections,
                load.per_second(),
                load.per_second() / bound,
                load.quantile_ms(0.5),
                load.quantile_ms(0.99),
            )?;
        }
        writeln!(f, "peak memory {:.1} MB", self.local_peak_mb)?;
        writeln!(
            f,
            "burst of {}: {} certificates, {} refused, {:.2} s, peak memory {:.1} MB",
            self.burst.callers,
            self.burst.certificates,
            self.burst.refused,
            self.burst.elapsed_secs,
            self.burst_peak_mb,
        )?;
        writeln!(f)?;
        if let Some(smallest) = self.growth.first() {
            for growth in &self.growth {
                writeln!(
                    f,
                    "{:>9} records: signature {:.2}, page of the newest {:.2}",
                    growth.records,
                    growth.signature_ratio(smallest),
                    growth.page_ratio(smallest),
                )?;
            }
        }
        Ok(())
    }
}

/// The middle of the samples; 0 of none.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}
