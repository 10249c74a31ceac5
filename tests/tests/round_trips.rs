//! How many calls to AWS one warm signature makes, and how many of them wait for one another: counted between the SDK
//! and what answers it.

#![allow(missing_docs)]

mod families;

use anyhow::Result;
use countersign::deployment::Config;
use countersign_tests::{Ask, AwsDouble, Call, Family, depth};
use families::{granted, router, services, set_up};
use std::{collections::BTreeMap, time::Duration};

/// Long enough that calls which run side by side are seen to.
const DELAY: Duration = Duration::from_millis(100);

/// The calls of the second signature, each of which takes its time.
async fn calls_of_a_signature(family: Family) -> Result<Vec<Call>> {
    calls_of_another(family, |first| first).await
}

/// The calls of the signature that is asked for by what `another` makes of the first request.
async fn calls_of_another(family: Family, another: fn(Ask) -> Ask) -> Result<Vec<Call>> {
    let aws = AwsDouble::start().await?;
    let services = services(&aws);
    let router = router(family, services.clone());
    let ask = set_up(family, &router, &services).await?;
    granted(&router, &ask).await?;
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
    // Whether the authority is still in service is read beside the signing: the two end in either order.
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
    // Whether the authority and the template are still there is read beside the signing: the two end in either order.
    let mut middle = targets(calls);
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
    assert_eq!(depth(calls), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_venafi_request_for_a_new_object_keeps_its_signature_by_one_more_call_in_the_chain()
-> Result<()> {
    let calls = calls_of_another(Family::Venafi, |first| first.with("ObjectName", "another")).await?;
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
async fn the_first_certificate_of_a_process_needs_no_connection_that_its_start_has_not_opened() -> Result<()>
{
    for family in Family::ALL {
        let aws = AwsDouble::start().await?;
        let earlier = services(&aws);
        let ask = set_up(family, &router(family, earlier.clone()), &earlier).await?;
        let environment: BTreeMap<_, _> = aws.environment().into_iter().collect();
        let config = Config::read(|name| environment.get(name).cloned())?;
        // As far away as a service is: an answer from next door would be there before the next connection is.
        aws.delay(DELAY);
        let services = config.warm_services().await;
        let connections = aws.connections();
        granted(&router(family, services), &ask).await?;
        assert_eq!(aws.connections(), connections, "{}", family.name());
    }
    Ok(())
}
