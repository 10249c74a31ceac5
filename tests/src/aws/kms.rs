//! A KMS with Ed25519 keys, and one symmetric key that hides nothing.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Mutex};

use super::lock;

/// The symmetric key.
pub(super) const SEALING_KEY: &str = "arn:aws:kms:eu-central-1:000000000000:key/sealing";
/// What the DER form of an Ed25519 public key begins with (RFC 8410).
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
const KEY_SPEC: &str = "ECC_NIST_EDWARDS25519";
const ALGORITHM: &str = "ED25519_SHA_512";

#[derive(Default)]
pub(super) struct Kms {
    keys: Mutex<BTreeMap<String, Ed25519KeyPair>>,
}

impl Kms {
    /// What KMS would answer to `operation`: an HTTP status, and a body.
    pub(super) fn answer(&self, operation: &str, body: &[u8]) -> (u16, String) {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        match self.carry_out(operation, &request) {
            Ok(answer) => (200, answer.to_string()),
            Err(code) => {
                let message = format!("the double does not do this: {operation} {request}");
                (400, json!({ "__type": code, "message": message }).to_string())
            }
        }
    }

    fn carry_out(&self, operation: &str, request: &Value) -> Result<Value, &'static str> {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        match operation {
            "CreateKey" if text("KeySpec") == KEY_SPEC => self.create(),
            "Decrypt" => Ok(json!({"KeyId": SEALING_KEY, "Plaintext": text("CiphertextBlob")})),
            "DescribeKey" if text("KeyId") == SEALING_KEY => {
                Ok(json!({"KeyMetadata": {"KeyId": SEALING_KEY}}))
            }
            "Encrypt" => Ok(json!({"KeyId": SEALING_KEY, "CiphertextBlob": text("Plaintext")})),
            "GetPublicKey" => {
                let keys = lock(&self.keys);
                let key = keys.get(text("KeyId")).ok_or("NotFoundException")?;
                let der = [&SPKI[..], key.public_key().as_ref()].concat();
                Ok(json!({"KeyId": text("KeyId"), "PublicKey": STANDARD.encode(der), "KeySpec": KEY_SPEC}))
            }
            "Sign" if text("SigningAlgorithm") == ALGORITHM && text("MessageType") == "RAW" => {
                let keys = lock(&self.keys);
                let key = keys.get(text("KeyId")).ok_or("NotFoundException")?;
                let message = STANDARD
                    .decode(text("Message"))
                    .map_err(|_| "ValidationException")?;
                let signature = STANDARD.encode(key.sign(&message));
                Ok(json!({"KeyId": text("KeyId"), "Signature": signature, "SigningAlgorithm": ALGORITHM}))
            }
            _ => Err("UnsupportedOperationException"),
        }
    }

    fn create(&self) -> Result<Value, &'static str> {
        let key = Ed25519KeyPair::generate().map_err(|_| "KMSInternalException")?;
        let mut keys = lock(&self.keys);
        let arn = format!("arn:aws:kms:eu-central-1:000000000000:key/{}", keys.len());
        keys.insert(arn.clone(), key);
        Ok(json!({"KeyMetadata": {
            "KeyId": arn, "Arn": arn, "KeySpec": KEY_SPEC, "KeyState": "Enabled", "KeyUsage": "SIGN_VERIFY",
            "SigningAlgorithms": [ALGORITHM],
        }}))
    }
}
