//! A certificate as `ssh-keygen -L` prints it, so that people find what they know.
//!
//! Times are in UTC and say so with a `Z`; `ssh-keygen` prints local time. The signature algorithm stands only where
//! it is known: a record keeps the signature only for the families that must return it again.

use countersign::{
    ssh::{CertificateFields, KeyKind, PublicKey, Reader, SignatureAlgorithm},
    types::{hex, timestamp},
};
use std::fmt::Write;

/// The options whose value `ssh-keygen` prints.
const TEXT_OPTIONS: [&str; 2] = ["force-command", "source-address"];
/// The options that it knows to have no value.
const CRITICAL_FLAGS: [&str; 1] = ["verify-required"];
const EXTENSION_FLAGS: [&str; 6] = [
    "no-touch-required",
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
];

/// The lines of `ssh-keygen -L` after the file's name.
pub(crate) fn render(fields: &CertificateFields, signature_algorithm: Option<&str>) -> String {
    let mut text = String::new();
    let subject = &fields.subject_key;
    let ca = &fields.signature_key;
    let using = signature_algorithm
        .map(|name| format!(" (using {name})"))
        .unwrap_or_default();
    let validity = validity(fields.validity.valid_after(), fields.validity.valid_before());
    line(
        &mut text,
        &format!(
            "Type: {} {} certificate",
            subject.certificate_name(),
            fields.cert_type
        ),
    );
    line(
        &mut text,
        &format!(
            "Public key: {}-CERT {}",
            short_name(subject),
            subject.fingerprint()
        ),
    );
    line(
        &mut text,
        &format!("Signing CA: {} {}{using}", short_name(ca), ca.fingerprint()),
    );
    line(&mut text, &format!("Key ID: \"{}\"", fields.key_id));
    line(&mut text, &format!("Serial: {}", fields.serial));
    line(&mut text, &format!("Valid: {validity}"));
    list(
        &mut text,
        "Principals",
        fields.valid_principals.iter().map(str::to_owned),
    );
    let critical = fields
        .critical_options
        .iter()
        .map(|(name, value)| option(name, value, &CRITICAL_FLAGS));
    list(&mut text, "Critical Options", critical);
    let extensions = fields
        .extensions
        .iter()
        .map(|(name, value)| option(name, value, &EXTENSION_FLAGS));
    list(&mut text, "Extensions", extensions);
    text
}

/// The algorithm that a signature blob names.
pub(crate) fn signature_algorithm(blob: &[u8]) -> Option<&str> {
    Reader::new(blob).text().ok()
}

/// The algorithm of a CA key that signs in one way alone, as all but RSA keys do.
pub(crate) fn only_algorithm(ca_key: &PublicKey) -> Option<String> {
    let algorithm = SignatureAlgorithm::default_for(ca_key)?;
    (ca_key.kind() != KeyKind::Rsa).then(|| algorithm.to_string())
}

fn line(text: &mut String, content: &str) {
    let _ = writeln!(text, "        {content}"); // writing to a string cannot fail
}

fn list(text: &mut String, title: &str, entries: impl Iterator<Item = String>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return line(text, &format!("{title}: (none)"));
    }
    line(text, &format!("{title}: "));
    for entry in entries {
        line(text, &format!("        {entry}"));
    }
}

fn option(name: &str, value: &str, flags: &[&str]) -> String {
    if flags.contains(&name) {
        name.to_owned()
    } else if TEXT_OPTIONS.contains(&name) {
        format!("{name} {value}")
    } else if value.is_empty() {
        format!("{name} UNKNOWN FLAG OPTION")
    } else {
        // The data of an option is its value as a string: four bytes of length, then the bytes.
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes();
        let data = [&length[..], value.as_bytes()].concat();
        format!("{name} UNKNOWN OPTION: {} (len {})", hex(&data), data.len())
    }
}

fn validity(valid_after: u64, valid_before: u64) -> String {
    let (from, to) = (timestamp::render(valid_after), timestamp::render(valid_before));
    match (valid_after, valid_before) {
        (0, u64::MAX) => "forever".into(),
        (0, _) => format!("before {to}"),
        (_, u64::MAX) => format!("after {from}"),
        _ => format!("from {from} to {to}"),
    }
}

/// `sshkey_type`: the word that OpenSSH prints for a kind of key.
fn short_name(key: &PublicKey) -> &'static str {
    match key.kind() {
        KeyKind::Ecdsa => "ECDSA",
        KeyKind::Ed25519 => "ED25519",
        KeyKind::Rsa => "RSA",
        KeyKind::SkEcdsa => "ECDSA-SK",
        KeyKind::SkEd25519 => "ED25519-SK",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign::ssh::Certificate;
    use std::{fs, path::Path, process::Command};

    /// What the real `ssh-keygen` prints, with the `Z` that we add.
    fn as_ssh_keygen(file: &Path) -> String {
        let output = Command::new("ssh-keygen")
            .arg("-Lf")
            .arg(file)
            .env("TZ", "UTC0")
            .output();
        let output = output.expect("ssh-keygen is missing: apt-get install openssh-client");
        let text = String::from_utf8(output.stdout).unwrap();
        let zoned = |line: &str| match line.trim_start().strip_prefix("Valid: ") {
            Some(_) => line
                .split(' ')
                .map(|word| {
                    if word.contains('T') && word.contains('-') {
                        format!("{word}Z")
                    } else {
                        word.into()
                    }
                })
                .collect::<Vec<_>>()
                .join(" "),
            None => line.to_owned(),
        };
        text.lines().skip(1).map(|line| zoned(line) + "\n").collect()
    }

    #[test]
    fn every_golden_certificate_prints_as_ssh_keygen_prints_it() {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
        let mut compared = 0;
        for entry in fs::read_dir(vectors).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().ends_with("-cert.pub") {
                continue;
            }
            // A serial of 0 is not one of ours.
            let Ok(certificate) = Certificate::from_line(&fs::read_to_string(&path).unwrap()) else {
                continue;
            };
            let ours = render(
                certificate.fields(),
                signature_algorithm(certificate.signature_blob()),
            );
            assert_eq!(ours, as_ssh_keygen(&path), "{}", path.display());
            compared += 1;
        }
        assert!(compared > 35, "only {compared} certificates were compared");
    }
}
