//! The families' routers in this process, over a double of AWS.

use anyhow::Result;
use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use countersign::{
    Services, access, audit::MemoryLog, clock::SystemClock, random::SystemRandomSource,
    request_context::ClientAddress, signer::kms::KmsKeyring, store::dynamodb::DynamoDb,
};
use countersign_tests::{Ask, AwsDouble, Family};
use serde_json::Value;
use std::{net::Ipv4Addr, sync::Arc};
use tower::ServiceExt;

/// What a process holds that has just started.
pub(crate) fn services(aws: &AwsDouble) -> Services {
    services_over(aws.store(), aws.keyring())
}

pub(crate) fn services_over(store: DynamoDb, keyring: KmsKeyring) -> Services {
    Services::new(
        Arc::new(store),
        Arc::new(keyring),
        Arc::new(SystemClock),
        Arc::new(SystemRandomSource::default()),
        Arc::new(MemoryLog::default()),
    )
}

pub(crate) fn router(family: Family, services: Services) -> Router {
    let router = match family {
        Family::Infisical => countersign_infisical::router(services),
        Family::Ngrok => countersign_ngrok::router(services),
        Family::Vault => countersign_vault::router(services),
        Family::Venafi => countersign_venafi::router(services),
    };
    router.layer(Extension(ClientAddress(Some(Ipv4Addr::LOCALHOST.into()))))
}

/// The request for a certificate, with all that it needs in place.
pub(crate) async fn set_up(family: Family, router: &Router, services: &Services) -> Result<Ask> {
    let root = access::create_root(services, None).await?;
    family
        .set_up(root.secret.reveal(), &mut async |ask: &Ask| {
            granted(router, ask).await
        })
        .await
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    #[allow(dead_code, reason = "not every test looks at them")]
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body, or null where it is no JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

pub(crate) async fn send(router: &Router, ask: &Ask) -> Result<Answer> {
    let mut request = Request::builder().method(ask.method).uri(&ask.path);
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Body::from(ask.body.to_string()))?;
    let answer = router.clone().oneshot(request).await?;
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, 1 << 20).await?;
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// What is answered to a request that succeeds.
pub(crate) async fn granted(router: &Router, ask: &Ask) -> Result<Value> {
    let answer = send(router, ask).await?;
    anyhow::ensure!(
        (200..300).contains(&answer.status),
        "{} {}: {} {}",
        ask.method,
        ask.path,
        answer.status,
        answer.text
    );
    Ok(answer.json())
}
