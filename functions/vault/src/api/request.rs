//! Reading a request: method, path, headers, body.

use super::{
    decode,
    fields::{Parameters, parse_bool},
    json::Json,
};
use crate::error::Failure;
use axum::{body::Bytes, extract::Request};
use countersign::{acl::Capability, types::SecretToken, types::parse_duration};
use http::{HeaderMap, Method, StatusCode, header};

/// The most bytes of a body, which is read before anybody has shown a token. The largest that can be granted writes a
/// policy of 256 KiB.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The longest part of a path between slashes.
const MAX_SEGMENT_BYTES: usize = 512;

/// What is to be done at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Delete,
    Head,
    List,
    Patch,
    Read,
    Update,
}

impl Operation {
    /// The capability that it needs.
    pub(crate) fn capability(self) -> Capability {
        match self {
            Self::Delete => Capability::Delete,
            Self::List => Capability::List,
            Self::Patch => Capability::Patch,
            Self::Head | Self::Read => Capability::Read,
            Self::Update => Capability::Update,
        }
    }

    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Head => "head",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Read => "read",
            Self::Update => "update",
        }
    }
}

/// A path below `/v1/`: decoded once, cleaned once, and from then on the only one that anything looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiPath {
    /// Without slashes at its ends.
    pub(crate) bare: String,
    /// Whether it ended with a slash.
    pub(crate) ends_with_slash: bool,
}

impl ApiPath {
    fn parse(raw: &str) -> Result<Self, Failure> {
        let below = raw.strip_prefix("/v1").unwrap_or(raw);
        let decoded = decode::path(below).ok_or_else(|| Failure::bare(StatusCode::BAD_REQUEST))?;
        if !decoded.chars().all(is_printable) {
            return Err(Failure::bare(StatusCode::BAD_REQUEST));
        }
        // A name is a part of keys in the store.
        if decoded
            .split('/')
            .any(|segment| segment.len() > MAX_SEGMENT_BYTES)
        {
            return Err(Failure::user(format!(
                "a name in a path has at most {MAX_SEGMENT_BYTES} bytes"
            )));
        }
        if decoded.contains("..") {
            return Err(Failure::user("relative paths not supported"));
        }
        let segments = || {
            decoded
                .split('/')
                .filter(|segment| !segment.is_empty() && *segment != ".")
        };
        Ok(Self {
            bare: segments().collect::<Vec<_>>().join("/"),
            ends_with_slash: decoded.ends_with('/'),
        })
    }

    /// What policies are asked about.
    pub(crate) fn for_policies(&self) -> String {
        format!("{}{}", self.bare, if self.ends_with_slash { "/" } else { "" })
    }
}

fn is_printable(c: char) -> bool {
    let is_format = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c == ' ' || !(c.is_control() || c.is_whitespace() || is_format)
}

/// A request that makes sense so far.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) operation: Operation,
    pub(crate) path: ApiPath,
    pub(crate) parameters: Parameters,
    pub(crate) token: Option<SecretToken>,
    /// For how many seconds the answer is to be wrapped, if it is.
    pub(crate) wrap_ttl: Option<u64>,
    /// Whether only the description of the path is asked for.
    pub(crate) wants_help: bool,
}

impl Incoming {
    /// Reads `request`.
    ///
    /// # Errors
    /// Everything that is refused before anybody asks for a token.
    pub(crate) async fn read(request: Request) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let query = decode::form(parts.uri.query().unwrap_or_default().as_bytes())
            .ok_or_else(|| Failure::user("error parsing query string"))?;
        let mut operation = operation(&parts.method, &parts.headers)?;
        let mut path = ApiPath::parse(parts.uri.path())?;
        check_headers(&parts.headers)?;
        let wrap_ttl = wrap_ttl(&parts.headers)?;

        let mut parameters = Parameters::new();
        let mut wants_help = false;
        let mut wants_list = operation == Operation::List;
        for (name, values) in query {
            match name.as_str() {
                "list" if operation == Operation::Read => wants_list = list_flag(&values)?,
                "help" => {
                    wants_help = values
                        .first()
                        .is_some_and(|value| !value.is_empty() && value != "0")
                }
                _ if operation == Operation::Update || operation == Operation::Patch => {}
                _ => drop(parameters.insert(name, query_value(values))),
            }
        }
        if wants_list {
            operation = Operation::List;
            path.ends_with_slash = true;
        }
        if matches!(operation, Operation::Patch | Operation::Update) {
            let body = read_body(&parts.headers, body).await?;
            parameters = parse_body(&parts.headers, &body)?;
        }
        Ok(Self {
            operation,
            path,
            parameters,
            token: token(&parts.headers),
            wrap_ttl,
            wants_help,
        })
    }
}

fn operation(method: &Method, headers: &HeaderMap) -> Result<Operation, Failure> {
    match method.as_str() {
        "DELETE" => Ok(Operation::Delete),
        "GET" => Ok(Operation::Read),
        "HEAD" => Ok(Operation::Head),
        "LIST" => Ok(Operation::List),
        "PATCH" => match media_type(headers).as_deref() {
            Some("application/merge-patch+json") => Ok(Operation::Patch),
            Some(_) => Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "PATCH needs the Content-Type application/merge-patch+json",
            )),
            None => Err(Failure::user("mime: no media type")),
        },
        "POST" | "PUT" => Ok(Operation::Update),
        _ => Err(Failure::bare(StatusCode::METHOD_NOT_ALLOWED)),
    }
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next()?.trim();
    (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
}

/// The headers that can end a request by themselves.
fn check_headers(headers: &HeaderMap) -> Result<(), Failure> {
    let namespace = headers
        .get("x-vault-namespace")
        .map_or(Ok(""), |value| value.to_str());
    if !namespace.is_ok_and(|name| matches!(name.trim().trim_matches('/'), "" | "root")) {
        return Err(Failure::new(StatusCode::NOT_FOUND, "namespace not found"));
    }
    Ok(())
}

/// For how many seconds the answer is to be wrapped, if it is. A part of a second counts as one: whoever asks for
/// wrapping must not get the answer in the clear.
fn wrap_ttl(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let text = headers
        .get("x-vault-wrap-ttl")
        .map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let secs = parse_duration(text)
        .map_err(|error| Failure::user(format!("error parsing X-Vault-Wrap-TTL header: {error}")))?;
    let is_zero = text.bytes().all(|byte| !matches!(byte, b'1'..=b'9'));
    Ok((!is_zero).then_some(secs.max(1)))
}

fn list_flag(values: &[String]) -> Result<bool, Failure> {
    match values.first().map_or("", String::as_str) {
        "" => Ok(false),
        value => parse_bool(value).ok_or_else(|| Failure::bare(StatusCode::BAD_REQUEST)),
    }
}

fn query_value(mut values: Vec<String>) -> Json {
    match values.len() {
        1 => Json::Text(values.remove(0)),
        _ => Json::Array(values.into_iter().map(Json::Text).collect()),
    }
}

async fn read_body(headers: &HeaderMap, body: axum::body::Body) -> Result<Bytes, Failure> {
    let too_large = || Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "http: request body too large");
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    axum::body::to_bytes(body, MAX_BODY_BYTES).await.map_err(|error| {
        let cause = std::error::Error::source(&error);
        if cause.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>()) {
            too_large()
        } else {
            Failure::user("the request body could not be read")
        }
    })
}

fn parse_body(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, Failure> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_form = media_type(headers).as_deref() == Some("application/x-www-form-urlencoded");
    match first {
        None => Ok(Parameters::new()),
        Some(byte) if is_form && !matches!(byte, b'{' | b'[') => {
            let pairs = decode::form(body).ok_or_else(|| Failure::user("error parsing form data"))?;
            Ok(pairs.into_iter().filter_map(form_parameter).collect())
        }
        Some(_) => match Json::parse(body) {
            Ok(Json::Object(members)) => Ok(members),
            Ok(Json::Null) => Ok(Parameters::new()),
            _ => Err(Failure::user("error parsing JSON")),
        },
    }
}

/// Repeated names are joined, and names without a value dropped.
fn form_parameter((name, values): decode::Pair) -> Option<(String, Json)> {
    let joined = values.join(",");
    (!joined.is_empty()).then_some((name, Json::Text(joined)))
}

fn token(headers: &HeaderMap) -> Option<SecretToken> {
    let text = |value: &http::HeaderValue| value.to_str().map(str::trim).ok().map(str::to_owned);
    let own = headers
        .get("x-vault-token")
        .and_then(text)
        .filter(|token| !token.is_empty());
    let bearer = || {
        let values = headers.get_all(header::AUTHORIZATION).iter().filter_map(text);
        values
            .into_iter()
            .find_map(|value| Some(value.strip_prefix("Bearer ")?.trim().to_owned()))
    };
    own.or_else(bearer)
        .filter(|token| !token.is_empty())
        .map(SecretToken::new)
}
