//! AWS as it fails, between the real SDK and what answers: whatever call of a signature goes wrong, and however, its
//! caller gets an error that says so in its product's words, or a good certificate; and no certificate is without a
//! record.

#![allow(missing_docs)]

mod families;

use anyhow::{Context, Result, ensure};
use axum::Router;
use countersign::{Services, audit::MemoryLog, certificates, ssh::Certificate};
use countersign_tests::{Ask, AwsDouble, Failure, Family, Fault};
use families::{Answer, granted, router, send, services, set_up};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::task::{JoinSet, LocalSet};

/// What API Gateway waits for a function, and the function's own limit: see `infra/template.yaml`.
const FUNCTION_LIMIT: Duration = Duration::from_secs(29);
const FOR_EVER: usize = usize::MAX;

/// What a failure of AWS means to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Only an operator can mend it.
    Broken,
    Throttled,
    Unavailable,
}

fn of_kms() -> Vec<(Failure, Meaning)> {
    vec![
        (Failure::error(400, "ThrottlingException"), Meaning::Throttled),
        (Failure::error(500, "KMSInternalException"), Meaning::Unavailable),
        (
            Failure::error(503, "DependencyTimeoutException"),
            Meaning::Unavailable,
        ),
        (
            Failure::error(500, "KeyUnavailableException"),
            Meaning::Unavailable,
        ),
        (Failure::error(400, "KMSInvalidStateException"), Meaning::Broken),
        (Failure::error(400, "DisabledException"), Meaning::Broken),
        (Failure::Lost, Meaning::Unavailable),
    ]
}

fn of_dynamodb(operation: &str) -> Vec<(Failure, Meaning)> {
    let error = |status, code: &str| {
        let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
        Failure::error(status, &code)
    };
    let mut failures = vec![
        (
            error(400, "ProvisionedThroughputExceededException"),
            Meaning::Throttled,
        ),
        (error(400, "RequestLimitExceeded"), Meaning::Throttled),
        (error(400, "ThrottlingException"), Meaning::Throttled),
        (error(500, "InternalServerError"), Meaning::Unavailable),
        (error(503, "ServiceUnavailable"), Meaning::Unavailable),
        (Failure::Lost, Meaning::Unavailable),
    ];
    if operation == "TransactWriteItems" {
        failures.push((Failure::Cancelled("TransactionConflict"), Meaning::Throttled));
        failures.push((Failure::Cancelled("ThrottlingError"), Meaning::Throttled));
    }
    failures
}

/// Whether the SDK tries again by itself.
fn is_repeated(failure: &Failure, meaning: Meaning) -> bool {
    meaning != Meaning::Broken && !matches!(failure, Failure::Cancelled(_))
}

/// A family that has issued a certificate already.
struct World {
    aws: AwsDouble,
    family: Family,
    services: Services,
    router: Router,
    ask: Ask,
}

impl World {
    async fn new(family: Family) -> Result<Self> {
        let aws = AwsDouble::start().await?;
        let services = services(&aws);
        let router = router(family, services.clone());
        let ask = set_up(family, &router, &services).await?;
        granted(&router, &ask).await?;
        Ok(Self {
            aws,
            family,
            services,
            router,
            ask,
        })
    }

    /// From now on a process answers that has just started.
    fn restart(&mut self) {
        self.services = services(&self.aws);
        self.router = router(self.family, self.services.clone());
    }

    /// The calls of one signature: each with how many of its operation came before.
    async fn calls(&mut self, is_first: bool) -> Result<Vec<(String, usize)>> {
        if is_first {
            self.restart();
        }
        self.aws.take_calls();
        granted(&self.router, &self.ask).await?;
        let mut counts: HashMap<String, usize> = HashMap::new();
        let calls = self.aws.take_calls().into_iter().map(|call| {
            let operation = call.target.rsplit('.').next().unwrap_or_default().to_owned();
            let count = counts.entry(operation.clone()).or_default();
            *count += 1;
            (operation, *count - 1)
        });
        Ok(calls.collect())
    }

    /// Asks while `fault` is there.
    async fn ask_during(&self, fault: Fault) -> Result<Answer> {
        self.aws.fail(fault);
        let answer = send(&self.router, &self.ask).await?;
        ensure!(self.aws.failed() > 0, "nothing failed");
        self.aws.fail(None);
        Ok(answer)
    }

    /// The certificate in `answer` is the one that its record describes.
    async fn is_on_record(&self, answer: &Answer) -> Result<()> {
        let body = answer.json();
        let line = self.family.certificate(&body);
        let line = line.with_context(|| format!("no certificate in {} {}", answer.status, answer.text))?;
        let certificate = Certificate::from_line(line.trim())?;
        let store = &*self.services.store;
        let record = certificates::read_serial(store, certificate.fields().serial).await?;
        let (record, _) = record.context("a certificate without a record")?;
        ensure!(
            record.fields()? == *certificate.fields(),
            "the record says otherwise"
        );
        if let Some(kept) = record.certificate_line()? {
            ensure!(
                Certificate::from_line(&kept)? == certificate,
                "{kept} is not {line}"
            );
        }
        Ok(())
    }

    /// The body of `answer` without what differs from request to request.
    fn without_ids(&self, answer: &Answer) -> Result<Value> {
        let mut body = answer.json();
        let id = match self.family {
            Family::Infisical => body.as_object_mut().and_then(|body| body.remove("reqId")),
            Family::Ngrok => body["details"]
                .as_object_mut()
                .and_then(|details| details.remove("operation_id")),
            Family::Vault | Family::Venafi => return Ok(body),
        };
        ensure!(id.is_some_and(|id| id.is_string()), "{}", answer.text);
        Ok(body)
    }

    /// `answer` is `meaning` in the words of the family.
    fn says(&self, answer: &Answer, meaning: Meaning) -> Result<()> {
        let (status, body, retry_after) = in_words(self.family, meaning);
        let said = self.without_ids(answer)?;
        let wait = answer.headers.get("retry-after").map(|wait| wait.to_str());
        ensure!(
            answer.status == status && said == body && wait.transpose()? == retry_after,
            "{meaning:?} is {} {:?} {}",
            answer.status,
            answer.headers,
            answer.text
        );
        Ok(())
    }
}

/// A status, a body and `Retry-After`.
fn in_words(family: Family, meaning: Meaning) -> (u16, Value, Option<&'static str>) {
    let status = match meaning {
        Meaning::Broken => 500,
        Meaning::Throttled => 429,
        Meaning::Unavailable => 503,
    };
    let wait = (meaning != Meaning::Broken).then_some("1");
    match family {
        Family::Infisical => {
            let (error, message) = match meaning {
                Meaning::Broken => ("InternalServerError", "Something went wrong"),
                Meaning::Throttled => (
                    "RateLimitExceeded",
                    "Rate limit exceeded. Please try again in 1 seconds",
                ),
                Meaning::Unavailable => (
                    "ServiceUnavailable",
                    "A service that this request needs is unavailable. Please try again",
                ),
            };
            let body = json!({"statusCode": status, "error": error, "message": message});
            (status, body, wait)
        }
        Family::Ngrok => {
            let (code, msg) = match meaning {
                Meaning::Broken => (None, "An internal error occurred."),
                Meaning::Throttled => (Some("ERR_NGROK_226"), "Too many requests. Try again later."),
                Meaning::Unavailable => (
                    None,
                    "A service that this request needs is unavailable. Try again.",
                ),
            };
            let mut body = json!({
                "status_code": status, "msg": msg, "details": {},
            });
            if let Some(code) = code {
                body["error_code"] = code.into();
            }
            (status, body, wait.filter(|_| meaning == Meaning::Unavailable))
        }
        Family::Vault => {
            let text = match meaning {
                Meaning::Broken => "1 error occurred:\n\t* internal error\n\n",
                Meaning::Throttled => "too many requests; try again later",
                Meaning::Unavailable => "a service that this request needs is unavailable; try again",
            };
            (status, json!({"errors": [text]}), None)
        }
        Family::Venafi => {
            let text = match meaning {
                Meaning::Broken => "An internal error occurred.",
                Meaning::Throttled => "Too many requests. Try again later.",
                Meaning::Unavailable => "A service that this request needs is unavailable. Try again.",
            };
            (status, in_venafis_words(text), wait)
        }
    }
}

fn in_venafis_words(text: &str) -> Value {
    json!({
        "DN": null,
        "Guid": null,
        "ProcessingDetails": {"Status": null, "StatusDescription": null},
        "Response": {"ErrorCode": 100, "ErrorMessage": text, "Success": false},
    })
}

/// What Venafi's clients are told who have to fetch their certificate later.
fn is_pending(answer: &Answer) -> bool {
    let body = answer.json();
    answer.status == 200
        && body["ProcessingDetails"]["Status"] == "Pending Issue"
        && body["Response"]["Success"] == true
}

/// One call of a signature, which is to fail.
#[derive(Clone, Debug)]
struct Place {
    operation: String,
    /// How many calls of the operation come before it.
    after: usize,
    /// Whether the process has just started.
    is_first: bool,
    /// Whether the record is there by then.
    is_recorded: bool,
    /// Whether the signature is there by then.
    is_signed: bool,
}

impl Place {
    fn failures(&self) -> Vec<(Failure, Meaning)> {
        match self.operation.as_str() {
            "Decrypt" | "Sign" => of_kms(),
            other => of_dynamodb(other),
        }
    }

    /// The fault: once, or as long as somebody asks.
    fn fault(&self, failure: Failure, is_lasting: bool) -> Fault {
        let times = if is_lasting { FOR_EVER } else { 1 };
        Fault {
            operation: self.operation.clone(),
            after: self.after,
            calls: times,
            attempts: times,
            failure,
        }
    }

    /// Whether Venafi's caller is told to come again for the certificate.
    fn leaves_pending(&self, family: Family) -> bool {
        // The first in a process notes beside its record that there are such of this day.
        let is_note = self.operation == "PutItem" && self.after == 0;
        family == Family::Venafi && self.is_recorded && !is_note
    }

    /// Whether the signature may be kept although the caller is told of an error: the answer to its being kept was
    /// lost, or the first in a process could not note beside it that there are such of this day.
    fn may_keep_signature(&self, family: Family, failure: &Failure) -> bool {
        let keeps = matches!(family, Family::Ngrok | Family::Venafi);
        let is_note = self.is_first && self.operation == "PutItem";
        keeps && self.is_signed && (*failure == Failure::Lost || is_note)
    }
}

/// The calls of a signature of `family`: of the first in a process, or of a later one.
async fn places(family: Family, is_first: bool) -> Result<Vec<Place>> {
    let calls = World::new(family).await?.calls(is_first).await?;
    let records = |operation: &str| {
        operation == "TransactWriteItems" || (operation == "PutItem" && family != Family::Venafi)
    };
    let (mut is_recorded, mut is_signed) = (false, false);
    let places = calls.into_iter().map(|(operation, after)| {
        let place = Place {
            after,
            is_first,
            is_recorded,
            is_signed,
            operation,
        };
        is_recorded |= records(&place.operation);
        is_signed |= place.operation == "Sign";
        place
    });
    Ok(places.collect())
}

/// Every failure at every call of a signature: of the first in a process, and of a later one.
async fn whatever_fails(family: Family) -> Result<()> {
    let mut places = places(family, true).await?;
    places.extend(self::places(family, false).await?);
    together(places.into_iter().map(|place| fails_at(family, place))).await
}

/// Runs all of `cases` at the same time: on one thread, since a family is set up by a closure that may not change
/// threads.
async fn together(cases: impl Iterator<Item = impl Future<Output = Result<()>> + 'static>) -> Result<()> {
    let (local, mut running) = (LocalSet::new(), JoinSet::new());
    for case in cases {
        running.spawn_local_on(case, &local);
    }
    local.run_until(running.join_all()).await.into_iter().collect()
}

async fn fails_at(family: Family, place: Place) -> Result<()> {
    let mut world = World::new(family).await?;
    for (failure, meaning) in place.failures() {
        for is_lasting in [false, true] {
            if place.is_first {
                world.restart();
            }
            let told = fails(&world, &place, (&failure, meaning), is_lasting).await;
            told.with_context(|| format!("{family:?}, {place:?}, {failure:?}, lasting: {is_lasting}"))?;
        }
        let again = send(&world.router, &world.ask).await?;
        world
            .is_on_record(&again)
            .await
            .with_context(|| format!("{family:?}, again after {place:?}, {failure:?}"))?;
    }
    Ok(())
}

async fn fails(
    world: &World,
    place: &Place,
    (failure, meaning): (&Failure, Meaning),
    is_lasting: bool,
) -> Result<()> {
    world.aws.take_records()?;
    let answer = world.ask_during(place.fault(failure.clone(), is_lasting)).await?;
    let new = world.aws.take_records()?;
    ensure!(new.len() <= 1, "more than one record: {new:?}");
    if !is_lasting && is_repeated(failure, meaning) {
        return world.is_on_record(&answer).await;
    }
    ensure!(!answer.text.contains("cert-v01"), "{}", answer.text);
    if place.leaves_pending(world.family) {
        ensure!(is_pending(&answer), "{} {}", answer.status, answer.text);
    } else {
        world.says(&answer, meaning)?;
    }
    ensure!(
        place.may_keep_signature(world.family, failure)
            || new.iter().all(|record| record.signature.is_none()),
        "a record says more than happened: {new:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_call_fails_infisicals_caller_is_told_in_its_words_and_can_try_again() -> Result<()> {
    whatever_fails(Family::Infisical).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_call_fails_ngroks_caller_is_told_in_its_words_and_can_try_again() -> Result<()> {
    whatever_fails(Family::Ngrok).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_call_fails_vaults_caller_is_told_in_its_words_and_can_try_again() -> Result<()> {
    whatever_fails(Family::Vault).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_call_fails_venafis_caller_is_told_in_its_words_or_fetches_it_later() -> Result<()> {
    whatever_fails(Family::Venafi).await
}

async fn asked_of_silence(family: Family, operation: &str) -> Result<()> {
    let world = World::new(family).await?;
    let silence = Fault {
        operation: operation.into(),
        after: 0,
        calls: FOR_EVER,
        attempts: FOR_EVER,
        failure: Failure::Silence,
    };
    let answer = tokio::time::timeout(FUNCTION_LIMIT, world.ask_during(silence)).await??;
    if family == Family::Venafi && operation == "Sign" {
        ensure!(is_pending(&answer), "{}", answer.text);
        return Ok(());
    }
    world.says(&answer, Meaning::Unavailable)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_says_nothing_is_given_up_before_the_function_is() -> Result<()> {
    let cases = Family::ALL.into_iter().flat_map(|family| {
        ["BatchGetItem", "Sign"].map(|operation| async move {
            let told = asked_of_silence(family, operation).await;
            told.with_context(|| format!("{family:?}, {operation}"))
        })
    });
    together(cases).await
}

/// What is asked while DynamoDB says that the condition of a write does not hold: of `calls` calls, after `after`.
async fn overtaken(world: &World, operation: &str, after: usize, calls: usize) -> Result<Answer> {
    let failure = match operation {
        "TransactWriteItems" => Failure::Cancelled("ConditionalCheckFailed"),
        _ => Failure::error(
            400,
            "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        ),
    };
    let fault = Fault {
        operation: operation.into(),
        after,
        calls,
        attempts: FOR_EVER,
        failure,
    };
    world.aws.take_records()?;
    let answer = world.ask_during(fault).await?;
    let new = world.aws.take_records()?;
    if world.family.certificate(&answer.json()).is_none() {
        ensure!(new.iter().all(|record| record.signature.is_none()), "{new:?}");
        ensure!(!answer.text.contains("cert-v01"), "{}", answer.text);
    }
    world
        .is_on_record(&send(&world.router, &world.ask).await?)
        .await?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serial_that_is_taken_costs_another_and_if_all_are_the_caller_tries_again() -> Result<()> {
    let world = World::new(Family::Vault).await?;
    world
        .is_on_record(&overtaken(&world, "PutItem", 0, 1).await?)
        .await?;
    let answer = overtaken(&world, "PutItem", 0, FOR_EVER).await?;
    world.says(&answer, Meaning::Unavailable)?;
    // Here the list of the project is written at the same time, with the one serial that was drawn.
    let world = World::new(Family::Infisical).await?;
    let answer = overtaken(&world, "PutItem", 0, FOR_EVER).await?;
    world.says(&answer, Meaning::Unavailable)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ngrok_certificate_that_others_get_in_between_of_is_a_409() -> Result<()> {
    let world = World::new(Family::Ngrok).await?;
    for operation in ["TransactWriteItems", "PutItem"] {
        let answer = overtaken(&world, operation, 0, 1).await?;
        let body = json!({
            "status_code": 409,
            "msg": "The certificate was changed by another request while it was made; try again.",
            "details": {},
        });
        ensure!(
            (answer.status, world.without_ids(&answer)?) == (409, body),
            "{operation}: {} {}",
            answer.status,
            answer.text
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venafi_object_that_others_change_is_read_again_and_in_the_end_a_409() -> Result<()> {
    let world = World::new(Family::Venafi).await?;
    world
        .is_on_record(&overtaken(&world, "TransactWriteItems", 0, 1).await?)
        .await?;
    let answer = overtaken(&world, "TransactWriteItems", 0, FOR_EVER).await?;
    let body = in_venafis_words("The certificate object is being changed by other requests; try again.");
    ensure!(
        (answer.status, answer.json()) == (409, body),
        "{} {}",
        answer.status,
        answer.text
    );
    // What is recorded is signed once more where its signature could not be kept.
    world
        .is_on_record(&overtaken(&world, "TransactWriteItems", 1, 1).await?)
        .await
}

/// What proves who calls.
const SECRET: &str = "a-secret";

/// What anybody can ask of `family`: of ngrok's API, nothing.
fn asked_by_strangers(family: Family) -> Vec<Ask> {
    let ask = |method, path: &str, body| Ask {
        method,
        path: path.into(),
        headers: vec![("content-type", "application/json".into())],
        body,
    };
    match family {
        Family::Infisical => vec![ask(
            "POST",
            "/api/v1/auth/universal-auth/login",
            json!({"clientId": "6b1a4f0e-8f0c-4b9e-9d57-0c2c3a1f7a11", "clientSecret": SECRET}),
        )],
        Family::Ngrok => Vec::new(),
        Family::Vault => vec![
            ask("POST", "/v1/auth/userpass/login/bob", json!({"password": SECRET})),
            ask("GET", "/v1/ssh/public_key", Value::Null),
        ],
        Family::Venafi => vec![ask(
            "POST",
            "/vedauth/authorize/oauth",
            json!({"client_id": "a-client", "username": "bob", "password": SECRET, "scope": "ssh:manage"}),
        )],
    }
}

/// Asks a process that has just started, one of whose calls is not allowed. Whether it got as far as that.
async fn denied(world: &World, ask: &Ask, operation: &str, after: usize) -> Result<bool> {
    let log = Arc::new(MemoryLog::default());
    let mut services = services(&world.aws);
    services.audit = log.clone();
    world.aws.fail(Fault {
        operation: operation.into(),
        after,
        calls: FOR_EVER,
        attempts: FOR_EVER,
        failure: Failure::error(400, "AccessDeniedException"),
    });
    let answer = send(&router(world.family, services), ask).await?;
    if world.aws.failed() == 0 {
        return Ok(false);
    }
    let decisions = log.decisions();
    let is_why = |text: &str| text.contains("AccessDenied");
    let reasons = decisions.iter().filter_map(|decision| decision.reason.as_deref());
    ensure!(
        (answer.status == 500 || is_pending(&answer))
            && !is_why(&answer.text)
            && reasons.filter(|reason| is_why(reason)).count() == 1
            && !format!("{decisions:?}").contains(SECRET),
        "{} {operation} {after}: {answer:?} {decisions:?}",
        ask.path
    );
    Ok(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_an_operator_can_mend_is_in_the_log_whoever_asked() -> Result<()> {
    for family in Family::ALL {
        let world = World::new(family).await?;
        let mut asks = asked_by_strangers(family);
        asks.push(world.ask.clone());
        for ask in asks {
            let mut denials = 0;
            for operation in ["BatchGetItem", "GetItem"] {
                for after in 0..3 {
                    denials += usize::from(denied(&world, &ask, operation, after).await?);
                }
            }
            ensure!(denials > 0, "{} reads nothing", ask.path);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn that_an_answer_could_not_be_wrapped_is_in_the_log_after_its_certificate() -> Result<()> {
    let world = World::new(Family::Vault).await?;
    let mut ask = world.ask.clone();
    ask.headers.push(("x-vault-wrap-ttl", "60".into()));
    // The certificate itself takes no such call.
    ensure!(denied(&world, &ask, "TransactWriteItems", 0).await?);
    Ok(())
}
