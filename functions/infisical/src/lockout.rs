//! The lock on somebody whose secret is being guessed.

use crate::error::Problem;
use countersign::{Services, access::Lockout};

/// The original's defaults: three failures within 30 seconds close the login for five minutes.
const LOCKOUT: Lockout = Lockout {
    realm: "infisical",
    max_failures: 3,
    window_secs: 30,
    lock_secs: 300,
};

/// Refuses where the login of the identity with `id` is closed.
pub(crate) async fn check(services: &Services, id: &str) -> Result<(), Problem> {
    if LOCKOUT.is_closed(services, id).await? {
        return Err(Problem::unauthorized(
            "This identity auth method is temporarily locked, please try again later",
        ));
    }
    Ok(())
}

/// Counts a failure.
pub(crate) async fn count(services: &Services, id: &str) -> Result<(), Problem> {
    Ok(LOCKOUT.count(services, id).await?)
}
