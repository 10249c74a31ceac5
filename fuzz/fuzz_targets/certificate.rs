//! Certificates and to-be-signed bytes: nothing panics. To-be-signed bytes that are read have a public key that can
//! certify, a serial, and at least one principal.

#![no_main]

use countersign::ssh::{Certificate, TbsCertificate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = Certificate::from_blob(input);
    if let Ok(line) = std::str::from_utf8(input) {
        let _ = Certificate::from_line(line);
    }
    if let Ok(fields) = TbsCertificate::read(input) {
        assert_ne!(fields.serial.value(), 0);
        assert_ne!(fields.valid_principals.iter().len(), 0);
        assert!(fields.validity.valid_after() < fields.validity.valid_before());
    }
});
