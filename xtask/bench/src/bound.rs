//! The bound: how often all cores together can sign and verify with aws-lc-rs, and do nothing else.

use anyhow::{Result, anyhow};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// What a certificate of the benchmark has to be signed.
const MESSAGE_BYTES: usize = 330;

/// Ed25519 signatures made and verified a second, by as many threads as there are cores.
pub(crate) fn pairs_per_second(duration: Duration) -> Result<f64> {
    let key = Ed25519KeyPair::generate().map_err(|_| anyhow!("no key"))?;
    let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref().to_vec());
    let message = [7; MESSAGE_BYTES];
    let (is_over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let signature = key.sign(&message);
                    if public.verify(&message, signature.as_ref()).is_ok() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        thread::sleep(duration);
        is_over.store(true, Ordering::Relaxed);
    });
    Ok(done.into_inner() as f64 / started.elapsed().as_secs_f64())
}
