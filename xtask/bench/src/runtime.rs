//! Lambda's runtime API as far as a function needs it, and functions run as Lambda runs them.

use crate::local::{free_address, peak_mb};
use anyhow::{Context, Result, bail, ensure};
use axum::{
    Router,
    body::Bytes,
    extract::{Path as Segments, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use countersign_tests::{Ask, AwsDouble};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    task::JoinHandle,
};

const START_LIMIT: Duration = Duration::from_secs(60);
const FAR_AWAY_MS: &str = "4102444800000"; // the deadline of an invocation: the year 2100

type Answer = oneshot::Sender<Result<Bytes, String>>;

/// A function in a process of its own. Dropping it kills it.
pub(crate) struct Function {
    child: Child,
    started: Instant,
    first_poll: Option<oneshot::Receiver<Instant>>,
    events: mpsc::UnboundedSender<(String, Answer)>,
    server: JoinHandle<std::io::Result<()>>,
}

struct Runtime {
    first_poll: Mutex<Option<oneshot::Sender<Instant>>>,
    events: AsyncMutex<mpsc::UnboundedReceiver<(String, Answer)>>,
    /// A function has one event at a time.
    open: Mutex<Option<Answer>>,
}

impl Function {
    /// Starts the `binary` with `aws` for AWS.
    pub(crate) async fn start(binary: &Path, aws: &AwsDouble) -> Result<Self> {
        Self::start_as(Command::new(binary), aws).await
    }

    /// Starts what `command` says, with nothing in its environment but what a function has there.
    pub(crate) async fn start_as(mut command: Command, aws: &AwsDouble) -> Result<Self> {
        let address = free_address()?;
        let listener = TcpListener::bind(address).await?;
        let (polled, first_poll) = oneshot::channel();
        let (events, received) = mpsc::unbounded_channel();
        let runtime = Arc::new(Runtime {
            first_poll: Mutex::new(Some(polled)),
            events: AsyncMutex::new(received),
            open: Mutex::default(),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{outcome}", post(ended))
            .with_state(runtime);
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let started = Instant::now();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let child = command
            .env_clear()
            .env("PATH", path)
            .envs(aws.environment())
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "measured")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self {
            child,
            started,
            first_poll: Some(first_poll),
            events,
            server,
        })
    }

    /// How long it took from the start of the process to its first question for work.
    pub(crate) async fn first_poll(&mut self) -> Result<Duration> {
        let polled = self.first_poll.take().context("asked for once")?;
        match tokio::time::timeout(START_LIMIT, polled).await {
            Ok(Ok(at)) => Ok(at - self.started),
            _ => bail!("the function never asked for work"),
        }
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(status.success(), "the function has ended by itself");
        self.child.wait()?;
        Ok(())
    }

    /// How long ago the process was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The most memory that it has had, in MB.
    pub(crate) fn peak_mb(&self) -> Result<f64> {
        peak_mb(self.child.id())
    }

    /// Sends what API Gateway would send for `ask`; the body of the answer, which must be a success.
    pub(crate) async fn invoke(&self, ask: &Ask) -> Result<Value> {
        let (answer, answered) = oneshot::channel();
        self.events
            .send((event(ask), answer))
            .ok()
            .context("the runtime is gone")?;
        let answered = tokio::time::timeout(START_LIMIT, answered).await;
        let bytes = match answered.context("the function does not answer")?? {
            Ok(bytes) => bytes,
            Err(error) => bail!("the function failed: {error}"),
        };
        let answer: Value = serde_json::from_slice(&bytes)?;
        let status = answer["statusCode"].as_u64().unwrap_or_default();
        let body = answer["body"].as_str().unwrap_or_default();
        ensure!(
            (200..300).contains(&status),
            "{} {}: {status} {body}",
            ask.method,
            ask.path
        );
        Ok(serde_json::from_str(body).unwrap_or_default())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn next(State(runtime): State<Arc<Runtime>>) -> Response {
    let polled = Instant::now();
    let first = runtime
        .first_poll
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(first) = first {
        let _ = first.send(polled); // nobody may be interested
    }
    let Some((event, answer)) = runtime.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    *runtime.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    let headers = [
        ("content-type", "application/json"),
        (
            "lambda-runtime-aws-request-id",
            "11111111-2222-4333-8444-555555555555",
        ),
        ("lambda-runtime-deadline-ms", FAR_AWAY_MS),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:000000000000:function:measured",
        ),
    ];
    (headers, event).into_response()
}

async fn ended(
    State(runtime): State<Arc<Runtime>>,
    Segments((_, outcome)): Segments<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let open = runtime.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(open) = open {
        let answer = match outcome.as_str() {
            "response" => Ok(body),
            _ => Err(String::from_utf8_lossy(&body).into_owned()),
        };
        let _ = open.send(answer); // whoever asked may have given up
    }
    StatusCode::ACCEPTED
}

fn event(ask: &Ask) -> String {
    let headers: serde_json::Map<String, Value> = ask
        .headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": ask.path, "rawQueryString": "", "headers": headers,
        "isBase64Encoded": false, "body": ask.body.to_string(),
        "requestContext": {
            "accountId": "000000000000", "apiId": "measured", "domainName": "measured.example.com",
            "domainPrefix": "measured", "requestId": "measured", "routeKey": "$default", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64,
            "http": {
                "method": ask.method, "path": ask.path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7",
                "userAgent": "measured",
            },
        },
    })
    .to_string()
}
