//! Certificates made by `ssh-keygen` (tests/vectors/generate.sh): from the fields alone, we encode the same bytes.

#![allow(missing_docs, clippy::unwrap_used)]

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    ssh::{
        Certificate, CertificateError, CertificateFields, CriticalOptions, Extensions, PublicKey,
        SignatureError, TbsCertificate,
    },
    types::{CertKeyId, CertType, Principals, Serial, ValidityWindow},
};
use serde::Deserialize;
use std::{fs, path::PathBuf};

#[derive(Deserialize)]
struct Vector {
    file: String,
    ca_file: String,
    subject_file: String,
    type_name: String,
    nonce: String,
    serial: u64,
    cert_type: String,
    key_id: String,
    principals: Vec<String>,
    valid_after: u64,
    valid_before: u64,
    critical_options: Vec<(String, Option<String>)>,
    extensions: Vec<(String, Option<String>)>,
    signature_algorithm: String,
    tbs_size: usize,
}

fn read(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(&read("index.json")).expect("index.json lists the vectors")
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn options(listed: &[(String, Option<String>)]) -> Vec<(String, String)> {
    listed
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().unwrap_or_default()))
        .collect()
}

/// The fields of a vector, through the same parsers that a request goes through.
fn fields(vector: &Vector) -> CertificateFields {
    CertificateFields {
        subject_key: PublicKey::from_line(&read(&vector.subject_file)).unwrap(),
        nonce: unhex(&vector.nonce),
        serial: Serial::parse(vector.serial).unwrap(),
        cert_type: if vector.cert_type == "host" {
            CertType::Host
        } else {
            CertType::User
        },
        key_id: CertKeyId::parse(vector.key_id.clone()).unwrap(),
        valid_principals: Principals::parse(vector.principals.clone()).unwrap(),
        validity: ValidityWindow::parse(vector.valid_after, vector.valid_before).unwrap(),
        critical_options: CriticalOptions::parse(options(&vector.critical_options)).unwrap(),
        extensions: Extensions::parse(options(&vector.extensions)).unwrap(),
        signature_key: PublicKey::from_line(&read(&vector.ca_file)).unwrap(),
    }
}

#[test]
fn the_same_fields_give_the_same_bytes_as_ssh_keygen() {
    let vectors = vectors();
    assert!(vectors.len() > 40, "the index is whole");
    for vector in vectors.iter().filter(|vector| vector.serial != 0) {
        let line = read(&vector.file);
        let blob = STANDARD
            .decode(line.split_ascii_whitespace().nth(1).unwrap())
            .unwrap();
        let fields = fields(vector);
        let tbs = TbsCertificate::encode_for_test(fields.clone());
        assert_eq!(tbs.bytes(), &blob[..vector.tbs_size], "{}", vector.file);

        let certificate =
            Certificate::from_line(&line).unwrap_or_else(|error| panic!("{}: {error}", vector.file));
        assert_eq!(*certificate.fields(), fields, "{}", vector.file);
        assert_eq!(line.split(' ').next(), Some(vector.type_name.as_str()));
        let algorithm = vector.signature_algorithm.as_bytes();
        assert_eq!(
            &certificate.signature_blob()[4..4 + algorithm.len()],
            algorithm,
            "{}",
            vector.file
        );
    }
}

#[test]
fn a_signature_of_other_bytes_is_refused_whatever_the_algorithm() {
    for vector in vectors().iter().filter(|vector| vector.serial != 0) {
        let line = read(&vector.file);
        let mut blob = STANDARD
            .decode(line.split_ascii_whitespace().nth(1).unwrap())
            .unwrap();
        let nonce = unhex(&vector.nonce);
        let at = blob
            .windows(nonce.len())
            .position(|window| window == nonce)
            .unwrap();
        blob[at] ^= 1;
        assert_eq!(
            Certificate::from_blob(&blob),
            Err(CertificateError::Signature(SignatureError::Mismatch)),
            "{}",
            vector.file
        );
    }
}

#[test]
fn a_certificate_without_a_serial_is_refused() {
    let unnumbered: Vec<Vector> = vectors()
        .into_iter()
        .filter(|vector| vector.serial == 0)
        .collect();
    assert!(!unnumbered.is_empty());
    for vector in unnumbered {
        let refused = Certificate::from_line(&read(&vector.file)).unwrap_err();
        assert_eq!(
            refused,
            CertificateError::Value("serial"),
            "sshd cannot revoke number 0"
        );
    }
}

#[test]
fn the_golden_certificate_is_that_of_the_unit_tests() {
    let copy = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/src/ssh/golden-cert.pub");
    assert_eq!(fs::read_to_string(copy).unwrap(), read("golden-cert.pub"));
}
