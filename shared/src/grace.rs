//! How one look at a record holds for a moment, so that it need not be repeated after a write.
//!
//! Two sides meet here. One *commits* something that stands under a thing that is looked after (a certificate under
//! its authority, under its template). The other *ends* that thing, which it may do only while nothing stands under
//! it: it announces the end with a write, then looks for what stands there. Where both write first and look
//! afterwards, at least one sees the other. That costs whoever commits a look after its write.
//!
//! It needs none where its look comes with a read that it makes anyway, before its write:
//!
//! - Whoever commits notes the time (`Since::now`), then sends the read, which shows no announcement, then writes.
//!   Where the answer to the write is there less than [`GRACE`] after the noted time, it looks no more. Otherwise it
//!   looks again, after the write.
//! - Whoever ends waits ([`outlast`]) between its announcement and its look, for twice as long.
//!
//! # Why that is enough
//!
//! An announcement that was committed before the read was answered from it is seen. Any other was committed after the
//! noted time, so the look that follows it begins later than the noted time and the whole wait. By then the write was
//! there: it was answered within the grace. So the look finds what was committed, or the announcement was found.
//!
//! Whoever stands still, before its write or while the write is under way, finds that the grace is over, and looks
//! again: it then has written first and looks afterwards. Whoever stands still after that may take its time, since
//! what it wrote is there to be found. An end that stands still waits longer, which does no harm.
//!
//! # What is assumed
//!
//! - Each side measures only how much time passes for itself. This compares no clocks of different machines, which
//!   need not agree on the time; they need to run about equally fast: the wait is twice the grace. (What does compare
//!   them is the age of an announcement that nobody completes. It is withdrawn by a write, so whoever is only slow
//!   finds that.)
//! - Of whoever commits, two clocks are asked, and the one that says more counts: the machine's time, which goes on
//!   while a machine is suspended but may be set back, and one that nobody sets, which may stand still. Only both at
//!   once, within one request, would deceive it.
//! - The read and the look are consistent: they show every write that was answered before they were sent.

use crate::services::Services;
use std::time::Duration;

/// For how long a look without an announcement holds, from before the read was sent until after the write was answered.
/// A read and a write take some ten milliseconds together.
pub const GRACE: Duration = Duration::from_millis(500);

/// How long an end waits: the grace, and as much again for clocks that do not run equally fast.
const WAIT: Duration = Duration::from_millis(1000);

/// The time before a read was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    now_ms: u64,
    monotonic_ms: u64,
}

impl Since {
    /// The present time: the read must be sent after this.
    pub(crate) fn now(services: &Services) -> Self {
        Self {
            now_ms: services.clock.now_ms(),
            monotonic_ms: services.clock.monotonic_ms(),
        }
    }

    /// Whether what was read then holds for a write that is answered by now.
    pub(crate) fn is_within_grace(self, services: &Services) -> bool {
        let is_short =
            |passed: Option<u64>| passed.is_some_and(|passed| u128::from(passed) < GRACE.as_millis());
        is_short(services.clock.now_ms().checked_sub(self.now_ms))
            && is_short(services.clock.monotonic_ms().checked_sub(self.monotonic_ms))
    }
}

/// Waits, between an announcement that is committed and the look for what stands in its way, until no earlier look
/// without the announcement holds any more.
pub async fn outlast(services: &Services) {
    services.clock.sleep(WAIT).await;
}
