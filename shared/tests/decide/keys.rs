//! Keys: which may be certified, and which ids a certificate may have.

use super::{NOW, refusal, request, role};
use countersign::{
    decide::{Request, RequestedKeyId, decide},
    refusal::Refusal,
    role::{KeyIdRules, Role, SubjectKeyRule, SubjectKeyRules},
    ssh::{Curve, KeyKind, PublicKey},
    types::{CertKeyIdError, Pattern},
};

#[test]
fn the_caller_chooses_a_key_id_only_where_the_role_lets_it() {
    let chosen = |text: &str| Request {
        key_id: RequestedKeyId::Chosen(text.into()),
        ..request()
    };
    let with = |key_ids| Role { key_ids, ..role() };
    assert_eq!(
        refusal(&with(KeyIdRules::Default), &chosen("x")),
        Refusal::KeyIdNotAllowed
    );
    assert_eq!(
        decide(&with(KeyIdRules::Any), &chosen("x"), NOW)
            .unwrap()
            .key_id()
            .as_str(),
        "x"
    );
    let pattern = with(KeyIdRules::Matching(vec![Pattern::parse("svc-.+").unwrap()]));
    assert!(decide(&pattern, &chosen("svc-web"), NOW).is_ok());
    assert_eq!(refusal(&pattern, &chosen("web")), Refusal::KeyIdNotAllowed);
    let newline = refusal(&with(KeyIdRules::Any), &chosen("a\nb"));
    assert_eq!(newline, Refusal::KeyId(CertKeyIdError::ControlCharacter));
}

#[test]
fn subject_keys_are_held_to_their_kind_and_exact_size() {
    let p256 = SubjectKeyRule {
        kind: KeyKind::Ecdsa,
        sizes: Some(vec![256]),
    };
    let rsa = SubjectKeyRule {
        kind: KeyKind::Rsa,
        sizes: Some(vec![4096]),
    };
    let role = Role {
        subject_keys: SubjectKeyRules::Listed(vec![p256, rsa]),
        ..role()
    };
    let rsa_2048 = PublicKey::rsa(&[1, 0, 1], &[0xff; 256]).unwrap();
    let rsa_4096 = PublicKey::rsa(&[1, 0, 1], &[0xff; 512]).unwrap();
    let with = |subject_key| Request {
        subject_key,
        ..request()
    };
    assert_eq!(
        refusal(&role, &request()),
        Refusal::SubjectKeyKind(KeyKind::Ed25519)
    );
    assert_eq!(
        refusal(&role, &with(rsa_2048)),
        Refusal::SubjectKeySize(KeyKind::Rsa, 2048)
    );
    assert!(decide(&role, &with(rsa_4096), NOW).is_ok());
    let nothing = Role {
        subject_keys: SubjectKeyRules::Listed(vec![]),
        ..role
    };
    assert_eq!(
        refusal(&nothing, &request()),
        Refusal::SubjectKeyKind(KeyKind::Ed25519)
    );
}

#[test]
fn p256_points_are_told_apart_from_security_keys() {
    // The two kinds share a curve, and a role tells them apart.
    let rule = SubjectKeyRule {
        kind: KeyKind::SkEcdsa,
        sizes: None,
    };
    let g = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let point: Vec<u8> = (0..g.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&g[i..i + 2], 16).unwrap())
        .collect();
    assert!(!rule.allows(&PublicKey::ecdsa(Curve::P256, &point).unwrap()));
}
