//! Who is calling: a bearer of an access token, or of an API key. Ours is any token of the account.

use crate::error::Failure;
use countersign::types::SecretToken;
use http::{HeaderMap, header};

/// The header of the older scheme.
const API_KEY: &str = "x-venafi-api-key";

/// The credential of a request. It is not known yet whether anybody has it.
#[derive(Clone, Debug)]
pub(crate) struct Credential(SecretToken);

impl Credential {
    /// Reads `Authorization: Bearer …`, or else the header of an API key.
    ///
    /// # Errors
    /// 401 without either, and for what cannot be a token.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, Failure> {
        let malformed = || Failure::unauthorized("session_error", "Invalid token format");
        let text = |name: &str| {
            let value = headers.get(name).filter(|value| !value.is_empty());
            value
                .map(|value| value.to_str().map(str::trim))
                .transpose()
                .map_err(|_| malformed())
        };
        if let Some(value) = text(header::AUTHORIZATION.as_str())? {
            let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
            let token = token.trim();
            if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.contains(' ') {
                return Err(malformed());
            }
            return Ok(Self(SecretToken::new(token)));
        }
        match text(API_KEY)? {
            Some(key) if !key.is_empty() => Ok(Self(SecretToken::new(key))),
            _ => Err(Failure::unknown_token()),
        }
    }

    /// The token.
    pub(crate) fn token(&self) -> &SecretToken {
        &self.0
    }
}

/// Whether `headers` hold a credential at all.
pub(crate) fn is_there(headers: &HeaderMap) -> bool {
    let with_token = |value: &http::HeaderValue| {
        let text = value.to_str().unwrap_or("x y");
        text.trim().split_once(' ').is_some()
    };
    headers.get(header::AUTHORIZATION).is_some_and(with_token) || headers.contains_key(API_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(name: &'static str, value: &'static [u8]) -> Result<String, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value).unwrap());
        let found = Credential::from_headers(&headers);
        found
            .map(|credential| credential.token().reveal().to_owned())
            .map_err(|failure| failure.status.as_u16())
    }

    #[test]
    fn both_schemes_are_read() {
        for value in [&b"Bearer a+/="[..], b"bearer a+/=", b"BEARER  a+/= "] {
            assert_eq!(read("authorization", value).unwrap(), "a+/=");
        }
        assert_eq!(read("x-venafi-api-key", b"k").unwrap(), "k");
        for (name, value) in [
            ("authorization", &b"Bearer"[..]),
            ("authorization", b"Bearer a b"),
            ("authorization", b"Basic x"),
            ("authorization", b"Bearer \xff"),
            ("authorization", b""),
            ("x-venafi-api-key", b""),
            ("cookie", b"a=b"),
        ] {
            assert_eq!(read(name, value), Err(401), "{value:?}");
        }
    }
}
