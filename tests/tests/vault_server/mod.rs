//! The Vault family in memory, for clients that need a port.

use anyhow::{Result, anyhow};
use axum::Extension;
use countersign::{access::create_root, in_memory, request_context::ClientAddress, types::SecretToken};
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

/// Serves the family on a loopback port, with this root token and an `ssh` mount without a key; gives its URL.
pub(crate) async fn serve(root: &str) -> Result<String> {
    let services = in_memory::services().await;
    create_root(&services, Some(SecretToken::new(root)))
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
