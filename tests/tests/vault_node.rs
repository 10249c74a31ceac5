//! node-vault, Vault's client for Node, unmodified, against the Vault family on a port.

mod vault_server;

use anyhow::Result;
use countersign_tests::run_node;
use tokio::task::spawn_blocking;

const ROOT: &str = "csn_root-token-of-the-node-test";

#[tokio::test(flavor = "multi_thread")]
async fn node_vault_reads_writes_lists_and_deletes() -> Result<()> {
    let url = vault_server::serve(ROOT).await?;
    let script = move || {
        let environment = [("VAULT_ADDR", url.as_str()), ("VAULT_TOKEN", ROOT)];
        run_node("contract/vault/node/client.js", &environment)
    };
    let outcome = spawn_blocking(script).await??;
    eprint!("{}", outcome.stdout);
    Ok(())
}
