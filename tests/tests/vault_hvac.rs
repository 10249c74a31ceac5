//! hvac, Vault's client for Python, unmodified, against the Vault family on a port.

mod vault_server;

use anyhow::Result;
use countersign_tests::run_python;
use tokio::task::spawn_blocking;

const ROOT: &str = "csn_root-token-of-the-hvac-test";

#[tokio::test(flavor = "multi_thread")]
async fn hvac_lives_the_life_of_a_ca() -> Result<()> {
    let url = vault_server::serve(ROOT).await?;
    let script = move || {
        let environment = [("VAULT_ADDR", url.as_str()), ("VAULT_TOKEN", ROOT)];
        run_python("contract/vault/hvac_ca.py", &[], &environment)
    };
    let outcome = spawn_blocking(script).await??;
    eprint!("{}", outcome.stdout);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hvac_borrows_passwords_and_keys() -> Result<()> {
    let url = vault_server::serve(ROOT).await?;
    let script = move || {
        let environment = [("VAULT_ADDR", url.as_str()), ("VAULT_TOKEN", ROOT)];
        run_python("contract/vault/hvac_leases.py", &[], &environment)
    };
    let outcome = spawn_blocking(script).await??;
    eprint!("{}", outcome.stdout);
    Ok(())
}
