//! The root token that the start prints.

use anyhow::{Result, anyhow};
use countersign::{Error, Services, access, types::SecretToken};

/// Makes sure that `given` is a root token; without one, that there is any. What it returns can be shown: the given
/// token, or a new one; `None` where there was one before, which nobody but its owner knows.
pub(crate) async fn prepare(services: &Services, given: Option<String>) -> Result<Option<SecretToken>> {
    root_token(services, given.map(SecretToken::new))
        .await
        .map_err(|error| match error {
            Error::InvalidRequest { reason, .. } => anyhow!("the root token cannot be used: {reason}"),
            error => error.into(),
        })
}

async fn root_token(services: &Services, given: Option<SecretToken>) -> Result<Option<SecretToken>, Error> {
    // The first token marks the directory as one that has its own, whoever chose it.
    if let Some(created) = access::create_first_root(services, given.clone()).await? {
        return Ok(Some(created.secret));
    }
    match given {
        Some(given) => Ok(Some(access::create_root(services, Some(given)).await?.secret)),
        None => Ok(None),
    }
}
