//! Who is calling: ngrok clients present an API key as a bearer token; ours is any token of the account.

use crate::error::Failure;
use countersign::{
    access::{BATCH_TOKEN_PREFIX, TOKEN_PREFIX},
    types::SecretToken,
};
use http::{HeaderMap, header};

/// The credential of a request. It is not known yet whether anybody has it.
#[derive(Clone, Debug)]
pub(crate) struct Credential(SecretToken);

impl Credential {
    /// Reads the `Authorization` header.
    ///
    /// # Errors
    /// 200 without one, 201 for a scheme that is none of ngrok's, 202 for what cannot be a token.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().filter(|value| !value.is_empty()).ok_or_else(|| {
            Failure::forbidden(
                200,
                "The API authentication you specified is missing: send an Authorization header.",
            )
        })?;
        let text = value.to_str().map_err(|_| Self::malformed())?.trim();
        let (scheme, credential) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Err(Self::malformed());
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Failure::forbidden(
                201,
                "The scheme of the Authorization header must be Bearer.",
            ));
        }
        let credential = credential.trim();
        if credential.is_empty() || credential.contains(' ') || values.next().is_some() {
            return Err(Self::malformed());
        }
        Ok(Self(SecretToken::new(credential)))
    }

    /// The token.
    pub(crate) fn token(&self) -> &SecretToken {
        &self.0
    }

    /// The error where nobody has this token. It never repeats it.
    pub(crate) fn unknown(&self) -> Failure {
        let token = self.0.reveal();
        // Tokens of other forms exist too, such as a root token that its operator chose: they are looked up all the
        // same, and only the error for an unknown one differs.
        if [BATCH_TOKEN_PREFIX, TOKEN_PREFIX]
            .iter()
            .any(|prefix| token.starts_with(prefix))
        {
            let msg = "The credential is not known: it was never issued, has expired or was revoked.";
            return Failure::forbidden(203, msg);
        }
        Self::malformed()
    }

    fn malformed() -> Failure {
        Failure::forbidden(202, "The credential does not have the form of an API key.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(value: &'static [u8]) -> Result<Credential, Option<u16>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        Credential::from_headers(&headers).map_err(|failure| failure.code())
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_the_scheme() {
        for value in [&b"Bearer csn_x"[..], b"bearer csn_x", b"BEARER  csn_x "] {
            assert_eq!(read(value).unwrap().token().reveal(), "csn_x");
        }
    }

    #[test]
    fn each_mistake_has_its_code() {
        assert_eq!(
            Credential::from_headers(&HeaderMap::new()).unwrap_err().code(),
            Some(200)
        );
        for (value, code) in [
            (&b""[..], 200),
            (b"Digest x", 201),
            (b"csn_x", 201),
            (b"Bearer", 202),
            (b"Bearer a b", 202),
            (b"Bearer \xff", 202),
            (b"Basic eDp5", 202),
        ] {
            assert_eq!(read(value).unwrap_err(), Some(code), "{value:?}");
        }
        let code = |value| read(value).unwrap().unknown().code();
        assert_eq!((code(b"Bearer csn_x"), code(b"Bearer x")), (Some(203), Some(202)));
    }
}
