//! `cargo xtask bench`: how fast the whole is, as ratios and counts. What they mean: docs/performance.md.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

mod bound;
mod burst;
mod functions;
mod growth;
mod http;
mod instructions;
mod load;
mod local;
mod report;
mod runtime;

use anyhow::{Context, Result, bail};
use functions::Measured;
use growth::Growth;
use load::{Outcome, Until};
use local::Local;
use report::Report;
use std::{path::PathBuf, time::Duration};

const USAGE: &str = "usage: countersign-bench --binary FILE --functions DIRECTORY --core-ratio RATIO --samples FILE \
                     [--quick] [--json]\nor: countersign-bench --instructions DIRECTORY";

/// How much is done.
struct Extent {
    cold_starts: usize,
    /// How long each load lasts.
    load: Duration,
    /// How many certificates the tables hold whose signatures are compared.
    sizes: Vec<usize>,
}

impl Extent {
    fn of(is_quick: bool) -> Self {
        if is_quick {
            return Self {
                cold_starts: 15,
                load: Duration::from_secs(4),
                sizes: vec![1_000, 100_000],
            };
        }
        Self {
            cold_starts: 50,
            load: Duration::from_secs(15),
            sizes: vec![1_000, 100_000, 1_000_000],
        }
    }
}

#[derive(Default)]
struct Options {
    binary: PathBuf,
    functions: PathBuf,
    samples: PathBuf,
    core_ratio: f64,
    is_quick: bool,
    is_json: bool,
    /// Where the functions are whose instructions are counted, and nothing else.
    instructions: Option<PathBuf>,
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().context(USAGE);
        match argument.as_str() {
            "--binary" => options.binary = value()?.into(),
            "--core-ratio" => options.core_ratio = value()?.parse()?,
            "--functions" => options.functions = value()?.into(),
            "--instructions" => options.instructions = Some(value()?.into()),
            "--json" => options.is_json = true,
            "--quick" => options.is_quick = true,
            "--samples" => options.samples = value()?.into(),
            _ => bail!(USAGE),
        }
    }
    Ok(options)
}

fn main() -> Result<()> {
    let options = options()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if let Some(directory) = &options.instructions {
        for budget in runtime.block_on(instructions::measure(directory))? {
            println!("{budget}");
        }
        return Ok(());
    }
    let report = runtime.block_on(measure(&options))?;
    report.keep(&options.samples)?;
    print!("{report}");
    println!("raw samples: {}", options.samples.display());
    if options.is_json {
        println!("{}", report.json());
    }
    Ok(())
}

async fn measure(options: &Options) -> Result<Report> {
    let extent = Extent::of(options.is_quick);
    let functions: Vec<Measured> = functions::measure(&options.functions, extent.cold_starts).await?;
    let other_packages = functions::other_packages(&options.functions)?;
    let local = Local::start(&options.binary).await?;
    let (loads, bounds) = loads(&local, extent.load).await?;
    let peak_mb = local.peak_mb()?;
    eprintln!("a burst");
    let burst = burst::measure(&local).await?;
    let burst_peak_mb = local.peak_mb()?;
    drop(local);
    let growth: Vec<Growth> = growth::measure(&options.binary, &extent.sizes).await?;
    Ok(Report {
        core_ratio: options.core_ratio,
        functions,
        other_packages,
        loads,
        bounds,
        local_peak_mb: peak_mb,
        burst,
        burst_peak_mb,
        growth,
    })
}

/// The loads, and beside each the bound as it was just before and after.
async fn loads(local: &Local, duration: Duration) -> Result<(Vec<Outcome>, Vec<f64>)> {
    let request = &local.signature;
    eprintln!("the local server");
    load::run(local.address, request, 8, Until::Elapsed(Duration::from_secs(1))).await?;
    let mut bounds = vec![bound::pairs_per_second(duration / 4)?];
    let mut loads = Vec::new();
    for connections in [1, 8, 32, 64] {
        eprintln!("  {connections} connections");
        loads.push(load::run(local.address, request, connections, Until::Elapsed(duration)).await?);
        bounds.push(bound::pairs_per_second(duration / 4)?);
    }
    Ok((loads, bounds))
}
