//! Private keys from outside: nothing panics, and what is read can be written in every form and read again.

#![no_main]

use countersign::signer::private_key::{GeneratedKey, parse_private_key};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(pkcs8) = parse_private_key(text) else {
        return;
    };
    let key = GeneratedKey::from_pkcs8(&pkcs8).expect("what was read is a key pair");
    for form in [key.to_pem(), key.to_openssh("comment")] {
        let again = parse_private_key(&form).expect("what is written can be read");
        let again = GeneratedKey::from_pkcs8(&again).expect("what was read is a key pair");
        assert_eq!(again.public_key(), key.public_key());
    }
});
