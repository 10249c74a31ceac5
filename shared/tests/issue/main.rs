//! The invariants of issuing, proved by failing every write and every signature, both ways.

#![allow(missing_docs, clippy::unwrap_used)]

mod grace;
mod halves;
mod limits;

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    Error, Services,
    audit::MemoryLog,
    authority::{Authority, AuthorityId, AuthorityState, KeySpec},
    certificates::{self, CertificateList, CertificateRecord},
    clock::FixedClock,
    decide::{Request, RequestedKeyId, RequestedValidity},
    issue::{CertificateId, Issuance, Issued, Origin, issue},
    random::{SeededRandom, SystemRandomSource},
    refusal::Refusal,
    role::{CertTypeRules, LifetimeRules, PrincipalMatcher, PrincipalRules, Role},
    signer::{
        faulty::{Failure, Fault as SignerFault, FaultyKeyring, Operation as SignerOperation},
        local::LocalKeyring,
    },
    ssh::{Certificate, PublicKey},
    store::{
        Table,
        dynamodb::DynamoDb,
        embedded::Embedded,
        faulty::{Fail, Fault, Faulty, Operation},
    },
    types::{CertType, Ksuid},
};
use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

struct Setup {
    store: Arc<Faulty<DynamoDb>>,
    keyring: Arc<FaultyKeyring<LocalKeyring>>,
    clock: Arc<FixedClock>,
    log: Arc<MemoryLog>,
    services: Services,
    authority: Authority,
}

async fn setup() -> Setup {
    let store = Arc::new(Faulty::new(Embedded::in_memory().await));
    let random = SystemRandomSource::default();
    let keyring = Arc::new(FaultyKeyring::new(LocalKeyring::in_memory(&random).unwrap()));
    let clock = Arc::new(FixedClock::at(NOW));
    let log = Arc::new(MemoryLog::default());
    let services = services(&store, &keyring, &clock, &log, 1);
    let authority = authority(&services, KeySpec::Ed25519).await;
    Setup {
        store,
        keyring,
        clock,
        log,
        services,
        authority,
    }
}

fn services(
    store: &Arc<Faulty<DynamoDb>>,
    keyring: &Arc<FaultyKeyring<LocalKeyring>>,
    clock: &Arc<FixedClock>,
    log: &Arc<MemoryLog>,
    seed: u64,
) -> Services {
    Services::new(
        store.clone(),
        keyring.clone(),
        clock.clone(),
        Arc::new(SeededRandom::new(seed)),
        log.clone(),
    )
}

async fn authority(services: &Services, spec: KeySpec) -> Authority {
    let id = AuthorityId::draw(services.clock.now(), &SystemRandomSource::default()).unwrap();
    let (public_key, custody) = services.keyring.create(&id, spec).await.unwrap();
    Authority {
        id,
        public_key: public_key.to_line(),
        custody,
        state: AuthorityState::Active,
        created_at: NOW,
        description: String::new(),
        metadata: String::new(),
    }
}

fn role() -> Role {
    let principals = PrincipalRules {
        allowed: vec![PrincipalMatcher::Exact("alice".into())],
        default: vec!["alice".into()],
    };
    Role {
        user: Some(CertTypeRules {
            principals,
            ..CertTypeRules::default()
        }),
        lifetime: LifetimeRules {
            default_ttl_secs: 600,
            max_ttl_secs: 600,
            backdate_secs: 0,
        },
        ..Role::default()
    }
}

fn request() -> Request {
    Request {
        subject_key: PublicKey::ed25519([1; 32]),
        cert_type: CertType::User,
        principals: None,
        validity: RequestedValidity::RoleDefault,
        key_id: RequestedKeyId::Default("alice".into()),
        critical_options: None,
        extensions: None,
    }
}

struct Ask<'a> {
    request: &'a Request,
    id: Option<CertificateId>,
    keep_signature: bool,
}

fn origin() -> Origin {
    Origin {
        family: "vault",
        role: "ops".into(),
        accessor: "accessor-1".into(),
        display_name: "token-alice".into(),
        source_ip: Some([192, 0, 2, 1].into()),
        request_id: "request-1".into(),
    }
}

async fn ask(services: &Services, authority: &Authority, ask: Ask<'_>) -> Result<Issued, Error> {
    let issuance = Issuance {
        authority,
        role: &role(),
        request: ask.request,
        origin: &origin(),
        id: ask.id,
        keep_signature: ask.keep_signature,
        in_service: None,
        details: BTreeMap::new(),
    };
    issue(services, issuance).await
}

async fn issue_one(setup: &Setup, keep_signature: bool) -> Result<Issued, Error> {
    ask(
        &setup.services,
        &setup.authority,
        Ask {
            request: &request(),
            id: None,
            keep_signature,
        },
    )
    .await
}

/// Every record in the table, whichever list it is in.
async fn records(setup: &Setup) -> Vec<CertificateRecord> {
    let mut all = Vec::new();
    for list in CertificateList::ALL {
        let found = certificates::list(&setup.services, list, None, 1000)
            .await
            .unwrap();
        all.extend(found.into_iter().map(|(record, _)| record));
    }
    all
}

fn signatures(setup: &Setup) -> usize {
    setup.keyring.faults().count(SignerOperation::Sign)
}

/// The log, a line for each decision.
fn log(setup: &Setup) -> Vec<serde_json::Value> {
    let decisions = setup.log.decisions();
    decisions
        .iter()
        .map(|decision| serde_json::to_value(decision).unwrap())
        .collect()
}

fn is_retryable(error: &Error) -> bool {
    matches!(error, Error::Throttled { .. } | Error::Unavailable(_))
}

#[tokio::test]
async fn a_certificate_comes_with_its_record_and_a_line_in_the_log() {
    let setup = setup().await;
    let issued = issue_one(&setup, false).await.unwrap();
    let fields = issued.certificate.fields();
    let record = records(&setup).await.pop().unwrap();
    assert_eq!(record, issued.record);
    assert_eq!(
        record.fields().unwrap(),
        *fields,
        "the record holds all that the certificate says"
    );
    let tbs = STANDARD.decode(&record.tbs).unwrap();
    assert!(issued.certificate.bytes().starts_with(&tbs), "to the byte");
    assert_eq!((record.family.as_str(), record.role.as_str()), ("vault", "ops"));
    assert_eq!(
        (record.accessor.as_str(), record.display_name.as_str()),
        ("accessor-1", "token-alice")
    );
    assert_eq!(record.source_ip, Some([192, 0, 2, 1].into()));
    assert_eq!((record.created_at, record.signature), (NOW, None));
    assert_eq!(
        issued.stored.expires_at,
        Some(NOW + 600 + setup.services.settings.retention_secs)
    );

    let line = serde_json::json!({
        "time_ms": NOW * 1000,
        "request_id": "request-1",
        "family": "vault",
        "action": "issue",
        "outcome": "granted",
        "accessor": "accessor-1",
        "display_name": "token-alice",
        "source_ip": "192.0.2.1",
        "role": "ops",
        "authority": setup.authority.id.as_str(),
        "cert_type": "user",
        "principals": ["alice"],
        "key_id": "alice",
        "subject_key": request().subject_key.fingerprint(),
        "serial": fields.serial.to_string(),
        "valid_before": NOW + 600,
        "sign_ms": 0,
    });
    assert_eq!(log(&setup), [line], "one decision, one line");
    assert!(Certificate::from_line(&issued.certificate.to_line()).is_ok());
}

#[tokio::test]
async fn a_refusal_leaves_no_record_and_one_line() {
    let setup = setup().await;
    let mallory = Request {
        principals: Some(vec!["mallory".into()]),
        ..request()
    };
    let asked = Ask {
        request: &mallory,
        id: None,
        keep_signature: false,
    };
    let error = ask(&setup.services, &setup.authority, asked).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::PrincipalNotAllowed(name)) if name == "mallory"));
    assert_eq!(records(&setup).await, []);
    assert_eq!(setup.keyring.faults().count(SignerOperation::Sign), 0);
    let line = serde_json::json!({
        "time_ms": NOW * 1000,
        "request_id": "request-1",
        "family": "vault",
        "action": "issue",
        "outcome": "refused",
        "reason": "the principal \"mallory\" is not allowed",
        "rule": "principal_not_allowed",
        "accessor": "accessor-1",
        "display_name": "token-alice",
        "source_ip": "192.0.2.1",
        "role": "ops",
        "authority": setup.authority.id.as_str(),
        "cert_type": "user",
        "principals": ["mallory"],
        "subject_key": mallory.subject_key.fingerprint(),
    });
    assert_eq!(log(&setup), [line]);
}

#[tokio::test]
async fn without_a_committed_record_the_signer_is_not_called() {
    for nth in [1, 2] {
        for fail in [Fail::Before, Fail::After] {
            for fault in [Fault::Throttled, Fault::Unavailable, Fault::Unusable] {
                let setup = setup().await;
                setup.store.fail_nth(Operation::Write, nth, fail, fault);
                let error = issue_one(&setup, false).await.unwrap_err();
                assert!(
                    setup.store.is_healed(),
                    "the write took place: {nth} {fail:?} {fault:?}"
                );
                assert_eq!(
                    is_retryable(&error),
                    !matches!(fault, Fault::Unusable),
                    "{error:?}"
                );
                assert_eq!(
                    setup.keyring.faults().count(SignerOperation::Sign),
                    0,
                    "{nth} {fail:?} {fault:?}"
                );
                issue_one(&setup, false).await.expect("the next request works");
            }
        }
    }
}

#[tokio::test]
async fn a_failed_signature_leaves_a_record_and_no_certificate() {
    let faults = [
        SignerFault::KeyUnusable,
        SignerFault::Throttled,
        SignerFault::Unavailable,
    ];
    let failures = faults
        .into_iter()
        .flat_map(|fault| [Failure::Before(fault), Failure::After(fault)]);
    for failure in failures.chain([Failure::BitFlip, Failure::Garbage, Failure::OtherKey]) {
        let setup = setup().await;
        setup.keyring.faults().fail_next(SignerOperation::Sign, failure);
        let error = issue_one(&setup, true).await.unwrap_err();
        let retryable = matches!(
            failure,
            Failure::Before(SignerFault::Throttled | SignerFault::Unavailable)
                | Failure::After(SignerFault::Throttled | SignerFault::Unavailable)
        );
        assert_eq!(is_retryable(&error), retryable, "{failure:?}: {error:?}");
        let left = records(&setup).await;
        assert_eq!(left.len(), 1, "{failure:?}: what might exist is recorded");
        assert_eq!(left[0].signature, None, "{failure:?}");
        assert_ne!(setup.log.decisions()[0].outcome, "granted", "{failure:?}");
        assert!(setup.log.decisions()[0].signer_failed, "{failure:?}");
        issue_one(&setup, true).await.expect("the next request works");
    }
}

#[tokio::test]
async fn a_signature_that_could_not_be_kept_is_not_handed_out() {
    for (fail, kept) in [(Fail::Before, false), (Fail::After, true)] {
        let setup = setup().await;
        issue_one(&setup, true).await.expect("both days are noted");
        // The record is the first write, the signature the second.
        setup.store.fail_nth(
            Operation::Write.on(Table::Certificates),
            2,
            fail,
            Fault::Unavailable,
        );
        let error = issue_one(&setup, true).await.unwrap_err();
        assert!(is_retryable(&error), "{error:?}");
        let with_signature = records(&setup)
            .await
            .iter()
            .filter(|record| record.signature.is_some())
            .count();
        assert_eq!(with_signature, if kept { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_warm_process_makes_one_write_and_one_more_for_a_signature_that_is_kept() {
    let setup = setup().await;
    for keep_signature in [false, true] {
        issue_one(&setup, keep_signature).await.unwrap();
    }
    for (keep_signature, writes) in [(false, 1), (true, 2)] {
        setup.store.take_counts();
        let signed = setup.keyring.faults().count(SignerOperation::Sign);
        issue_one(&setup, keep_signature).await.unwrap();
        let counts = setup.store.take_counts();
        // Beside the signing: whether the authority is being retired.
        let reads = usize::from(keep_signature);
        assert_eq!((counts.reads, counts.writes, counts.queries), (reads, writes, 0));
        assert_eq!(setup.keyring.faults().count(SignerOperation::Sign), signed + 1);
    }
}

#[tokio::test]
async fn a_serial_that_is_taken_is_drawn_again() {
    let setup = setup().await;
    let first = issue_one(&setup, false).await.unwrap();
    // Another process whose random numbers begin the same way, a second later.
    setup.clock.set(NOW + 1);
    let twin = services(&setup.store, &setup.keyring, &setup.clock, &setup.log, 1);
    let asked = Ask {
        request: &request(),
        id: None,
        keep_signature: false,
    };
    let second = ask(&twin, &setup.authority, asked).await.unwrap();
    assert_ne!(
        first.certificate.fields().serial,
        second.certificate.fields().serial
    );
    assert_eq!(records(&setup).await.len(), 2);
}

#[tokio::test]
async fn an_id_that_is_taken_is_a_conflict() {
    let setup = setup().await;
    let id = Some(CertificateId::draw(&setup.services).unwrap());
    let asked = |request| Ask {
        request,
        id,
        keep_signature: true,
    };
    let request = request();
    let issued = ask(&setup.services, &setup.authority, asked(&request))
        .await
        .unwrap();
    assert_eq!(Some(issued.record.id), id.map(|id| id.id.to_string()));
    let error = ask(&setup.services, &setup.authority, asked(&request))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    assert_eq!(records(&setup).await.len(), 1);
}

#[tokio::test]
async fn a_retired_authority_and_one_whose_key_is_not_the_recorded_one_do_not_sign() {
    let setup = setup().await;
    let asked = |request| Ask {
        request,
        id: None,
        keep_signature: false,
    };
    let request = request();
    let retired = Authority {
        state: AuthorityState::Retired,
        ..setup.authority.clone()
    };
    let error = ask(&setup.services, &retired, asked(&request)).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    let swapped = Authority {
        public_key: request.subject_key.to_line(),
        ..setup.authority.clone()
    };
    let error = ask(&setup.services, &swapped, asked(&request)).await.unwrap_err();
    assert!(matches!(error, Error::Internal(_)), "{error:?}");
    assert_eq!(records(&setup).await, []);
    assert_eq!(setup.keyring.faults().count(SignerOperation::Sign), 0);
}

#[tokio::test]
async fn sixty_four_at_once_have_sixty_four_serials() {
    let setup = setup().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (services, authority) = (setup.services.clone(), setup.authority.clone());
        tasks.spawn(async move {
            let request = request();
            let asked = Ask {
                request: &request,
                id: None,
                keep_signature: false,
            };
            ask(&services, &authority, asked)
                .await
                .unwrap()
                .certificate
                .fields()
                .serial
        });
    }
    let serials: BTreeSet<_> = tasks.join_all().await.into_iter().collect();
    assert_eq!(serials.len(), 64);
    assert_eq!(records(&setup).await.len(), 64);
}

#[tokio::test]
async fn a_listing_goes_newest_first_over_days_and_shards_page_by_page() {
    let setup = setup().await;
    for age in [0, 0, 1, 1, 1, 3, 400] {
        setup.clock.set(NOW - age * DAY);
        issue_one(&setup, true).await.unwrap();
    }
    setup.clock.set(NOW);
    let list = CertificateList {
        cert_type: CertType::User,
        signature_kept: true,
    };
    let (mut walked, mut before) = (Vec::new(), None);
    loop {
        let page = certificates::list(&setup.services, list, before, 2)
            .await
            .unwrap();
        let Some((last, _)) = page.last() else { break };
        before = Some(Ksuid::parse(&last.id).unwrap());
        assert!(page.len() <= 2);
        walked.extend(page.into_iter().map(|(record, _)| record.id));
        // One that comes meanwhile is newer than every page to come.
        issue_one(&setup, true).await.unwrap();
    }
    assert_eq!(walked.len(), 7, "each once: {walked:?}");
    assert!(walked.is_sorted_by(|a, b| a > b), "newest first: {walked:?}");
    let other = CertificateList {
        cert_type: CertType::Host,
        signature_kept: true,
    };
    assert!(
        certificates::list(&setup.services, other, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_page_from_long_ago_does_not_read_the_days_since() {
    let setup = setup().await;
    let mut ids = Vec::new();
    for age in 0..12 {
        setup.clock.set(NOW - age * DAY);
        ids.push(issue_one(&setup, true).await.unwrap().record.id);
    }
    let list = CertificateList {
        cert_type: CertType::User,
        signature_kept: true,
    };
    let before = Some(Ksuid::parse(&ids[10]).unwrap());
    setup.store.take_counts();
    let page = certificates::list(&setup.services, list, before, 1)
        .await
        .unwrap();
    assert_eq!(page[0].0.id, ids[11]);
    // The directory for its own day and for the next, and the sixteen shards of both.
    assert_eq!(setup.store.take_counts().queries, 2 * (1 + 16));
}

#[tokio::test]
async fn a_certificate_whose_signature_is_kept_can_be_returned_again() {
    let setup = setup().await;
    let issued = issue_one(&setup, true).await.unwrap();
    let id = Ksuid::parse(&issued.record.id).unwrap();
    let (record, stored) = certificates::read(&*setup.services.store, id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        record.certificate_line().unwrap(),
        Some(issued.certificate.to_line())
    );
    assert_eq!(
        (stored.version, stored.expires_at),
        (2, None),
        "it stays until it is deleted"
    );
    let mut payload = id.payload();
    payload[0] ^= 1;
    let other = Ksuid::new(NOW, payload);
    assert!(
        certificates::read(&*setup.services.store, other)
            .await
            .unwrap()
            .is_none(),
        "same serial, other id"
    );
}
