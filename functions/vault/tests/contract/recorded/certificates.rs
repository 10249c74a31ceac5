//! Keys and certificates, which are never the same twice.

use super::learned::Learned;
use countersign::ssh::{Certificate, PublicKey};

/// Whether two public lines hold keys of the same kind and size, and end alike.
pub(super) fn same_kind(expected: &str, got: &str) -> bool {
    let shape = |line: &str| {
        let key = PublicKey::from_line(line).ok()?;
        Some((
            key.kind(),
            key.bits(),
            line.ends_with('\n'),
            line.split(' ').count(),
        ))
    };
    expected == got || shape(expected).is_some() && shape(expected) == shape(got)
}

/// Whether two certificates say the same: all but the nonce, the serial, the time and the keys that were drawn.
pub(super) fn compare(learned: &Learned, expected: &str, got: &str) -> Result<(), String> {
    let read = |line: &str| Certificate::from_line(line).map_err(|error| error.to_string());
    let (wanted, certificate) = (read(expected)?, read(got)?);
    let (expected, fields) = (wanted.fields(), certificate.fields());
    // The default key id ends in the hash of the subject key, which `issue` draws.
    let hash = |key: &PublicKey| key.sha256_hex();
    let key_id = expected
        .key_id
        .as_str()
        .replace(&hash(&expected.subject_key), &hash(&fields.subject_key));
    let recorded_ca = format!("{}\n", expected.signature_key.to_line());
    let ca = learned.ours(&recorded_ca);
    let is_same_ca = !learned.knows(&recorded_ca) || ca.trim_end() == fields.signature_key.to_line();
    for (what, agrees) in [
        ("the newline", got.ends_with('\n')),
        (
            "subject key",
            expected.subject_key.kind() == fields.subject_key.kind(),
        ),
        ("type", expected.cert_type == fields.cert_type),
        ("principals", expected.valid_principals == fields.valid_principals),
        (
            "length",
            expected.validity.length_secs() == fields.validity.length_secs(),
        ),
        (
            "critical options",
            expected.critical_options == fields.critical_options,
        ),
        ("extensions", expected.extensions == fields.extensions),
        ("CA key", is_same_ca),
        (
            "kind of CA key",
            expected.signature_key.kind() == fields.signature_key.kind(),
        ),
        ("signature", algorithm(&wanted) == algorithm(&certificate)),
    ] {
        if !agrees {
            return Err(format!("{what}: {expected:?} expected, not {fields:?}"));
        }
    }
    if key_id != fields.key_id.as_str() {
        return Err(format!("{key_id} expected, not {}", fields.key_id.as_str()));
    }
    Ok(())
}

/// The name at the start of a signature.
fn algorithm(certificate: &Certificate) -> &[u8] {
    let blob = certificate.signature_blob();
    let length = usize::from(blob[3]);
    &blob[4..4 + length]
}
