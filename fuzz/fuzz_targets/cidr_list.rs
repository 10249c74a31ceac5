//! Lists of networks: nothing panics, and the canonical form is its own canonical form.

#![no_main]

use countersign::types::CidrList;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    if let Ok(list) = CidrList::parse(input) {
        let text = list.to_string();
        assert_eq!(CidrList::parse(&text), Ok(list));
        assert!(!text.contains([' ', '*', '!']));
    }
});
