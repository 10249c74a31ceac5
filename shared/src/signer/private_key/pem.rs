//! PEM (RFC 7468), as lenient as the programs that write keys need: text around the block, lines of any width.

use super::PrivateKeyError;
use crate::signer::Pkcs8Key;
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// The width of RFC 7468.
const LINE_WIDTH: usize = 64;

/// The first block of a text.
pub(super) struct Block<'a> {
    /// What stands behind `BEGIN`.
    pub(super) label: &'a str,
    /// What the base64 says.
    pub(super) content: Pkcs8Key,
}

/// Reads the first block but `EC PARAMETERS`, which openssl puts before a key.
pub(super) fn decode(text: &str) -> Result<Block<'_>, PrivateKeyError> {
    let mut lines = text.lines().map(str::trim);
    let label = lines
        .by_ref()
        .filter_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .find(|label| *label != "EC PARAMETERS")
        .ok_or(PrivateKeyError::NotPem)?;
    if label == "ENCRYPTED PRIVATE KEY" {
        return Err(PrivateKeyError::Encrypted);
    }
    // As large as it can become, so that no half-grown copy of the key stays in memory.
    let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
    loop {
        let line = lines.next().ok_or(PrivateKeyError::Malformed)?;
        if line
            .strip_prefix("-----END ")
            .and_then(|line| line.strip_suffix("-----"))
            == Some(label)
        {
            break;
        }
        match line.split_once(':') {
            // RFC 1421 headers, with which openssl marks keys that it encrypted.
            Some(("Proc-Type", kind)) if kind.contains("ENCRYPTED") => {
                return Err(PrivateKeyError::Encrypted);
            }
            Some(_) => {}
            None => encoded.push_str(line),
        }
    }
    let mut content = Zeroizing::new(vec![0; encoded.len()]);
    let len = STANDARD
        .decode_slice(encoded.as_bytes(), &mut content)
        .map_err(|_| PrivateKeyError::Malformed)?;
    content.truncate(len);
    Ok(Block { label, content })
}

/// Writes one block, which ends with a newline.
pub(super) fn encode(label: &str, content: &[u8]) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(vec![0; content.len().div_ceil(3) * 4]);
    let len = STANDARD
        .encode_slice(content, &mut encoded)
        .expect("base64 makes four bytes of three");
    let capacity = len + len / LINE_WIDTH + 2 * label.len() + 64;
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    for part in ["-----BEGIN ", label, "-----\n"] {
        text.push_str(part);
    }
    for line in encoded[..len].chunks(LINE_WIDTH) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    for part in ["-----END ", label, "-----\n"] {
        text.push_str(part);
    }
    debug_assert!(text.capacity() == capacity, "the text has grown and left a copy");
    text
}
