//! The functions: cold starts against a hello-world, calls to AWS, memory, and the size of what is deployed.

use crate::{report::median, runtime::Function};
use anyhow::{Context, Result};
use countersign::{Services, access, audit::StderrLog, clock::SystemClock, random::SystemRandomSource};
use countersign_tests::{Ask, AwsDouble, Family, depth};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// What cold starts are held against.
const HELLO: &str = "hello";
/// How long each call to AWS takes where that is measured.
const DELAY: Duration = Duration::from_millis(100);

/// What was measured of one function.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// From exec to the first poll of the runtime API, each beside one of the hello-world's.
    first_poll_ms: Vec<f64>,
    /// From exec to the answer with the first certificate.
    first_answer_ms: Vec<f64>,
    hello_ms: Vec<f64>,
    pub(crate) peak_mb: f64,
    pub(crate) zip_mb: f64,
    /// Connections to AWS that only the first request opened.
    pub(crate) late_connections: usize,
    pub(crate) aws_calls: usize,
    pub(crate) aws_depth: usize,
    /// A warm signature while each call to AWS takes [`DELAY`].
    pub(crate) delayed_ms: f64,
}

impl Measured {
    pub(crate) fn cold_ratio(&self) -> f64 {
        median(&self.first_poll_ms) / median(&self.hello_ms)
    }

    pub(crate) fn first_poll_ms(&self) -> f64 {
        median(&self.first_poll_ms)
    }

    pub(crate) fn first_answer_ms(&self) -> f64 {
        median(&self.first_answer_ms)
    }

    pub(crate) fn hello_ms(&self) -> f64 {
        median(&self.hello_ms)
    }
}

/// Measures every function below `directory`, each with so many cold starts.
pub(crate) async fn measure(directory: &Path, rounds: usize) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for family in Family::ALL {
        eprintln!("the function {}", family.name());
        measured.push(measure_one(directory, family, rounds).await?);
    }
    Ok(measured)
}

async fn measure_one(directory: &Path, family: Family, rounds: usize) -> Result<Measured> {
    let binary = executable(directory, family.name());
    let hello = executable(directory, HELLO);
    let aws = AwsDouble::start().await?;
    let root = root_token(&aws).await?;
    let mut warm = Function::start(&binary, &aws).await?;
    warm.first_poll().await?;
    let ask = family
        .set_up(&root, &mut async |ask: &Ask| warm.invoke(ask).await)
        .await?;
    warm.invoke(&ask).await?;
    aws.take_calls();
    aws.delay(DELAY);
    let asked = Instant::now();
    warm.invoke(&ask).await?;
    let delayed_ms = ms(asked.elapsed());
    let calls = aws.take_calls();
    aws.delay(Duration::ZERO);
    drop(warm);

    let mut measured = Measured {
        name: family.name(),
        first_poll_ms: Vec::new(),
        first_answer_ms: Vec::new(),
        hello_ms: Vec::new(),
        peak_mb: 0.0,
        zip_mb: zip_mb(directory, family.name())?,
        late_connections: 0,
        aws_calls: calls.len(),
        aws_depth: depth(&calls),
        delayed_ms,
    };
    for _ in 0..rounds {
        let mut function = Function::start(&hello, &aws).await?;
        measured.hello_ms.push(ms(function.first_poll().await?));
        drop(function);
        let mut function = Function::start(&binary, &aws).await?;
        measured.first_poll_ms.push(ms(function.first_poll().await?));
        let connections = aws.connections();
        function.invoke(&ask).await?;
        measured.first_answer_ms.push(ms(function.age()));
        measured.late_connections = measured.late_connections.max(aws.connections() - connections);
        measured.peak_mb = measured.peak_mb.max(function.peak_mb()?);
    }
    Ok(measured)
}

pub(crate) async fn root_token(aws: &AwsDouble) -> Result<String> {
    let services = Services::new(
        Arc::new(aws.store()),
        Arc::new(aws.keyring()),
        Arc::new(SystemClock),
        Arc::new(SystemRandomSource::default()),
        Arc::new(StderrLog),
    );
    let root = access::create_root(&services, None).await?;
    Ok(root.secret.reveal().to_owned())
}

/// The package of a function that makes no certificates, so that nothing but its size is measured.
#[derive(Debug, Serialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) zip_mb: f64,
}

/// The packages below `directory` that are neither a family's nor the hello-world's.
pub(crate) fn other_packages(directory: &Path) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != HELLO && Family::ALL.iter().all(|family| family.name() != name) {
            let zip_mb = zip_mb(directory, &name)?;
            packages.push(Package { name, zip_mb });
        }
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn executable(directory: &Path, name: &str) -> PathBuf {
    directory.join(name).join("bootstrap")
}

fn zip_mb(directory: &Path, name: &str) -> Result<f64> {
    let path = directory.join(name).join("bootstrap.zip");
    let size = fs::metadata(&path)
        .with_context(|| format!("{} is missing", path.display()))?
        .len();
    Ok(size as f64 / 1e6)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
