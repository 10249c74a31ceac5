//! How many calls to AWS one warm signature makes, and how many of them wait for one another: counted between the SDK
//! and what answers it.

#![allow(missing_docs)]

mod families;

use anyhow::Result;
use countersign::{
    clock::{Clock, FixedClock, SystemClock},
    deployment::Config,
    grace::GRACE,
};
use countersign_tests::{Ask, AwsDouble, Call, Family, depth};
use families::{granted, router, services, set_up};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Long enough that calls which run side by side are seen to.
const DELAY: Duration = Duration::from_millis(100);

/// The calls of the second signature, each of which takes its time.
async fn calls_of_a_signature(family: Family) -> Result<Vec<Call>> {
    calls_of_another(family, |first| first, Pace::Quick).await
}

/// How fast a request goes by its own clock. However busy the machine is, it goes as is said here.
#[derive(Clone, Copy)]
enum Pace {
    /// Its time stands still.
    Quick,
    /// Between two looks at its clock passes what a look for a retirement holds for.
    Slow,
}

/// The calls of the signature that is asked for by what `another` makes of the first request.
async fn calls_of_another(family: Family, another: fn(Ask) -> Ask, pace: Pace) -> Result<Vec<Call>> {
    let aws = AwsDouble::start().await?;
    let mut services = services(&aws);
    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    services.clock = clock.clone();
    let router = router(family, services.clone());
    let ask = set_up(family, &router, &services).await?;
    granted(&router, &ask).await?;
    if let Pace::Slow = pace {
        clock.advance_each_time(GRACE);
    }
    aws.take_calls();
    aws.delay(DELAY);
    granted(&router, &another(ask)).await?;
    Ok(aws.take_calls())
}

fn targets(calls: &[Call]) -> Vec<&str> {
    calls
        .iter()
        .filter_map(|call| call.target.split('.').next_back())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_vault_signature_makes_three_calls_one_after_the_other() -> Result<()> {
    let calls = calls_of_a_signature(Family::Vault).await?;
    assert_eq!(targets(&calls), ["BatchGetItem", "PutItem", "Sign"]);
    assert_eq!(depth(&calls), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_infisical_signature_writes_its_list_at_the_same_time() -> Result<()> {
    let calls = calls_of_a_signature(Family::Infisical).await?;
    assert_eq!(targets(&calls), ["BatchGetItem", "PutItem", "PutItem", "Sign"]);
    assert_eq!(depth(&calls), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_ngrok_signature_keeps_its_signature_by_one_more_call_in_the_chain() -> Result<()> {
    let calls = calls_of_a_signature(Family::Ngrok).await?;
    assert_eq!(
        targets(&calls),
        ["BatchGetItem", "TransactWriteItems", "Sign", "PutItem"]
    );
    assert_eq!(depth(&calls), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_ngrok_signature_looks_once_more_whether_its_authority_is_in_service() -> Result<()> {
    let calls = calls_of_another(Family::Ngrok, |first| first, Pace::Slow).await?;
    // Beside the signing: the two end in either order.
    let mut middle = targets(&calls);
    middle[2..4].sort_unstable();
    assert_eq!(
        middle,
        ["BatchGetItem", "TransactWriteItems", "GetItem", "Sign", "PutItem"]
    );
    assert_eq!(depth(&calls), 4);
    Ok(())
}

/// What a Venafi request makes that waits for its certificate.
fn assert_waited(calls: &[Call]) {
    assert_eq!(
        targets(calls),
        ["BatchGetItem", "TransactWriteItems", "Sign", "TransactWriteItems"]
    );
    assert_eq!(depth(calls), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_venafi_request_for_a_new_object_keeps_its_signature_by_one_more_call_in_the_chain()
-> Result<()> {
    let another: fn(Ask) -> Ask = |first| first.with("ObjectName", "another");
    let calls = calls_of_another(Family::Venafi, another, Pace::Quick).await?;
    assert_waited(&calls);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_venafi_renewal_archives_the_earlier_certificate_in_the_same_calls() -> Result<()> {
    let calls = calls_of_a_signature(Family::Venafi).await?;
    assert_waited(&calls);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_venafi_request_looks_once_more_at_its_authority_and_its_template() -> Result<()> {
    let calls = calls_of_another(Family::Venafi, |first| first, Pace::Slow).await?;
    // Beside the signing: the two end in either order.
    let mut middle = targets(&calls);
    middle[2..4].sort_unstable();
    assert_eq!(
        middle,
        [
            "BatchGetItem",
            "TransactWriteItems",
            "BatchGetItem",
            "Sign",
            "TransactWriteItems"
        ]
    );
    assert_eq!(depth(&calls), 4);
    Ok(())
}

/// How many connections the first certificate of a process opens, which was started for so many calls at once.
async fn late_connections(family: Family, calls: usize) -> Result<usize> {
    let aws = AwsDouble::start().await?;
    let earlier = services(&aws);
    let ask = set_up(family, &router(family, earlier.clone()), &earlier).await?;
    let environment: BTreeMap<_, _> = aws.environment().into_iter().collect();
    let config = Config::read(|name| environment.get(name).cloned())?;
    // As far away as a service is: an answer from next door would be there before the next connection is.
    aws.delay(DELAY);
    let services = config.warm_services(calls).await;
    let connections = aws.connections();
    granted(&router(family, services), &ask).await?;
    Ok(aws.connections() - connections)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_of_a_process_opens_the_connections_that_its_first_certificate_needs_and_no_others()
-> Result<()> {
    for family in Family::ALL {
        let calls = match family {
            Family::Infisical => countersign_infisical::CALLS_AT_ONCE,
            Family::Ngrok => countersign_ngrok::CALLS_AT_ONCE,
            Family::Vault => countersign_vault::CALLS_AT_ONCE,
            Family::Venafi => countersign_venafi::CALLS_AT_ONCE,
        };
        // The double is both services at one address, so the connection for KMS, which is idle then, serves DynamoDB too.
        assert_eq!(late_connections(family, calls - 1).await?, 0, "{}", family.name());
        assert_eq!(late_connections(family, calls - 2).await?, 1, "{}", family.name());
    }
    Ok(())
}
