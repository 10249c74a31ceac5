//! Any sequence of creations, revocations and time, held against the plainest model of it.

use super::{NOW, World, with};
use countersign::access::{self, Created, NewToken};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Child(usize, u64),
    Orphan(usize, u64),
    Revoke(usize),
    RevokeOrphan(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..8, 1u64..40).prop_map(|(at, ttl)| Step::Child(at, ttl)),
        1 => (0usize..8, 1u64..40).prop_map(|(at, ttl)| Step::Orphan(at, ttl)),
        1 => (0usize..8).prop_map(Step::Revoke),
        1 => (0usize..8).prop_map(Step::RevokeOrphan),
        1 => (1u64..15).prop_map(Step::Wait),
    ]
}

/// One token of the model: dead, or alive until its end as long as its parent is.
struct Modelled {
    created: Created,
    parent: Option<usize>,
    end: Option<u64>,
    revoked: bool,
}

#[derive(Default)]
struct Model(Vec<Modelled>);

impl Model {
    fn is_alive(&self, at: usize, now: u64) -> bool {
        let token = &self.0[at];
        let parent_lives = token.parent.is_none_or(|parent| self.is_alive(parent, now));
        !token.revoked && token.end.is_none_or(|end| now < end) && parent_lives
    }

    fn orphan_children_of(&mut self, at: usize) {
        for token in &mut self.0 {
            if token.parent == Some(at) {
                token.parent = None;
            }
        }
    }
}

async fn run(steps: Vec<Step>) {
    let world = World::new().await;
    let mut model = Model::default();
    let root = world.root().await;
    model.0.push(Modelled {
        created: root,
        parent: None,
        end: None,
        revoked: false,
    });
    let mut now = NOW;
    for step in steps {
        match step {
            Step::Child(at, ttl) | Step::Orphan(at, ttl) => {
                let at = at % model.0.len();
                if !model.is_alive(at, now) {
                    continue;
                }
                let orphan = matches!(step, Step::Orphan(..));
                let caller = world.caller(&model.0[at].created.secret).await;
                let new = NewToken { ttl, ..with(&[]) };
                let created = access::create_child(&world.services, &caller, orphan, new)
                    .await
                    .unwrap();
                let parent = (!orphan).then_some(at);
                model.0.push(Modelled {
                    created,
                    parent,
                    end: Some(now + ttl),
                    revoked: false,
                });
            }
            Step::Revoke(at) => {
                let at = at % model.0.len();
                access::revoke(&world.services, &model.0[at].created.token.hash)
                    .await
                    .unwrap();
                model.0[at].revoked = true;
            }
            Step::RevokeOrphan(at) => {
                let at = at % model.0.len();
                if model.is_alive(at, now) {
                    access::revoke_orphan(&world.services, &model.0[at].created.token.hash)
                        .await
                        .unwrap();
                    model.0[at].revoked = true;
                    model.orphan_children_of(at);
                }
            }
            Step::Wait(secs) => {
                now += secs;
                world.clock.set(now);
            }
        }
        for at in 0..model.0.len() {
            let alive = world.is_good(&model.0[at].created.secret).await;
            assert_eq!(alive, model.is_alive(at, now), "token {at}");
        }
    }
    let alive = (0..model.0.len()).filter(|at| model.is_alive(*at, now));
    let mut expected: Vec<String> = alive
        .map(|at| model.0[at].created.token.accessor.clone())
        .collect();
    let mut accessors = world.accessors().await;
    expected.sort();
    accessors.sort();
    assert_eq!(accessors, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn tokens_live_as_the_model_says(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
