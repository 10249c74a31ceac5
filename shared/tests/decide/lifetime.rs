//! When a certificate may be valid.

use super::{NOW, refusal, request, role};
use countersign::{
    decide::{Request, RequestedValidity, decide},
    refusal::Refusal,
    types::ValidityError,
};

#[test]
fn the_lifetime_never_exceeds_the_maximum() {
    let with = |validity| Request {
        validity,
        ..request()
    };
    let window = |valid_after, valid_before| {
        with(RequestedValidity::Window {
            valid_after,
            valid_before,
        })
    };
    for request in [
        with(RequestedValidity::Ttl(3601)),
        with(RequestedValidity::Ttl(u64::MAX)),
        with(RequestedValidity::Until(NOW + 3601)),
        window(NOW, NOW + 3601),
        window(NOW - 31, NOW + 3600),
        window(NOW + 10, NOW + 3611),
        window(0, u64::MAX),
    ] {
        assert_eq!(
            refusal(&role(), &request),
            Refusal::TtlTooLong(3600),
            "{:?}",
            request.validity
        );
    }
    for request in [
        with(RequestedValidity::Ttl(3600)),
        with(RequestedValidity::Until(NOW + 3600)),
        window(NOW - 30, NOW + 3600),
        window(NOW + 10, NOW + 3610),
    ] {
        assert!(decide(&role(), &request, NOW).is_ok(), "{:?}", request.validity);
    }
}

#[test]
fn a_default_lifetime_is_cut_to_the_maximum() {
    let mut role = role();
    role.lifetime.default_ttl_secs = 1_000_000;
    assert_eq!(
        decide(&role, &request(), NOW).unwrap().validity().valid_before(),
        NOW + 3600
    );
}

#[test]
fn certificates_that_are_never_valid_are_refused() {
    let with = |validity| {
        refusal(
            &role(),
            &Request {
                validity,
                ..request()
            },
        )
    };
    assert_eq!(with(RequestedValidity::Ttl(0)), Refusal::AlreadyExpired);
    assert_eq!(with(RequestedValidity::Until(NOW)), Refusal::AlreadyExpired);
    let inverted = RequestedValidity::Window {
        valid_after: NOW + 20,
        valid_before: NOW + 10,
    };
    assert_eq!(with(inverted), Refusal::Validity(ValidityError::Empty));
}

#[test]
fn a_backdate_before_1970_is_cut() {
    assert_eq!(
        decide(&role(), &request(), 10).unwrap().validity().valid_after(),
        0
    );
}
