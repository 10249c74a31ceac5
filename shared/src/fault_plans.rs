//! What a test asked to go wrong or to wait, and when: for the faulty store, the faulty keyring and the fixed clock
//! alike.

use std::sync::Arc;
use tokio::sync::Notify;

/// Plans, in the order in which they were made. `M` says which operations a plan is for, `F` what then happens.
#[derive(Debug)]
pub(crate) struct FaultPlans<M, F>(Vec<Plan<M, F>>);

#[derive(Debug)]
struct Plan<M, F> {
    matching: M,
    /// How many matching operations still pass.
    passing: usize,
    /// Whether it stays in force.
    lasting: bool,
    fault: F,
}

impl<M, F> Default for FaultPlans<M, F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M, F: Clone> FaultPlans<M, F> {
    /// For the `nth` matching operation from now on; 1 is the next.
    pub(crate) fn nth(&mut self, matching: M, nth: usize, fault: F) {
        let passing = nth.checked_sub(1).expect("operations are counted from 1");
        self.0.push(Plan {
            matching,
            passing,
            lasting: false,
            fault,
        });
    }

    /// For every matching operation.
    pub(crate) fn always(&mut self, matching: M, fault: F) {
        self.0.push(Plan {
            matching,
            passing: 0,
            lasting: true,
            fault,
        });
    }

    /// Forgets all plans.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether every plan has taken effect.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts an operation with those plans that `covers` says are for it, and gives the first fault that is due.
    pub(crate) fn next(&mut self, covers: impl Fn(&M) -> bool) -> Option<F> {
        let mut due = None;
        for (index, plan) in self.0.iter_mut().enumerate() {
            if !covers(&plan.matching) {
                continue;
            }
            if plan.passing > 0 {
                plan.passing -= 1;
            } else if due.is_none() {
                due = Some(index);
            }
        }
        let index = due?;
        let fault = self.0[index].fault.clone();
        if !self.0[index].lasting {
            self.0.remove(index);
        }
        Some(fault)
    }
}

/// Something that waits until a test lets it go on.
#[derive(Clone, Debug, Default)]
pub struct Pause(Arc<PauseEnds>);

#[derive(Debug, Default)]
struct PauseEnds {
    begun: Notify,
    over: Notify,
}

impl Pause {
    /// Returns once it was asked for, and waits.
    pub async fn begun(&self) {
        self.0.begun.notified().await;
    }

    /// Lets it go on.
    pub fn end(&self) {
        self.0.over.notify_one();
    }

    /// Waits until the test lets it.
    pub(crate) async fn hold(&self) {
        self.0.begun.notify_one();
        self.0.over.notified().await;
    }
}
