//! Any bytes, read as any body: a value or an error, never a panic.

use super::{certificates::Kind, host_certificates::Host, user_certificates::User};
use crate::{call::object, order::Order, resource::Resource, text::Texts, wire};
use countersign::{
    issue::CertificateId,
    types::{Ksuid, Serial},
};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        proptest::sample::select(vec![
            "",
            "sshca_2rwwl4SDEadVIHE5LIPmoVwx9q5",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKZKiNscNHE771M5RGtfk3QIELkt5t+bbnsUZSfeA4JN",
            "2030-01-01T00:00:00Z",
            "9999-12-31T23:59:59+23:59",
            "force-command",
            "10.0.0.0/8,::/0",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec((text.clone(), inner.clone()), 0..4)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

fn body() -> impl Strategy<Value = Value> {
    let name = proptest::sample::select(vec![
        "critical_options",
        "description",
        "elliptic_curve",
        "extensions",
        "id",
        "key_size",
        "metadata",
        "principals",
        "private_key_type",
        "public_key",
        "ssh_certificate_authority_id",
        "valid_after",
        "valid_until",
    ]);
    proptest::collection::btree_map(name.prop_map(str::to_owned), json(), 0..8)
        .prop_map(|members| Value::Object(Map::from_iter(members)))
}

/// Reads a body as every kind of it.
fn read(bytes: &[u8]) {
    let _ = object::<wire::SshCertificateAuthorityCreate>(bytes);
    let id = CertificateId {
        serial: Serial::parse(1).unwrap(),
        id: Ksuid::new(1_800_000_000, [0; 16]),
    };
    let user = object(bytes).and_then(|body| Order::parse(User::asked(body), User::CERT_TYPE));
    let host = object(bytes).and_then(|body| Order::parse(Host::asked(body), Host::CERT_TYPE));
    for order in [user, host].into_iter().flatten() {
        let _ = countersign::decide::decide(
            &crate::role::role(User::CERT_TYPE),
            &order.request(id),
            1_800_000_000,
        );
    }
    if let Ok(wire::Update {
        description,
        metadata,
        ..
    }) = object(bytes)
    {
        let _ = Texts::parse(description, metadata, Resource::Authority);
    }
}

proptest! {
    #[test]
    fn no_body_makes_a_reader_panic(body in body(), bytes in any::<Vec<u8>>()) {
        read(body.to_string().as_bytes());
        read(&bytes);
    }
}
