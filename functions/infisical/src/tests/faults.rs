//! Round trips, failing stores and keys, many requests at once.

use super::fixture::Fixture;
use countersign::{
    signer::faulty::{Failure, Fault as KeyFault, Operation as KeyOperation},
    store::faulty::{Counts, Fail, Fault, Operation},
};
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_warm_user_certificate_takes_one_read_two_writes_and_one_signature() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    fixture.issue_user(&alice, "ec2-user").await.ok();
    fixture.store.take_counts();
    let signed = fixture.keyring.faults().count(KeyOperation::Sign);
    fixture.issue_user(&alice, "ec2-user").await.ok();
    // The record, and the entry in the project's list at the same time.
    let expected = Counts {
        queries: 0,
        reads: 1,
        writes: 2,
    };
    assert_eq!(fixture.store.take_counts(), expected);
    assert_eq!(fixture.keyring.faults().count(KeyOperation::Sign), signed + 1);
    // Another caller through the same host: the hint is about the host, not about who asked.
    let bob = fixture.user("bob").await;
    fixture.store.take_counts();
    fixture.issue_user(&bob, "ec2-user").await;
    assert_eq!(fixture.store.take_counts().reads, 1);
}

#[tokio::test]
async fn every_failing_step_is_a_500_and_can_be_repeated() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    fixture.issue_user(&alice, "ec2-user").await.ok();
    let failed = |answer: super::Answer| {
        answer.fails(500, "InternalServerError", "Something went wrong");
        assert!(!answer.text.contains("fault"), "{}", answer.text);
    };
    for (operation, nth) in STEPS {
        fixture
            .store
            .fail_nth(operation, nth, Fail::Before, Fault::Unusable);
        failed(fixture.issue_user(&alice, "ec2-user").await);
        assert!(fixture.store.is_healed());
        fixture.issue_user(&alice, "ec2-user").await.certificate();
    }
    for failure in [
        Failure::Before(KeyFault::KeyUnusable),
        Failure::BitFlip,
        Failure::OtherKey,
    ] {
        fixture.keyring.faults().fail_next(KeyOperation::Sign, failure);
        failed(fixture.issue_user(&alice, "ec2-user").await);
        fixture.issue_user(&alice, "ec2-user").await.certificate();
    }
}

#[tokio::test]
async fn every_step_that_is_not_answered_is_a_503_and_can_be_repeated() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    fixture.issue_user(&alice, "ec2-user").await.ok();
    for (operation, nth) in STEPS {
        for fail in [Fail::Before, Fail::After] {
            fixture.store.fail_nth(operation, nth, fail, Fault::Unavailable);
            unavailable(&fixture.issue_user(&alice, "ec2-user").await);
            assert!(fixture.store.is_healed());
            fixture.issue_user(&alice, "ec2-user").await.certificate();
        }
    }
    let fault = KeyFault::Unavailable;
    for failure in [Failure::Before(fault), Failure::After(fault)] {
        fixture.keyring.faults().fail_next(KeyOperation::Sign, failure);
        unavailable(&fixture.issue_user(&alice, "ec2-user").await);
        fixture.issue_user(&alice, "ec2-user").await.certificate();
    }
}

/// What a user certificate takes of the store.
const STEPS: [(Operation, usize); 3] = [(Operation::Read, 1), (Operation::Write, 1), (Operation::Write, 2)];

fn unavailable(answer: &super::Answer) {
    let message = "A service that this request needs is unavailable. Please try again";
    answer.fails(503, "ServiceUnavailable", message);
    assert!(!answer.text.contains("fault"), "{}", answer.text);
}

#[tokio::test]
async fn throttling_is_a_429() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    fixture
        .store
        .fail_next(Operation::Read, Fail::Before, Fault::Throttled);
    let answer = fixture.issue_user(&alice, "ec2-user").await;
    let message = "Rate limit exceeded. Please try again in 1 seconds";
    answer.fails(429, "RateLimitExceeded", message);
}

#[tokio::test]
async fn a_project_without_its_cas_gets_them_even_if_keys_fail_first() {
    let fixture = Fixture::new().await;
    let project = json!({"projectName": "late", "type": "ssh"});
    let project = fixture
        .post("/api/v1/projects", &fixture.root, &project)
        .await
        .ok();
    let id = project["project"]["id"].as_str().unwrap();
    let config = format!("/api/v1/projects/{id}/ssh-config");
    let message = format!("Project SSH config with ID '{id}' not found");
    fixture
        .get(&config, &fixture.root)
        .await
        .fails(404, "NotFound", &message);
    let host = json!({"projectId": id, "hostname": "a.example.com"});
    for nth in [1, 2] {
        let failure = Failure::Before(KeyFault::Unavailable);
        fixture
            .keyring
            .faults()
            .fail_nth(KeyOperation::Create, nth, failure);
        let answer = fixture.post("/api/v1/ssh/hosts", &fixture.root, &host).await;
        unavailable(&answer);
        fixture
            .get(&config, &fixture.root)
            .await
            .fails(404, "NotFound", &message);
    }
    let host = fixture.post("/api/v1/ssh/hosts", &fixture.root, &host).await.ok();
    let config = fixture.get(&config, &fixture.root).await.ok();
    assert_eq!(config["defaultUserSshCaId"], host["userSshCaId"]);
    assert_eq!(config["defaultHostSshCaId"], host["hostSshCaId"]);
}

#[tokio::test]
async fn a_hundred_at_once_have_different_serials_and_keys() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    let router = fixture.router.clone();
    let path = fixture.host_path("/issue-user-cert");
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let request = http::Request::post(path.as_str())
            .header("authorization", format!("Bearer {alice}"))
            .header("content-type", "application/json")
            .body(axum::body::Body::from(
                json!({"loginUser": "ec2-user"}).to_string(),
            ))
            .unwrap();
        let router = router.clone();
        running.spawn(async move {
            let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
            let bytes = http_body_util::BodyExt::collect(response.into_body())
                .await
                .unwrap()
                .to_bytes();
            serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
        });
    }
    let (mut serials, mut keys) = (BTreeSet::new(), BTreeSet::new());
    while let Some(body) = running.join_next().await {
        let body = body.unwrap();
        serials.insert(body["serialNumber"].as_str().unwrap().to_owned());
        keys.insert(body["publicKey"].as_str().unwrap().to_owned());
    }
    assert_eq!((serials.len(), keys.len()), (100, 100));
    let list = format!("/api/v1/projects/{}/ssh-certificates", fixture.project());
    assert_eq!(fixture.get(&list, &alice).await.ok()["totalCount"], 100);
}

#[tokio::test]
async fn private_keys_are_neither_kept_nor_logged() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    let body = fixture.issue_user(&alice, "ec2-user").await.ok();
    let private = body["privateKey"].as_str().unwrap();
    let line = private.lines().nth(2).unwrap();
    let decision = fixture.log.decisions().pop().unwrap();
    assert_eq!(
        (decision.family.as_str(), decision.outcome),
        ("infisical", "granted")
    );
    assert_eq!(decision.serial.as_deref(), body["serialNumber"].as_str());
    assert_eq!(decision.display_name, "alice@example.com");
    for decision in fixture.log.decisions() {
        assert!(!serde_json::to_string(&decision).unwrap().contains(line));
    }
    let serial = body["serialNumber"].as_str().unwrap().parse().unwrap();
    let serial = countersign::types::Serial::parse(serial).unwrap();
    let (record, _) = countersign::certificates::read_serial(&*fixture.services.store, serial)
        .await
        .unwrap()
        .unwrap();
    assert!(!serde_json::to_string(&record).unwrap().contains(line));
    assert_eq!(record.source_ip, Some([192, 0, 2, 7].into()));
    assert_eq!(record.role, "web.example.com");
}

#[tokio::test]
async fn the_cas_of_a_first_host_sign_whichever_write_failed_before() {
    let fixture = Fixture::new().await;
    // Two authorities, then the CAs together with the settings.
    for (nth, fail) in [1, 2, 3]
        .into_iter()
        .flat_map(|nth| [(nth, Fail::Before), (nth, Fail::After)])
    {
        let project = json!({"projectName": "late"});
        let project = fixture
            .post("/api/v1/projects", &fixture.root, &project)
            .await
            .ok();
        let host = json!({"projectId": project["project"]["id"], "hostname": "a.example.com"});
        fixture
            .store
            .fail_nth(Operation::Write, nth, fail, Fault::Unavailable);
        let answer = fixture.post("/api/v1/ssh/hosts", &fixture.root, &host).await;
        unavailable(&answer);
        fixture.store.heal();
        let host = fixture.post("/api/v1/ssh/hosts", &fixture.root, &host).await.ok();
        let path = format!(
            "/api/v1/ssh/hosts/{}/issue-host-cert",
            host["id"].as_str().unwrap()
        );
        let key = json!({"publicKey": super::fixture::HOST_KEY});
        fixture.post(&path, &fixture.root, &key).await.certificate();
    }
}
