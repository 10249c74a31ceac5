//! An SSH certificate authority without a server: what may be signed, and how a certificate comes to be.
//!
//! Without features this crate knows neither AWS nor HTTP nor the environment. The map of the whole is
//! ARCHITECTURE.md; the way of one request through this crate is [`decide::decide`] and [`issue::issue`].

pub mod access;
pub mod acl;
pub mod audit;
pub mod authority;
pub mod authority_use;
pub mod certificate_search;
pub mod certificates;
pub mod clock;
mod days;
pub mod decide;
#[cfg(feature = "deployment")]
pub mod deployment;
pub mod error;
#[cfg(feature = "test-util")]
mod fault_plans;
pub mod grace;
pub mod handed_out;
pub mod hints;
pub mod hosts;
#[cfg(all(feature = "embedded", feature = "local-key", feature = "test-util"))]
pub mod in_memory;
pub mod issue;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "password")]
pub mod password;
pub mod random;
pub mod refusal;
pub mod request_context;
pub mod retirement;
pub mod role;
pub mod services;
pub mod signer;
pub mod ssh;
pub mod store;
pub mod types;

pub use error::Error;
pub use services::Services;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

/// Locks `mutex`. No holder of ours leaves its value half changed, so one that panicked does no harm.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs two futures at the same time, and gives their results.
pub async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(context)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(context)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(two)) => Poll::Ready((one, two)),
            (one, two) => {
                (first, second) = (one, two);
                Poll::Pending
            }
        }
    })
    .await
}

/// Runs all `futures` at the same time, and gives their results in their order.
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
