//! Callers whom API Gateway has authenticated, as the events of Lambda tell: they need no token of ours, and nobody can
//! claim to be one of them.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use axum::{Router, body::to_bytes};
use countersign::{
    Services,
    access::{Admission, Subject, create_root, put_policy},
    audit::MemoryLog,
    clock::SystemClock,
    lambda::{Served, serve},
    random::SystemRandomSource,
    signer::local::LocalKeyring,
    store::{
        dynamodb::DynamoDb,
        embedded::Embedded,
        faulty::{Fail, Fault, Faulty, Operation},
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/deployer/run-7";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

struct Account {
    services: Services,
    store: Arc<Faulty<DynamoDb>>,
    log: Arc<MemoryLog>,
}

impl Account {
    async fn new() -> Self {
        let random = SystemRandomSource::default();
        let store = Arc::new(Faulty::new(Embedded::in_memory().await));
        let log = Arc::new(MemoryLog::default());
        let services = Services::new(
            store.clone(),
            Arc::new(LocalKeyring::in_memory(&random).unwrap()),
            Arc::new(SystemClock),
            Arc::new(random),
            log.clone(),
        );
        countersign_vault::mounts::seed(&services).await.unwrap();
        let policy = r#"path "ssh/roles" { capabilities = ["list"] }
            path "ssh_certificate_authorities" { capabilities = ["list"] }
            path "api/v1/*" { capabilities = ["read", "list"] }"#;
        put_policy(&services, "lister", policy).await.unwrap();
        Self { services, store, log }
    }

    async fn admit(&self, subject: Subject, claims: &[(&str, &str)]) -> Admission {
        let claims = claims
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Admission::put(&self.services, subject, claims.collect(), &["lister".into()], 0)
            .await
            .unwrap()
    }

    /// The status and the body that a family answers to a request with this authoriser in its context.
    async fn ask(&self, router: Router, path: &str, headers: Value, authorizer: Value) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
            "headers": headers, "isBase64Encoded": false,
            "requestContext": {
                "accountId": "1", "apiId": "a", "requestId": "r", "stage": "$default", "timeEpoch": 1,
                "authorizer": authorizer,
                "http": {
                    "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7"
                }
            }
        });
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        match serve(self.services.clone(), router, request).await.unwrap() {
            Served::Here(response) => {
                let status = response.status().as_u16();
                let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
                (status, serde_json::from_slice(&body).unwrap_or_default())
            }
            Served::NotReached(response) => {
                let body: &[u8] = response.body();
                (response.status().as_u16(), serde_json::from_slice(body).unwrap())
            }
        }
    }

    async fn vault(&self, headers: Value, authorizer: Value) -> (u16, Value) {
        let router = countersign_vault::standalone(self.services.clone());
        self.ask(router, "/v1/ssh/roles?list=true", headers, authorizer)
            .await
    }

    /// Whether the Vault family knows whoever has this authoriser: it has no roles to list then, and says so.
    async fn knows(&self, authorizer: Value) -> bool {
        let (status, body) = self.vault(json!({}), authorizer).await;
        assert!([403, 404].contains(&status), "{status} {body}");
        status == 404
    }
}

fn iam(arn: &str) -> Value {
    json!({"iam": {"accessKey": "AKIA", "accountId": "123456789012", "callerId": "c", "userArn": arn, "userId": "u"}})
}

fn jwt(claims: &[(&str, &str)]) -> Value {
    let claims: BTreeMap<_, _> = claims.iter().copied().collect();
    json!({"jwt": {"claims": claims, "scopes": null}})
}

#[tokio::test]
async fn a_role_that_was_admitted_calls_every_family_without_a_token() {
    let account = Account::new().await;
    account.admit(Subject::iam(ROLE).unwrap(), &[]).await;
    // The signature of the request is the gateway's to look at.
    let signed =
        json!({"authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/x/execute-api/aws4_request"});
    let (status, body) = account.vault(signed.clone(), iam(SESSION)).await;
    assert_eq!(status, 404, "permitted, and there is nothing: {body}");
    let ngrok = countersign_ngrok::standalone(account.services.clone());
    let mut headers = signed.clone();
    headers["ngrok-version"] = "2".into();
    let (status, body) = account
        .ask(ngrok, "/ssh_certificate_authorities", headers, iam(SESSION))
        .await;
    assert_eq!(
        (status, &body["ssh_certificate_authorities"]),
        (200, &json!([])),
        "{body}"
    );
    let infisical = countersign_infisical::router(account.services.clone());
    let (status, body) = account
        .ask(infisical, "/api/v1/projects", signed, iam(SESSION))
        .await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn who_is_not_admitted_or_only_claims_to_be_is_nobody() {
    let account = Account::new().await;
    account.admit(Subject::iam(ROLE).unwrap(), &[]).await;
    for other in [
        "arn:aws:sts::123456789012:assumed-role/deployer2/run-7",
        "arn:aws:sts::210987654321:assumed-role/deployer/run-7",
        "arn:aws:iam::123456789012:user/deployer",
        "arn:aws:iam::123456789012:root",
        "",
    ] {
        assert!(!account.knows(iam(other)).await, "{other}");
    }
    let forged = json!({
        "x-amzn-iam-user-arn": SESSION, "x-forwarded-user": ROLE, "authorization": "AWS4-HMAC-SHA256 x",
    });
    let (status, _) = account.vault(forged, Value::Null).await;
    assert_eq!(status, 403, "headers say nothing");
}

#[tokio::test]
async fn a_token_with_the_claims_is_admitted_and_one_without_is_not() {
    let account = Account::new().await;
    let subject = Subject::jwt(ISSUER, "repository", "acme/deploy").unwrap();
    account.admit(subject, &[("ref", "refs/heads/main")]).await;
    let good = [
        ("iss", ISSUER),
        ("sub", "repo:acme/deploy:ref:refs/heads/main"),
        ("repository", "acme/deploy"),
        ("ref", "refs/heads/main"),
    ];
    assert!(account.knows(jwt(&good)).await);
    for (name, value) in [
        ("iss", "https://elsewhere.example.com"),
        ("repository", "acme/other"),
        ("repository", "acme/deploy "),
        ("ref", "refs/heads/topic"),
        ("ref", ""),
    ] {
        let mut claims = good.to_vec();
        claims
            .iter_mut()
            .filter(|claim| claim.0 == name)
            .for_each(|claim| claim.1 = value);
        assert!(!account.knows(jwt(&claims)).await, "{name}={value}");
    }
    assert!(!account.knows(jwt(&good[..3])).await, "without the ref");
    // What an IAM role is admitted for is not for a token that says the same.
    account.admit(Subject::iam(ROLE).unwrap(), &[]).await;
    assert!(!account.knows(jwt(&[("iss", ISSUER), ("sub", ROLE)])).await);
}

#[tokio::test]
async fn what_is_taken_back_counts_from_the_next_request_on() {
    let account = Account::new().await;
    let admission = account.admit(Subject::iam(ROLE).unwrap(), &[]).await;
    assert!(account.knows(iam(SESSION)).await);
    let writes = account.store.counts().writes;
    assert!(account.knows(iam(SESSION)).await);
    assert_eq!(account.store.counts().writes, writes, "the token serves again");
    Admission::put(
        &account.services,
        admission.subject.clone(),
        BTreeMap::new(),
        &["other".into()],
        0,
    )
    .await
    .unwrap();
    assert!(!account.knows(iam(SESSION)).await, "with other policies");
    account.admit(admission.subject.clone(), &[]).await;
    assert!(account.knows(iam(SESSION)).await);
    Admission::delete(&*account.services.store, &admission.subject.id())
        .await
        .unwrap();
    assert!(!account.knows(iam(SESSION)).await);
    assert_eq!(Admission::list(&*account.services.store).await.unwrap(), []);
}

#[tokio::test]
async fn a_vault_token_beside_the_signature_counts_instead() {
    let account = Account::new().await;
    account.admit(Subject::iam(ROLE).unwrap(), &[]).await;
    let root = create_root(&account.services, None).await.unwrap();
    let router = || countersign_vault::standalone(account.services.clone());
    let (status, body) = account
        .ask(
            router(),
            "/v1/sys/mounts",
            json!({"x-vault-token": root.secret.reveal()}),
            iam(SESSION),
        )
        .await;
    assert_eq!(status, 200, "{body}");
    let (status, _) = account
        .ask(router(), "/v1/sys/mounts", json!({}), iam(SESSION))
        .await;
    assert_eq!(status, 403, "the admission's policies do not say so");
}

#[tokio::test]
async fn a_store_that_fails_admits_nobody_and_the_caller_may_try_again() {
    let account = Account::new().await;
    account.admit(Subject::iam(ROLE).unwrap(), &[]).await;
    account
        .store
        .fail_all(Operation::Read, Fail::Before, Fault::Unavailable);
    let (status, body) = account.vault(json!({}), iam(SESSION)).await;
    assert_eq!((status, body), (503, json!({"message": "Service Unavailable"})));
}

#[tokio::test]
async fn root_is_for_nobody_and_the_log_names_who_came() {
    let account = Account::new().await;
    let subject = Subject::iam(ROLE).unwrap();
    for policies in [&[][..], &["root".to_owned()], &[String::new()]] {
        let refused = Admission::put(&account.services, subject.clone(), BTreeMap::new(), policies, 0).await;
        assert!(refused.is_err(), "{policies:?}");
    }
    account.admit(subject, &[]).await;
    let router = countersign_vault::standalone(account.services.clone());
    let (status, _) = account
        .ask(router, "/v1/sys/mounts", json!({}), iam(SESSION))
        .await;
    assert_eq!(status, 403);
    let denied = account.log.decisions().pop().unwrap();
    assert_eq!(denied.display_name, SESSION);
    assert!(
        !denied.accessor.is_empty(),
        "the token can be revoked: {denied:?}"
    );
}
