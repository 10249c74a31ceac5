//! How administration commands reach the certificate authority: by HTTP, a running server; and in this process, with
//! the same routes over the tables of a deployment. So each command exists once.

mod server;

use crate::{
    args::{Environment, Target},
    tables::{Tables, can_seal},
};
use anyhow::{Context, Result, anyhow, bail};
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, Uri, header},
};
use serde_json::Value;
use server::Server;

/// The header that carries the token.
const TOKEN: &str = "x-vault-token";
/// More than any answer has: a page of certificates stays far below.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A way to the certificate authority.
pub(crate) struct Client {
    transport: Transport,
    token: Option<String>,
}

enum Transport {
    Server(Box<Server>),
    Tables(Box<Tables>),
}

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) errors: Vec<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reasons: Vec<&str> = self.errors.iter().flat_map(|text| unframed(text)).collect();
        match reasons.as_slice() {
            [] => self.status.fmt(f)?,
            reasons => f.write_str(&reasons.join("; "))?,
        }
        f.write_str(match self.status {
            StatusCode::FORBIDDEN => {
                "\nThe token is unknown, or its policies do not allow this: see `countersign token lookup`, and give \
                 another with --token or COUNTERSIGN_TOKEN"
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "\nTry again in a moment",
            _ => "",
        })
    }
}

impl std::error::Error for Refused {}

/// The lines of an error without Vault's frame around them: "1 error occurred:" and the dots.
fn unframed(text: &str) -> impl Iterator<Item = &str> {
    let lines = text
        .lines()
        .map(|line| line.trim_start().trim_start_matches("* ").trim_end());
    lines.filter(|line| !line.is_empty() && !line.ends_with(" occurred:"))
}

impl Client {
    /// The way that the command line names, or else the environment.
    pub(crate) async fn open(target: &Target, environment: &Environment) -> Result<Self> {
        let token = target.token.clone().or_else(|| environment.token.clone());
        let from_environment = target.url.is_none() && target.table_prefix.is_none();
        let url = target
            .url
            .as_ref()
            .or(environment.url.as_ref().filter(|_| from_environment));
        if let Some(url) = url {
            if token.is_none() {
                bail!("a token is missing: give one with --token or COUNTERSIGN_TOKEN");
            }
            let ca_cert = target
                .ca_cert
                .clone()
                .or_else(|| environment.ca_cert.as_ref().map(Into::into));
            let server = Server::new(url, ca_cert.as_deref())?;
            return Ok(Self {
                transport: Transport::Server(Box::new(server)),
                token,
            });
        }
        let prefix = target.table_prefix.as_ref().or(environment.table_prefix.as_ref());
        let prefix = prefix.ok_or_else(|| {
            anyhow!(
                "nothing to talk to: give the address of a running server with --url or COUNTERSIGN_URL, or the \
                 tables of a deployment with --table-prefix or COUNTERSIGN_TABLE_PREFIX"
            )
        })?;
        let tables = Tables::open(prefix).await?;
        Ok(Self {
            transport: Transport::Tables(Box::new(tables)),
            token: None,
        })
    }

    /// Whether requests carry a token.
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Makes what a new account has, where nobody else does: a local server does so at its start, a deployment has
    /// nobody before the first root token.
    pub(crate) async fn seed(&self) -> Result<()> {
        match &self.transport {
            Transport::Server(_) => Ok(()),
            Transport::Tables(tables) => tables.seed().await,
        }
    }

    /// Makes sure that a private key can be sealed.
    pub(crate) fn check_sealing(&self) -> Result<()> {
        if matches!(self.transport, Transport::Tables(_)) && !can_seal() {
            bail!(
                "set COUNTERSIGN_SEALING_KEY to the deployment's sealing key: its stack has it as SealingKeyArn"
            );
        }
        Ok(())
    }

    /// Reads `path`, which comes after `/v1/`.
    pub(crate) async fn read(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// What is listed at `path`: the names. Where there are none, the list is empty.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<String>> {
        match self.call(Method::GET, &format!("{path}?list=true"), None).await {
            Ok(answer) => Ok(texts(&answer["data"]["keys"])),
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Writes `fields` to `path`.
    pub(crate) async fn write(&self, path: &str, fields: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(fields)).await
    }

    /// Deletes what is at `path`.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    /// Gets what is at `path`, which is whole.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.call_at(Method::GET, path, None).await
    }

    /// Posts `document` to `path`, which is whole.
    pub(crate) async fn post(&self, path: &str, document: &Value) -> Result<Value> {
        self.call_at(Method::POST, path, Some(document)).await
    }

    async fn call(&self, method: Method, path: &str, fields: Option<&Value>) -> Result<Value> {
        self.call_at(method, &format!("/v1/{path}"), fields).await
    }

    async fn call_at(&self, method: Method, path: &str, fields: Option<&Value>) -> Result<Value> {
        let (status, body) = match &self.transport {
            Transport::Server(server) => {
                let request = self.request(method, server.address(path)?, fields)?;
                server.send(request).await?
            }
            Transport::Tables(tables) => {
                let request = self.request(method, path.parse()?, fields)?;
                tables.answer(request).await?
            }
        };
        answer(status, &body)
    }

    fn request(&self, method: Method, uri: Uri, fields: Option<&Value>) -> Result<Request<Body>> {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = &self.token {
            let mut value =
                header::HeaderValue::from_str(token).context("the token holds characters that none has")?;
            value.set_sensitive(true);
            request = request.header(TOKEN, value);
            let mut bearer = header::HeaderValue::from_str(&format!("Bearer {token}"))?;
            bearer.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let body = fields.map_or_else(Body::empty, |fields| Body::from(fields.to_string()));
        Ok(request
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)?)
    }
}

fn answer(status: StatusCode, body: &[u8]) -> Result<Value> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if status.is_success() {
        return Ok(value);
    }
    Err(Refused {
        status,
        errors: errors(&value),
    }
    .into())
}

/// What is wrong: Vault's list of texts, or the message of a family that has one, or a list of faults.
fn errors(body: &Value) -> Vec<String> {
    if let Some(text) = body["Response"]["ErrorMessage"].as_str() {
        return vec![text.to_owned()];
    }
    match &body["message"] {
        Value::Null => texts(&body["errors"]),
        Value::Array(issues) => issues.iter().map(issue).collect(),
        message => message.as_str().map(str::to_owned).into_iter().collect(),
    }
}

/// One fault of a body: where, and what.
fn issue(issue: &Value) -> String {
    let names = issue["path"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| match name {
            Value::String(name) => name.clone(),
            index => index.to_string(),
        });
    let path = names.collect::<Vec<_>>().join(".");
    let message = issue["message"].as_str().unwrap_or("it is not as it should be");
    if path.is_empty() {
        message.to_owned()
    } else {
        format!("{path}: {message}")
    }
}

/// Whether `error` says that there is no such thing.
pub(crate) fn is_absent(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Refused>()
        .is_some_and(|refused| refused.status == StatusCode::NOT_FOUND)
}

/// The texts of a JSON array.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// One segment of a path.
pub(crate) fn segment(text: &str) -> String {
    encode(text, b"-._~")
}

/// One value of a query.
pub(crate) fn query_value(text: &str) -> String {
    encode(text, b"-._~")
}

fn encode(text: &str, plain: &[u8]) -> String {
    let encode_byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode_byte).collect()
}
