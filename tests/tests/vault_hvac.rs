//! hvac, Vault's client for Python, unmodified, against the Vault family on a port.

use std::{net::Ipv4Addr, sync::Arc};

use anyhow::{Result, anyhow};
use axum::Extension;
use countersign::{
    Services, access::create_root, audit::MemoryLog, client::ClientAddress, clock::SystemClock,
    random::SystemRandomSource, signer::local::LocalKeyring, store::embedded::Embedded, types::SecretToken,
};
use countersign_tests::run_python;
use tokio::{net::TcpListener, task::spawn_blocking};

const ROOT: &str = "csn_root-token-of-the-hvac-test";

/// The family in memory on a loopback port; gives its URL.
async fn serve() -> Result<String> {
    let random = SystemRandomSource::default();
    let services = Services::new(
        Arc::new(Embedded::in_memory().await),
        Arc::new(LocalKeyring::in_memory(&random)?),
        Arc::new(SystemClock),
        Arc::new(random),
        Arc::new(MemoryLog::default()),
    );
    create_root(&services, Some(SecretToken::new(ROOT)))
        .await
        .map_err(|error| anyhow!("{error:?}"))?;
    countersign_vault::mounts::seed(&services)
        .await
        .map_err(|error| anyhow!("{error:?}"))?;
    let address = ClientAddress(Some(Ipv4Addr::LOCALHOST.into()));
    let router = countersign_vault::standalone(services).layer(Extension(address));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

#[tokio::test(flavor = "multi_thread")]
async fn hvac_lives_the_life_of_a_ca() -> Result<()> {
    let url = serve().await?;
    let script = move || {
        let environment = [("VAULT_ADDR", url.as_str()), ("VAULT_TOKEN", ROOT)];
        run_python("contract/vault/hvac_ca.py", &[], &environment)
    };
    let outcome = spawn_blocking(script).await??;
    eprint!("{}", outcome.stdout);
    Ok(())
}
