//! JSON web tokens (RFC 7519) with HMAC-SHA-256, the only kind that is made and taken here.
//!
//! By hand, because it is one MAC over two encoded texts: the header is a constant that nobody chooses, so the doors
//! that libraries must guard (`alg: none`, one algorithm's key used with another) are not there.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// Why a text is not a token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JwtError {
    /// It is not three encoded parts with JSON in the first two.
    Malformed,
    /// The MAC is not ours.
    Signature,
}

/// The key of all tokens of an account.
pub(crate) struct JwtKey(hmac::Key);

impl JwtKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token that says `claims`.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> serde_json::Result<String> {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
        let message = format!("{HEADER}.{payload}");
        let mac = hmac::sign(&self.0, message.as_bytes());
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// What `token` says, if this key signed it. Expiry is the caller's to judge.
    pub(crate) fn verify<T: DeserializeOwned>(&self, token: &str) -> Result<T, JwtError> {
        let (message, mac) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(JwtError::Malformed)?;
        json_part(header)?;
        json_part(payload)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| JwtError::Signature)?;
        if header != HEADER || hmac::verify(&self.0, message.as_bytes(), &mac).is_err() {
            return Err(JwtError::Signature);
        }
        serde_json::from_value(json_part(payload)?).map_err(|_| JwtError::Malformed)
    }
}

fn json_part(part: &str) -> Result<serde_json::Value, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed)?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| JwtError::Malformed)?;
    value.is_object().then_some(value).ok_or(JwtError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_token_is_read_back_and_no_other() {
        let key = JwtKey::new(b"secret");
        let token = key.sign(&json!({"userId": "1"})).unwrap();
        assert_eq!(key.verify::<Value>(&token), Ok(json!({"userId": "1"})));
        assert_eq!(
            JwtKey::new(b"other").verify::<Value>(&token),
            Err(JwtError::Signature)
        );
        for bad in ["", "abc", "a.b.c", "..", "e30", "e30.e30"] {
            assert_eq!(key.verify::<Value>(bad), Err(JwtError::Malformed), "{bad}");
        }
    }

    #[test]
    fn the_sample_of_jwt_io_is_reproduced() {
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0\
                     IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        let key = JwtKey::new(b"your-256-bit-secret");
        let claims: Value = key.verify(token).unwrap();
        assert_eq!(claims["name"], "John Doe");
    }

    #[test]
    fn other_algorithms_and_changed_claims_are_refused() {
        let key = JwtKey::new(b"secret");
        let token = key.sign(&json!({"userId": "1"})).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let none = encode(json!({"alg": "none"}));
        let changed = encode(json!({"userId": "2"}));
        for bad in [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{}.{changed}.{}", parts[0], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
        ] {
            assert_eq!(key.verify::<Value>(&bad), Err(JwtError::Signature), "{bad}");
        }
    }
}
