//! An embedded DynamoDB, for local mode and the tests: an engine in this process, under all of [`super::dynamodb`]. The
//! tests of what runs in AWS send it the SDK's requests, without a socket ([`Embedded::store`]); local mode asks it in its
//! own types ([`Embedded::in_process`]).
//!
//! The engine is dynoxide on SQLite. It does one thing at a time. By way of the SDK it works on the thread that asks where
//! it is in memory, and on one of the runtime's threads for blocking work where a file has to be synced; asked in its own
//! types, always on the thread that asks. It starts no threads of its own and drops no expired records by itself: see
//! [`Embedded::sweep_expired`].
//!
//! How much of the file SQLite keeps in memory, and how often it carries the log over to the file, is set where it is
//! compiled: `LIBSQLITE3_FLAGS` in `.cargo/config.toml`. The engine has no way to say it.
//!
//! # What survives
//!
//! The file is in write-ahead mode with SQLite's default `synchronous = FULL`: a write is answered once it is in
//! the log and the log is synced. Every answered write survives a killed process, and also a killed machine so far
//! as its disk keeps what it has synced. A write that was not answered is there as a whole or not at all. The log
//! (`countersign.db-wal`) belongs to the file: whoever copies one without the other loses the latest writes.

mod checkpoint;
mod in_process;

use self::checkpoint::Checkpoints;
use self::in_process::InProcess;
use super::StoreError;
use super::dynamodb::sdk::Sdk;
use super::dynamodb::{DynamoDb, TableNames, create_tables};
use aws_sdk_dynamodb::{
    Client, Config,
    config::{
        BehaviorVersion, Credentials, HttpClient, Region, RuntimeComponents, SharedHttpClient,
        StalledStreamProtectionConfig,
        http::{HttpRequest, HttpResponse},
        retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::ConnectorError,
};
use aws_smithy_runtime_api::{
    client::http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    http::StatusCode,
};
use dynoxide::{Database, DynoxideError, actions::transact_write_items::TransactWriteItemsRequest};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The database within the data directory.
pub const DATABASE_FILE: &str = "countersign.db";
/// The file whose lock keeps a second process out. It stays when the process ends; the lock does not.
const LOCK: &str = "lock";
/// The header that names the operation.
const TARGET: &str = "x-amz-target";
/// What stands before its name there.
const PREFIX: &str = "DynamoDB_20120810.";

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The engine cannot use the database in it.
    #[error("the database in {0} cannot be opened")]
    Database(PathBuf, #[source] DynoxideError),
    /// The directory, or a file in it, cannot be made or read.
    #[error("{0} cannot be used")]
    Directory(PathBuf, #[source] io::Error),
    /// Another process uses it.
    #[error("{0} is in use by another countersign process")]
    InUse(PathBuf),
    /// The tables cannot be created.
    #[error("the tables in {0} cannot be created")]
    Tables(PathBuf, #[source] StoreError),
}

/// An embedded DynamoDB with the tables of a deployment.
///
/// It and its stores share one engine; a data directory is free again when the last of them is dropped.
#[derive(Clone, Debug)]
pub struct Embedded {
    client: Client,
    engine: Engine,
}

impl Embedded {
    /// A new store in memory, which ends with it: what most tests want.
    ///
    /// # Panics
    /// Where SQLite has no memory for an empty database.
    pub async fn in_memory() -> DynamoDb {
        Self::ephemeral().await.store()
    }

    /// As [`in_memory`](Self::in_memory), with a hand on the engine.
    ///
    /// # Panics
    /// As there.
    pub async fn ephemeral() -> Self {
        let database = Database::memory().expect("an empty database in memory opens");
        let engine = Engine {
            database,
            lock: None,
            checkpoints: None,
        };
        Self::with(engine)
            .await
            .expect("an empty database takes the tables")
    }

    /// The store in `directory`, which is created where it is missing, for its owner alone.
    ///
    /// # Errors
    /// [`OpenError`], `InUse` among them for as long as another process has it open.
    pub async fn open(directory: &Path) -> Result<Self, OpenError> {
        let unusable = |error| OpenError::Directory(directory.to_owned(), error);
        private_directory(directory).map_err(unusable)?;
        let lock = private_file(&directory.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let path = directory.join(DATABASE_FILE);
        // SQLite gives its log the rights of the database.
        private_file(&path).map_err(unusable)?;
        let name = path
            .to_str()
            .ok_or_else(|| unusable(io::Error::other("the path is not valid UTF-8")))?;
        let unopened = |error| OpenError::Database(directory.to_owned(), error);
        let database = Database::new(name).map_err(unopened)?;
        let checkpoints = Checkpoints::open(&path).map_err(|error| unopened(error.into()))?;
        let engine = Engine {
            database,
            lock: Some(Arc::new(lock)),
            checkpoints: Some(checkpoints),
        };
        Self::with(engine)
            .await
            .map_err(|error| OpenError::Tables(directory.to_owned(), error))
    }

    /// The store, with the SDK between it and the engine, as between it and DynamoDB.
    pub fn store(&self) -> DynamoDb {
        DynamoDb::new(self.client.clone(), table_names())
    }

    /// The store without the SDK between it and the engine, but for listings: as local mode has it, behind a
    /// [`Gathering`](super::gathering::Gathering). Its reads and writes block the thread that polls them.
    pub fn in_process(&self) -> DynamoDb {
        let calls = InProcess {
            engine: self.engine.clone(),
            sdk: Sdk(self.client.clone()),
        };
        DynamoDb::over(Arc::new(calls), table_names())
    }

    /// What DynamoDB would answer to a request with this `X-Amz-Target` header and `body`: an HTTP status, and a body.
    ///
    /// For whoever puts the engine behind a socket, as tests do. It blocks while a file is synced.
    pub fn answer(&self, target: &str, body: &[u8]) -> (u16, String) {
        self.engine.answer_to(target, body)
    }

    /// Drops the records whose life is over, as DynamoDB does in its own time, and says how many. Other requests
    /// go on in between.
    ///
    /// # Errors
    /// `Unavailable` where the engine fails.
    pub async fn sweep_expired(&self) -> Result<usize, StoreError> {
        let database = self.engine.database.clone();
        let sweep = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        let swept = sweep.map_err(|error| StoreError::Unavailable(error.into()))?;
        swept.map_err(|error| StoreError::Unavailable(error.into()))
    }

    async fn with(engine: Engine) -> Result<Self, StoreError> {
        let client = client(&engine);
        create_tables(&client, &table_names()).await?;
        Ok(Self { client, engine })
    }
}

fn table_names() -> TableNames {
    TableNames::with_prefix("countersign")
}

/// A client of `engine`. Nothing gets lost on the way there, so there are neither time-outs nor retries.
fn client(engine: &Engine) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(SharedHttpClient::new(engine.clone()))
        .endpoint_url("http://embedded.invalid")
        .region(Region::from_static("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "embedded"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Client::from_conf(config.build())
}

fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The engine, as an HTTP client that answers by itself. A clone is the same engine.
#[derive(Clone)]
struct Engine {
    database: Database,
    /// The locked file of the data directory; none in memory.
    lock: Option<Arc<File>>,
    /// What carries the log of the file over; none in memory.
    checkpoints: Option<Checkpoints>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

impl HttpClient for Engine {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if self.lock.is_none() {
            return HttpConnectorFuture::ready(self.answer(&request));
        }
        // A sync may take milliseconds, in which the runtime has better things to do than to stand still.
        let engine = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::task::spawn_blocking(move || engine.answer(&request))
                .await
                .unwrap_or_else(|error| Err(ConnectorError::other(error.into(), None)))
        })
    }
}

impl Engine {
    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get(TARGET).unwrap_or_default();
        let body = request.body().bytes();
        let body = body.ok_or_else(|| ConnectorError::user("the body is not in memory".into()))?;
        let (status, body) = self.answer_to(target, body);
        let status =
            StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
        Ok(HttpResponse::new(status, body.into()))
    }

    fn answer_to(&self, target: &str, body: &[u8]) -> (u16, String) {
        match self.dispatch(target.strip_prefix(PREFIX).unwrap_or_default(), body) {
            Ok(body) => (200, body),
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    /// The operations that the store uses.
    fn dispatch(&self, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
        let database = &self.database;
        match operation {
            "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
            "CreateTable" => run(body, |request| database.create_table(request)),
            "DeleteItem" => run(body, |request| database.delete_item(request)),
            "DescribeTable" => run(body, |request| database.describe_table(request)),
            "DescribeTimeToLive" => run(body, |request| database.describe_time_to_live(request)),
            "GetItem" => run(body, |request| database.get_item(request)),
            "PutItem" => run(body, |request| database.put_item(request)),
            "Query" => run(body, |request| database.query(request)),
            "TransactWriteItems" => run(body, |mut request: TransactWriteItemsRequest| {
                // The token serves attempts repeated after a lost answer. Here none is lost, and the engine's book
                // of tokens would be walked through by every transaction for ten minutes.
                request.client_request_token = None;
                database.transact_write_items(request)
            }),
            "UpdateTimeToLive" => run(body, |request| database.update_time_to_live(request)),
            _ => Err(DynoxideError::ValidationException(format!(
                "the embedded engine does not know the operation {operation:?}"
            ))),
        }
    }
}

fn run<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    serde_json::to_string(&operation(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
