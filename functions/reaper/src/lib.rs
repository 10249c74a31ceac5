//! What has to happen without anybody asking for it: a timer calls [`sweep`], in a deployment and in local mode.
//!
//! Each family that has such work offers one step of it. A step is bounded, may die at any point and may run twice at
//! the same time: what it did not finish, the next one takes up.

use countersign::{Error, Services};

/// How many certificates that wait are signed by one call: less than a minute's work for the slowest key.
const PENDING_AT_ONCE: usize = 100;

/// Calls every family's step; a step that fails keeps none of the others from their work.
///
/// # Errors
/// The first failure, once all steps are done. What it concerns is tried again by the next call.
pub async fn sweep(services: &Services) -> Result<(), Error> {
    let steps = [
        countersign_vault::end_leases(services).await,
        countersign_venafi::carry_out_pending(services, PENDING_AT_ONCE)
            .await
            .map(drop),
    ];
    steps.into_iter().collect()
}
