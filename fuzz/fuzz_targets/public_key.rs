//! Public key lines and blobs: nothing panics, and what is read is written back to the same key.

#![no_main]

use countersign::ssh::PublicKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(key) = PublicKey::from_blob(input) {
        assert_eq!(key.to_blob(), input, "a key has one encoding");
        assert_eq!(PublicKey::from_line(&key.to_line()), Ok(key));
    }
    if let Ok(line) = std::str::from_utf8(input) {
        let _ = PublicKey::from_line(line);
    }
});
