//! The words by which keys are ordered: `key_type` and `key_bits`.

use super::key_lengths::KeyLengths;
use countersign::authority::KeySpec;

/// `key_bits`, or the size that keys of `key_type` have by default where it is 0 and there are several.
pub(crate) fn or_default(key_type: &str, key_bits: i64) -> i64 {
    match (key_type, key_bits) {
        ("ec", 0) => 256,
        ("rsa" | "ssh-rsa", 0) => 4096,
        (_, bits) => bits,
    }
}

/// Which key `key_type` and `key_bits` mean; 0 bits stand for the type's default.
///
/// # Errors
/// The real product's text, where it has one.
pub(crate) fn key_spec(key_type: &str, key_bits: i64) -> Result<KeySpec, String> {
    let key_bits = or_default(key_type, key_bits);
    match key_type {
        "ecdsa-sha2-nistp256" => Ok(KeySpec::P256),
        "ecdsa-sha2-nistp384" => Ok(KeySpec::P384),
        "ecdsa-sha2-nistp521" => Ok(KeySpec::P521),
        "ed25519" | "ssh-ed25519" => Ok(KeySpec::Ed25519),
        "ec" => match key_bits {
            256 => Ok(KeySpec::P256),
            384 => Ok(KeySpec::P384),
            521 => Ok(KeySpec::P521),
            bits => Err(format!("unknown ECDSA key pair algorithm and bits: ec / {bits}")),
        },
        "rsa" | "ssh-rsa" => match key_bits {
            2048 => Ok(KeySpec::Rsa2048),
            3072 => Ok(KeySpec::Rsa3072),
            4096 => Ok(KeySpec::Rsa4096),
            bits if bits < 2048 => Err(format!(
                "refusing to generate weak {key_type} key: {bits} bits < 2048 bits"
            )),
            bits => Err(format!(
                "RSA keys are made with 2048, 3072 or 4096 bits, not {bits}"
            )),
        },
        other => Err(format!("unknown ssh key pair algorithm: {other}")),
    }
}

/// Whether a role with `lengths` knows these words: the very word or its alias must be listed, and with it the very
/// number of bits, 0 included. Whether the key that they make is certified is not said here but by the rules of
/// [`CaRole::compile_for_generated`](super::role::CaRole::compile_for_generated).
///
/// # Errors
/// The real product's text.
pub(crate) fn check_listed(lengths: &KeyLengths, key_type: &str, key_bits: i64) -> Result<(), String> {
    if lengths.is_empty() {
        return Ok(());
    }
    let curve = format!("ecdsa-sha2-nistp{key_bits}");
    let names: &[&str] = match key_type {
        "ecdsa" => &["ecdsa", "ec", &curve],
        "ed25519" => &["ed25519", "ssh-ed25519"],
        "rsa" => &["rsa", "ssh-rsa"],
        _ => &[],
    };
    let Some(listed) = lengths.listed(names) else {
        return Err("provided key_type value not in allowed_user_key_types".into());
    };
    if listed.contains(&key_bits) {
        Ok(())
    } else {
        Err("provided key_bits value not in list of role's allowed_user_key_types".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_keys() {
        assert_eq!(key_spec("rsa", 0), Ok(KeySpec::Rsa4096));
        assert_eq!(key_spec("ssh-rsa", 2048), Ok(KeySpec::Rsa2048));
        assert_eq!(key_spec("ec", 0), Ok(KeySpec::P256));
        assert_eq!(key_spec("ecdsa-sha2-nistp521", 7), Ok(KeySpec::P521));
        assert_eq!(key_spec("ed25519", 0), Ok(KeySpec::Ed25519));
        for (word, bits, text) in [
            (
                "ssh-rsa",
                1024,
                "refusing to generate weak ssh-rsa key: 1024 bits < 2048 bits",
            ),
            ("ec", 224, "unknown ECDSA key pair algorithm and bits: ec / 224"),
            ("RSA", 2048, "unknown ssh key pair algorithm: RSA"),
            ("", 0, "unknown ssh key pair algorithm: "),
        ] {
            assert_eq!(key_spec(word, bits), Err(text.to_owned()));
        }
    }
}
