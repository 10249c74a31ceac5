//! Policy texts and request paths: nothing panics, what is rendered can be read again, and no answer contradicts
//! another. The input is a path, a line end, and a policy.

#![no_main]

use countersign::acl::{Acl, Capability, Policy};
use libfuzzer_sys::fuzz_target;

const OPERATIONS: [Capability; 6] = [
    Capability::Create,
    Capability::Delete,
    Capability::List,
    Capability::Patch,
    Capability::Read,
    Capability::Update,
];

fuzz_target!(|input: &str| {
    let (path, text) = input.split_once('\n').unwrap_or(("", input));
    let Ok(policy) = Policy::parse("fuzz", text) else {
        return;
    };
    let rendered = Policy::parse("fuzz", &policy.to_string()).expect("what is rendered can be read");

    let acl = Acl::new(&[&policy]);
    let same = Acl::new(&[&rendered]);
    let capabilities = acl.capabilities(path);
    assert_eq!(same.capabilities(path), capabilities);
    // A trailing slash makes a list request: what is listed then need not hold for other operations.
    if !path.ends_with('/') {
        assert!(
            OPERATIONS
                .into_iter()
                .all(|one| !acl.allows(path, one) || capabilities.contains(&one))
        );
    }
});
