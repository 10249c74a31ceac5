//! The time. The only module that asks the machine for it, so that tests can say what time it is.

use async_trait::async_trait;
use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Tells the time, and waits.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Seconds since the Unix epoch.
    fn now(&self) -> u64 {
        self.now_ms() / 1000
    }

    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// Milliseconds since some moment: a time that nobody sets. It may stand still while the machine is suspended.
    fn monotonic_ms(&self) -> u64;

    /// Returns when `duration` has passed, or later.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock. It can wait only within a Tokio runtime that has its time enabled.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // this is where the clock is read
    fn now_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    #[allow(clippy::disallowed_methods)] // and here
    fn monotonic_ms(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(feature = "test-util")]
pub use fixed::FixedClock;

#[cfg(feature = "test-util")]
mod fixed {
    use super::Clock;
    use crate::{fault_plans::Pause, lock};
    use async_trait::async_trait;
    use std::{
        sync::{
            Mutex,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    /// A clock that stands still until it is set, or somebody sleeps by it: it then stands where the sleep has ended,
    /// at once.
    #[derive(Debug, Default)]
    pub struct FixedClock {
        now_ms: AtomicU64,
        /// By how much it has been set back, in all.
        set_back_ms: AtomicU64,
        step_ms: AtomicU64,
        next_sleep: Mutex<Option<Pause>>,
    }

    impl FixedClock {
        /// A clock that says `now` (Unix seconds).
        pub fn at(now: u64) -> Self {
            Self {
                now_ms: (now * 1000).into(),
                ..Self::default()
            }
        }

        /// Moves the clock to `now`.
        pub fn set(&self, now: u64) {
            self.now_ms.store(now * 1000, Ordering::SeqCst);
        }

        /// Moves the clock on by `duration`.
        pub fn advance(&self, duration: Duration) {
            self.now_ms.fetch_add(millis(duration), Ordering::SeqCst);
        }

        /// Sets the clock back by `duration`, as one who corrects the time of a machine does.
        pub fn set_back(&self, duration: Duration) {
            self.now_ms.fetch_sub(millis(duration), Ordering::SeqCst);
            self.set_back_ms.fetch_add(millis(duration), Ordering::SeqCst);
        }

        /// From now on each look at the clock moves it on by `step`: as if all that lies between two looks took so
        /// long.
        pub fn advance_each_time(&self, step: Duration) {
            self.step_ms.store(millis(step), Ordering::SeqCst);
        }

        /// Lets the next sleep wait before it moves the clock.
        pub fn pause_next_sleep(&self) -> Pause {
            let pause = Pause::default();
            *lock(&self.next_sleep) = Some(pause.clone());
            pause
        }
    }

    fn millis(duration: Duration) -> u64 {
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
    }

    #[async_trait]
    impl Clock for FixedClock {
        fn now_ms(&self) -> u64 {
            self.now_ms
                .fetch_add(self.step_ms.load(Ordering::SeqCst), Ordering::SeqCst)
        }

        fn monotonic_ms(&self) -> u64 {
            self.now_ms.load(Ordering::SeqCst) + self.set_back_ms.load(Ordering::SeqCst)
        }

        async fn sleep(&self, duration: Duration) {
            let pause = lock(&self.next_sleep).take();
            if let Some(pause) = pause {
                pause.hold().await;
            }
            self.advance(duration);
        }
    }
}
