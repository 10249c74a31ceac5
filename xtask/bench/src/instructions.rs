//! Where the instructions of a signature go: a function under callgrind, with a few signatures and with more. What the
//! second run has beyond the first belongs to signatures and not to the start.

use crate::{functions::root_token, runtime::Function};
use anyhow::{Context, Result, ensure};
use countersign_tests::{Ask, AwsDouble, Family};
use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    process::{Command, Stdio},
};

/// How many signatures the two runs make.
const SIGNATURES: [u64; 2] = [10, 60];
/// From which share on a function is named.
const NAMED_PERCENT: f64 = 1.0;

/// What the names of functions hold, by what they are there for: the first row that fits counts.
const AREAS: [(&str, &[&str]); 8] = [
    (
        "memory",
        &[
            "malloc",
            "free",
            "calloc",
            "realloc",
            "memcpy",
            "memmove",
            "memset",
            "memcmp",
            "_rdl_",
            "RawVec",
            "raw_vec",
            "drop_in_place",
            "bytes::",
        ],
    ),
    (
        "cryptography",
        &[
            "aws_lc",
            "curve25519",
            "x25519",
            "ed25519",
            "sha256",
            "sha512",
            "SHA256",
            "SHA512",
            "EVP_",
            "bignum",
            "fiat_",
            "OPENSSL",
            "CRYPTO_",
            "RAND_",
            "CTR_DRBG",
            "aes_",
            "AES_",
            "HMAC",
            "BN_",
            "edwards",
            "p256",
            "sha1_",
            "constant_time",
            "rand",
        ],
    ),
    ("JSON", &["serde", "aws_smithy_json", "ryu", "itoa"]),
    (
        "calls to AWS",
        &[
            "aws_smithy",
            "aws_sdk",
            "aws_sigv4",
            "aws_runtime",
            "aws_credential",
            "aws_types",
            "aws_config",
            "endpoint",
            "percent_encoding",
            "base64",
            "fastrand",
        ],
    ),
    (
        "HTTP and Lambda's runtime",
        &[
            "hyper",
            "http::",
            "http_body",
            "httparse",
            "tower",
            "axum",
            "matchit",
            "lambda",
            "aws_lambda_events",
            "url::",
            "query_map",
            "idna",
        ],
    ),
    (
        "the asynchronous runtime",
        &["tokio", "mio", "futures", "epoll", "parking_lot"],
    ),
    ("Countersign", &["countersign"]),
    ("log", &["tracing", "fmt::", "core::fmt", "sharded_slab"]),
];
const REST: &str = "all else";

/// Where the instructions of one signature go.
pub(crate) struct Budget {
    family: &'static str,
    functions: BTreeMap<String, u64>,
}

impl Budget {
    fn total(&self) -> u64 {
        self.functions.values().sum()
    }

    fn share(&self, instructions: u64) -> f64 {
        100.0 * instructions as f64 / self.total() as f64
    }

    fn areas(&self) -> BTreeMap<&'static str, u64> {
        let mut areas = BTreeMap::new();
        for (name, instructions) in &self.functions {
            *areas.entry(area(name)).or_default() += instructions;
        }
        areas
    }
}

fn area(function: &str) -> &'static str {
    AREAS
        .iter()
        .find(|(_, parts)| parts.iter().any(|part| function.contains(part)))
        .map_or(REST, |(area, _)| area)
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} instructions a signature", self.family, self.total())?;
        let mut areas: Vec<_> = self.areas().into_iter().collect();
        areas.sort_unstable_by_key(|(_, instructions)| std::cmp::Reverse(*instructions));
        for (area, instructions) in areas {
            writeln!(f, "  {:>5.1} %  {area}", self.share(instructions))?;
        }
        let mut functions: Vec<_> = self.functions.iter().collect();
        functions.sort_unstable_by_key(|(_, instructions)| std::cmp::Reverse(**instructions));
        for (name, instructions) in functions {
            let share = self.share(*instructions);
            if share < NAMED_PERCENT {
                break;
            }
            writeln!(f, "    {share:>5.1} %  [{}] {name}", area(name))?;
        }
        Ok(())
    }
}

/// Counts for each family's function in `directory`, which holds them with their symbols.
pub(crate) async fn measure(directory: &Path) -> Result<Vec<Budget>> {
    let mut budgets = Vec::new();
    for family in Family::ALL {
        eprintln!("the function {} under callgrind", family.name());
        budgets.push(measure_one(&directory.join(family.name()), family).await?);
    }
    Ok(budgets)
}

async fn measure_one(binary: &Path, family: Family) -> Result<Budget> {
    let aws = AwsDouble::start().await?;
    let root = root_token(&aws).await?;
    let function = Function::start(binary, &aws).await?;
    let ask = family
        .set_up(&root, &mut async |ask: &Ask| function.invoke(ask).await)
        .await?;
    drop(function);
    let few = count(binary, &aws, &ask, SIGNATURES[0]).await?;
    let more = count(binary, &aws, &ask, SIGNATURES[1]).await?;
    let functions = more.into_iter().filter_map(|(name, instructions)| {
        let start = few.get(&name).copied().unwrap_or_default();
        let each = instructions.saturating_sub(start) / (SIGNATURES[1] - SIGNATURES[0]);
        (each > 0).then_some((name, each))
    });
    Ok(Budget {
        family: family.name(),
        functions: functions.collect(),
    })
}

/// The instructions of each function of the program in a process that makes so many signatures.
async fn count(binary: &Path, aws: &AwsDouble, ask: &Ask, signatures: u64) -> Result<BTreeMap<String, u64>> {
    let directory = tempfile::tempdir()?;
    let samples = directory.path().join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", samples.display()))
        .arg(binary);
    let function = Function::start_as(valgrind, aws)
        .await
        .context("callgrind is a part of valgrind: install that")?;
    for _ in 0..signatures {
        function.invoke(ask).await?;
    }
    function.stop()?;
    let annotated = Command::new("callgrind_annotate")
        .args(["--threshold=100", "--auto=no", "--show-percs=no"])
        .arg(&samples)
        .stderr(Stdio::inherit())
        .output()
        .context("callgrind_annotate is a part of valgrind: install that")?;
    ensure!(
        annotated.status.success(),
        "callgrind_annotate: {}",
        annotated.status
    );
    let text = String::from_utf8_lossy(&annotated.stdout);
    let functions = parse(&text);
    ensure!(!functions.is_empty(), "callgrind counted nothing\n{text}");
    Ok(functions)
}

/// Rows such as `1,234  ???:serde_json::ser::to_string [/path/of/program]`.
fn parse(text: &str) -> BTreeMap<String, u64> {
    let mut functions = BTreeMap::new();
    for line in text.lines() {
        let Some((count, rest)) = line.trim_start().split_once("  ") else {
            continue;
        };
        let (Ok(count), Some((_, name))) = (count.replace(',', "").parse::<u64>(), rest.split_once(':'))
        else {
            continue;
        };
        let name = name.rsplit_once(" [").map_or(name, |(name, _)| name);
        *functions.entry(name.to_owned()).or_default() += count;
    }
    functions
}
