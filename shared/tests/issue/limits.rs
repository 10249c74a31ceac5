//! What a CA key cannot sign is refused before anything is recorded.

use super::{NOW, Setup, ask, origin, records, request, role, setup, signatures};
use async_trait::async_trait;
use countersign::{
    Error, Services,
    authority::{Authority, AuthorityId, Custody, KeySpec},
    decide::{Request, RequestedValidity},
    issue::{CertificateId, Issuance, Issued, issue, record},
    random::Random,
    role::{LifetimeRules, Role},
    signer::{Keyring, Pkcs8Key, Signer, SignerError},
    ssh::{PublicKey, SignatureAlgorithm, TbsCertificate},
};
use std::{collections::BTreeMap, sync::Arc};
use zeroize::Zeroizing;

/// A keyring whose keys sign so many bytes at most, as KMS signs with Ed25519.
struct Limited(Arc<dyn Keyring>, usize);

#[async_trait]
impl Keyring for Limited {
    async fn create(&self, id: &AuthorityId, spec: KeySpec) -> Result<(PublicKey, Custody), SignerError> {
        self.0.create(id, spec).await
    }

    async fn import(&self, id: &AuthorityId, key: &Pkcs8Key) -> Result<(PublicKey, Custody), SignerError> {
        self.0.import(id, key).await
    }

    async fn bind(&self, kms_key: &str) -> Result<(PublicKey, Custody), SignerError> {
        self.0.bind(kms_key).await
    }

    async fn signer(&self, authority: &Authority) -> Result<Arc<dyn Signer>, SignerError> {
        Ok(Arc::new(LimitedSigner(self.0.signer(authority).await?, self.1)))
    }

    async fn retire(&self, authority: &Authority) -> Result<(), SignerError> {
        self.0.retire(authority).await
    }

    async fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.seal(context, secret).await
    }

    async fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        self.0.open(context, sealed).await
    }
}

struct LimitedSigner(Arc<dyn Signer>, usize);

#[async_trait]
impl Signer for LimitedSigner {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }

    fn message_limit(&self) -> Option<usize> {
        Some(self.1)
    }

    async fn sign(
        &self,
        tbs: &TbsCertificate,
        algorithm: SignatureAlgorithm,
    ) -> Result<Vec<u8>, SignerError> {
        self.0.sign(tbs, algorithm).await
    }
}

/// Asks for both: the whole, and the first half.
async fn ask_twice(services: &Services, setup: &Setup, role: &Role) -> [Result<(), Error>; 2] {
    let (request, origin) = (request(), origin());
    let issuance = |keep_signature| Issuance {
        authority: &setup.authority,
        role,
        request: &request,
        origin: &origin,
        id: None,
        keep_signature,
        in_service: None,
        details: BTreeMap::new(),
    };
    let whole = issue(services, issuance(false)).await.map(|_| ());
    let half = record(services, &issuance(true), |_| Ok(Vec::new())).await;
    [whole, half.map(|_| ())]
}

fn field(error: &Error) -> Option<&'static str> {
    match error {
        Error::InvalidRequest { field, .. } => Some(field),
        _ => None,
    }
}

#[tokio::test]
async fn a_certificate_too_large_for_its_ca_key_is_refused_before_it_is_recorded() {
    let setup = setup().await;
    let size = {
        let issued = super::issue_one(&setup, false).await.unwrap();
        TbsCertificate::encode_for_test(issued.certificate.fields().clone())
            .bytes()
            .len()
    };
    let limited = |limit| {
        let mut services = setup.services.clone();
        services.keyring = Arc::new(Limited(setup.keyring.clone(), limit));
        services
    };
    for outcome in ask_twice(&limited(size), &setup, &role()).await {
        outcome.expect("as many bytes as the key signs");
    }
    let before = records(&setup).await.len();
    for outcome in ask_twice(&limited(size - 1), &setup, &role()).await {
        let error = outcome.unwrap_err();
        assert_eq!(field(&error), Some("certificate"), "{error:?}");
        let sizes = format!("{size} bytes to sign, and its CA key signs at most {}", size - 1);
        assert!(error.to_string().contains(&sizes), "{error}");
    }
    assert_eq!(records(&setup).await.len(), before);
}

#[tokio::test]
async fn an_algorithm_that_the_ca_key_has_not_is_refused_before_anything_is_recorded() {
    let setup = setup().await;
    let with = |algorithm| Role {
        signature_algorithm: Some(algorithm),
        ..role()
    };
    for outcome in ask_twice(&setup.services, &setup, &with(SignatureAlgorithm::RsaSha512)).await {
        let error = outcome.unwrap_err();
        assert_eq!(field(&error), Some("signature_algorithm"), "{error:?}");
    }
    assert_eq!(records(&setup).await, []);
    assert_eq!(signatures(&setup), 0);
    for outcome in ask_twice(&setup.services, &setup, &with(SignatureAlgorithm::Ed25519)).await {
        outcome.unwrap();
    }
}

/// Random numbers that are none.
struct Stuck;

impl Random for Stuck {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        bytes.fill(7);
        Ok(())
    }
}

#[tokio::test]
async fn random_numbers_that_repeat_end_in_an_error() {
    let setup = setup().await;
    let mut services = setup.services.clone();
    services.random = Arc::new(Stuck);
    let request = request();
    let asked = || super::Ask {
        request: &request,
        id: None,
        keep_signature: false,
    };
    ask(&services, &setup.authority, asked()).await.unwrap();
    // A second later, so that it is not the same write again.
    setup.clock.set(NOW + 1);
    let error = ask(&services, &setup.authority, asked()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(signatures(&setup), 1);
}

async fn ask_with(services: &Services, setup: &Setup, asked: super::Ask<'_>) -> Issued {
    ask(services, &setup.authority, asked).await.unwrap()
}

#[tokio::test]
async fn a_record_ends_with_its_certificate_unless_a_family_returns_it_again() {
    let setup = setup().await;
    let mut services = setup.services.clone();
    services.settings.keep_signatures = true;
    let request = request();
    let asked = |keep_signature| super::Ask {
        request: &request,
        id: None,
        keep_signature,
    };
    let end = Some(NOW + 600 + services.settings.retention_secs);
    for (services, keep_signature, kept, expires_at) in [
        (&setup.services, false, false, end),
        (&services, false, true, end),
        (&setup.services, true, true, None),
    ] {
        let issued = ask_with(services, &setup, asked(keep_signature)).await;
        assert_eq!(issued.record.signature.is_some(), kept);
        assert_eq!(issued.stored.expires_at, expires_at);
    }
}

#[tokio::test]
async fn the_record_of_a_certificate_without_an_end_has_none_either() {
    let setup = setup().await;
    let role = Role {
        lifetime: LifetimeRules {
            max_ttl_secs: u64::MAX,
            ..LifetimeRules::default()
        },
        ..role()
    };
    let request = Request {
        validity: RequestedValidity::Until(u64::MAX),
        ..request()
    };
    let issuance = Issuance {
        authority: &setup.authority,
        role: &role,
        request: &request,
        origin: &origin(),
        id: None,
        keep_signature: false,
        in_service: None,
        details: BTreeMap::new(),
    };
    let issued = issue(&setup.services, issuance).await.unwrap();
    assert_eq!(issued.stored.expires_at, None);
}

#[tokio::test]
async fn a_given_id_brings_the_time_of_issue() {
    let setup = setup().await;
    let id = CertificateId::draw(&setup.services).unwrap();
    setup.clock.set(NOW + 100);
    let request = request();
    let asked = super::Ask {
        request: &request,
        id: Some(id),
        keep_signature: false,
    };
    let issued = ask_with(&setup.services, &setup, asked).await;
    assert_eq!(issued.record.created_at, NOW);
    assert_eq!(issued.certificate.fields().validity.valid_before(), NOW + 600);
}
