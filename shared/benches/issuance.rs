//! What a certificate costs beyond its cryptography: decide, draw, encode, sign, frame and verify, as a ratio to
//! aws-lc-rs signing and verifying the same number of bytes.
//!
//! `cargo bench --package countersign --all-features` prints one line for each CA algorithm. Both sides run in turn, in
//! rounds; the figure is the ratio of the best rounds, and its spread that of all rounds. The target is 1.3 or less.

#![allow(missing_docs, clippy::disallowed_methods)]

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair, UnparsedPublicKey,
    },
};
use countersign::{
    authority::{Authority, AuthorityId, AuthorityState, KeySpec},
    decide::{Request, RequestedKeyId, RequestedValidity, decide},
    random::{self, SystemRandomSource},
    role::{CertTypeRules, LifetimeRules, OptionRules, PrincipalMatcher, PrincipalRules, Role},
    signer::{Keyring, Signer, local::LocalKeyring},
    ssh::{CertificateFields, IssuedCertificate, PublicKey, TbsCertificate, signature_blob},
    types::{CertType, Serial},
};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

const ROUNDS: usize = 30;
const PER_ROUND: u32 = 400;
const NOW: u64 = 1_800_000_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    println!("certificate / (sign + verify), {ROUNDS} rounds of {PER_ROUND}:");
    for spec in [KeySpec::Ed25519, KeySpec::P256] {
        let signer = runtime.block_on(signer(spec));
        let message = runtime.block_on(certificate(&*signer)).bytes()[..330].to_vec();
        let raw = raw(spec);
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(time(|| raw(&message)));
            ours.push(time(|| {
                black_box(runtime.block_on(certificate(&*signer)));
            }));
        }
        report(spec, &ours, &bare);
    }
}

fn report(spec: KeySpec, ours: &[Duration], bare: &[Duration]) {
    let best = |times: &[Duration]| times.iter().min().copied().unwrap_or_default().as_secs_f64();
    let mut ratios: Vec<f64> = ours
        .iter()
        .zip(bare)
        .map(|(a, b)| a.as_secs_f64() / b.as_secs_f64())
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "{:<22} {:.2}   (rounds {:.2} to {:.2}; {:.1} µs a certificate)",
        spec.name(),
        best(ours) / best(bare),
        ratios[0],
        ratios[ratios.len() - 1],
        best(ours) * 1e6 / f64::from(PER_ROUND),
    );
}

fn time(mut work: impl FnMut()) -> Duration {
    let started = Instant::now();
    (0..PER_ROUND).for_each(|_| work());
    started.elapsed()
}

async fn signer(spec: KeySpec) -> Arc<dyn Signer> {
    let random = SystemRandomSource::default();
    let keyring = LocalKeyring::in_memory(&random).expect("a keyring");
    let id = AuthorityId::draw(NOW, &random).expect("an id");
    let (public_key, custody) = keyring.create(&id, spec).await.expect("a key");
    let authority = Authority {
        id,
        public_key: public_key.to_line(),
        custody,
        state: AuthorityState::Active,
        created_at: NOW,
        description: String::new(),
        metadata: String::new(),
    };
    keyring.signer(&authority).await.expect("a signer")
}

/// Everything that `issue` does, but for the store and the log.
async fn certificate(signer: &dyn Signer) -> IssuedCertificate {
    let plan = decide(&role(), &request(), NOW).expect("the role allows it");
    let random = SystemRandomSource::default();
    let tbs = TbsCertificate::encode_for_test(CertificateFields {
        subject_key: request().subject_key,
        nonce: random::bytes::<32>(&random).expect("random bytes").to_vec(),
        serial: Serial::draw(&random).expect("random bytes"),
        cert_type: plan.cert_type(),
        key_id: plan.key_id().clone(),
        valid_principals: plan.valid_principals().clone(),
        validity: plan.validity(),
        critical_options: plan.critical_options().clone(),
        extensions: plan.extensions().clone(),
        signature_key: signer.public_key().clone(),
    });
    let algorithm = signer.algorithm();
    let raw = signer.sign(&tbs, algorithm).await.expect("a signature");
    let blob = signature_blob(algorithm, signer.public_key(), &raw).expect("a blob");
    IssuedCertificate::attach(tbs, blob).expect("it verifies")
}

fn role() -> Role {
    let extensions = OptionRules {
        default: [
            ("permit-pty".into(), String::new()),
            ("permit-user-rc".into(), String::new()),
        ]
        .into(),
        ..OptionRules::default()
    };
    let principals = PrincipalRules {
        allowed: vec![
            PrincipalMatcher::Exact("alice".into()),
            PrincipalMatcher::Exact("deploy".into()),
        ],
        default: vec!["alice".into()],
    };
    Role {
        user: Some(CertTypeRules {
            principals,
            extensions,
            ..CertTypeRules::default()
        }),
        lifetime: LifetimeRules {
            default_ttl_secs: 3600,
            max_ttl_secs: 3600,
            backdate_secs: 30,
        },
        ..Role::default()
    }
}

fn request() -> Request {
    Request {
        subject_key: PublicKey::ed25519([1; 32]),
        cert_type: CertType::User,
        principals: Some(vec!["alice".into(), "deploy".into()]),
        validity: RequestedValidity::RoleDefault,
        key_id: RequestedKeyId::Default("vault-token-alice-22608f5e".into()),
        critical_options: None,
        extensions: None,
    }
}

/// Work on a message.
type Work = Box<dyn Fn(&[u8])>;

/// aws-lc-rs alone: sign, then verify.
fn raw(spec: KeySpec) -> Work {
    match spec {
        KeySpec::Ed25519 => {
            let key = Ed25519KeyPair::generate().expect("a key");
            Box::new(move |message| {
                let signature = key.sign(message);
                let public_key = UnparsedPublicKey::new(&ED25519, key.public_key());
                black_box(public_key.verify(message, signature.as_ref())).expect("it verifies");
            })
        }
        _ => {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
            let random = SystemRandom::new();
            Box::new(move |message| {
                let signature = key.sign(&random, message).expect("a signature");
                let public_key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key());
                black_box(public_key.verify(message, signature.as_ref())).expect("it verifies");
            })
        }
    }
}
