//! AWS as far as Countersign calls it, on one loopback port: DynamoDB by the embedded engine, KMS with keys in this
//! process. It counts what it is asked, sees what waited for what, and can be made slow or faulty.
//!
//! It believes whoever calls: signatures of requests, rights and limits are for the emulators to show.

mod connection;
mod faults;
mod kms;

pub use faults::{Failure, Fault};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region,
    retry::{RetryPartition, TokenBucket},
};
use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use connection::{Counted, Cut};
use countersign::{
    certificates::CertificateRecord,
    signer::kms::KmsKeyring,
    store::{
        dynamodb::{DynamoDb, TableNames, client_config},
        embedded::Embedded,
    },
};
use faults::Faults;
use kms::Kms;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// The region that the double answers for.
const REGION: &str = "eu-central-1";
/// What its tables' names begin with: the embedded engine has them from the start.
pub(crate) const TABLE_PREFIX: &str = "countersign";
/// The sort key of a certificate's record, whose partition is its serial.
const CERTIFICATE: &str = "certificate";

/// One call that the double answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The service and operation, as in `TrentService.Sign`.
    pub target: String,
    began: usize,
    ended: usize,
}

/// A running double. Dropping it ends it.
pub struct AwsDouble {
    address: SocketAddr,
    state: Arc<Inner>,
    server: JoinHandle<io::Result<()>>,
}

struct Inner {
    dynamodb: Embedded,
    kms: Kms,
    delay: Mutex<Duration>,
    calls: Mutex<Vec<Call>>,
    /// Counts the beginnings and ends of calls, in their order.
    events: AtomicUsize,
    connections: Arc<AtomicUsize>,
    faults: Faults,
    /// The sets of writes that were carried out, by the token that the SDK gives to each.
    transactions: Mutex<HashSet<String>>,
    written: Mutex<Written>,
}

/// The records of certificates that were written, by their serials.
#[derive(Default)]
struct Written {
    all: HashSet<String>,
    /// Those that [`AwsDouble::take_records`] has not given yet.
    new: Vec<String>,
}

impl AwsDouble {
    /// Starts one with empty tables.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Inner {
            dynamodb: Embedded::ephemeral().await,
            kms: Kms::default(),
            delay: Mutex::default(),
            calls: Mutex::default(),
            events: AtomicUsize::new(0),
            connections: Arc::default(),
            faults: Faults::default(),
            transactions: Mutex::default(),
            written: Mutex::default(),
        });
        let counted = Counted {
            listener,
            connections: state.connections.clone(),
        };
        let router = Router::new().fallback(answer).with_state(state.clone());
        let service = router.into_make_service_with_connect_info::<Cut>();
        let server = tokio::spawn(async move { axum::serve(counted, service).await });
        Ok(Self {
            address,
            state,
            server,
        })
    }

    /// The URL for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a function's environment needs to reach it.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
            ("AWS_REGION", REGION.into()),
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("COUNTERSIGN_TABLE_PREFIX", TABLE_PREFIX.into()),
            ("COUNTERSIGN_SEALING_KEY", kms::SEALING_KEY.into()),
        ]
    }

    /// A store over its tables, through a socket.
    #[must_use]
    pub fn store(&self) -> DynamoDb {
        Self::store_at(&self.endpoint())
    }

    /// A store over the tables of the double at `endpoint`, which may be another process's.
    #[must_use]
    pub fn store_at(endpoint: &str) -> DynamoDb {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .credentials_provider(credentials())
            .retry_partition(retries_without_end())
            .endpoint_url(endpoint);
        let client = aws_sdk_dynamodb::Client::from_conf(client_config(config).build());
        DynamoDb::new(client, TableNames::with_prefix(TABLE_PREFIX))
    }

    /// A keyring over its keys, through a socket.
    #[must_use]
    pub fn keyring(&self) -> KmsKeyring {
        Self::keyring_at(&self.endpoint())
    }

    /// A keyring over the keys of the double at `endpoint`, which may be another process's.
    #[must_use]
    pub fn keyring_at(endpoint: &str) -> KmsKeyring {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .credentials_provider(credentials())
            .retry_partition(retries_without_end())
            .endpoint_url(endpoint);
        KmsKeyring::new(countersign::signer::kms::client(config), kms::SEALING_KEY)
    }

    /// From now on each call waits so long before it is looked at.
    pub fn delay(&self, delay: Duration) {
        *lock(&self.state.delay) = delay;
    }

    /// From now on calls fail as `fault` says, or none.
    pub fn fail(&self, fault: impl Into<Option<Fault>>) {
        self.state.faults.set(fault.into());
    }

    /// How many attempts failed since the last [`AwsDouble::fail`].
    #[must_use]
    pub fn failed(&self) -> usize {
        self.state.faults.failed()
    }

    /// The calls since the last time that this was asked, in the order in which they ended.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut lock(&self.state.calls))
    }

    /// The records of certificates that are new since the last time that this was asked, as they are now.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn take_records(&self) -> Result<Vec<CertificateRecord>> {
        let new = std::mem::take(&mut lock(&self.state.written).new);
        new.iter().map(|serial| self.record(serial)).collect()
    }

    /// Reads a record past the socket, and so past faults.
    fn record(&self, serial: &str) -> Result<CertificateRecord> {
        let request = json!({
            "TableName": format!("{TABLE_PREFIX}-certificates"),
            "Key": {"pk": {"S": serial}, "sk": {"S": CERTIFICATE}},
        });
        let request = request.to_string();
        let dynamodb = &self.state.dynamodb;
        let (_, text) = dynamodb.answer("DynamoDB_20120810.GetItem", request.as_bytes());
        let answer: Value = serde_json::from_str(&text)?;
        let body = answer["Item"]["body"]["S"].as_str();
        Ok(serde_json::from_str(body.context(text)?)?)
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Acquire)
    }
}

impl Drop for AwsDouble {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The longest chain of calls that each began after the one before it had ended: what no parallel work can shorten.
///
/// Calls that run side by side are told from such that follow one another only while each takes its time: see
/// [`AwsDouble::delay`].
#[must_use]
pub fn depth(calls: &[Call]) -> usize {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|call| call.began);
    let mut depths: Vec<usize> = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let before = calls[..index].iter().zip(&depths);
        let chains = before.filter(|(earlier, _)| earlier.ended < call.began);
        let longest = chains.map(|(_, depth)| *depth).max().unwrap_or(0);
        depths.push(longest + 1);
    }
    depths.into_iter().max().unwrap_or(0)
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "double")
}

/// Clients of one process share an allowance of retries, which the faults of many tests would use up.
fn retries_without_end() -> RetryPartition {
    RetryPartition::custom("double")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    State(state): State<Arc<Inner>>,
    ConnectInfo(connection): ConnectInfo<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let target = target.unwrap_or_default().to_owned();
    let began = state.events.fetch_add(1, Ordering::AcqRel);
    let delay = *lock(&state.delay);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if target.is_empty() {
        // Somebody who only wants the connection: no call.
        return "healthy".into_response();
    }
    let operation = target.rsplit('.').next().unwrap_or_default();
    let failure = state.faults.judge(operation, &headers);
    if failure == Some(Failure::Silence) {
        return std::future::pending().await;
    }
    if failure == Some(Failure::Lost) {
        connection.cut();
    }
    let failed = failure.and_then(|failure| failure.answer(&body));
    let (status, text) = failed.unwrap_or_else(|| state.carry_out(&target, &body));
    let ended = state.events.fetch_add(1, Ordering::AcqRel);
    lock(&state.calls).push(Call { target, began, ended });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.1")], text).into_response()
}

impl Inner {
    fn carry_out(&self, target: &str, body: &[u8]) -> (u16, String) {
        if let Some(operation) = target.strip_prefix("TrentService.") {
            return self.kms.answer(operation, body);
        }
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let token = request["ClientRequestToken"].as_str();
        // It tells DynamoDB that a set of writes is sent again. The embedded engine does not look at it.
        if token.is_some_and(|token| lock(&self.transactions).contains(token)) {
            return (200, "{}".into());
        }
        let answer = self.dynamodb.answer(target, body);
        if answer.0 == 200 {
            lock(&self.transactions).extend(token.map(str::to_owned));
            let mut written = lock(&self.written);
            serials_written(&request).for_each(|serial| written.note(serial));
        }
        answer
    }
}

impl Written {
    fn note(&mut self, serial: String) {
        if self.all.insert(serial.clone()) {
            self.new.push(serial);
        }
    }
}

/// The serials of the certificates whose records are among what `request` puts, as their keys have them.
fn serials_written(request: &Value) -> impl Iterator<Item = String> {
    let writes = request["TransactItems"].as_array();
    let in_set = writes.into_iter().flatten().map(|write| &write["Put"]["Item"]);
    let puts = in_set.chain([&request["Item"]]);
    let records = puts.filter(|item| item["sk"]["S"] == CERTIFICATE);
    records.filter_map(|item| item["pk"]["S"].as_str().map(str::to_owned))
}
