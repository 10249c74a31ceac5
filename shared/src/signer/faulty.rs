//! A keyring and its signers that fail or wait on demand and count what they are asked, for tests.

use super::{InProcessSigner, Keyring, Pkcs8Key, Signer, SignerError, generate};
use crate::{
    authority::{Authority, AuthorityId, Custody, KeySpec},
    fault_plans::FaultPlans,
    lock,
    ssh::{PublicKey, SignatureAlgorithm, TbsCertificate},
};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};
use zeroize::Zeroizing;

pub use crate::fault_plans::Pause;

/// What a keyring or a signer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Keyring::bind`].
    Bind,
    /// [`Keyring::create`].
    Create,
    /// [`Keyring::import`].
    Import,
    /// [`Keyring::open`].
    Open,
    /// [`Keyring::retire`].
    Retire,
    /// [`Keyring::seal`].
    Seal,
    /// [`Signer::sign`].
    Sign,
    /// [`Keyring::signer`].
    Signer,
}

/// The error that a failure gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// [`SignerError::CannotSign`].
    CannotSign,
    /// [`SignerError::KeyUnusable`].
    KeyUnusable,
    /// [`SignerError::Throttled`].
    Throttled,
    /// [`SignerError::Unavailable`].
    Unavailable,
}

impl From<Fault> for SignerError {
    fn from(fault: Fault) -> Self {
        const REASON: &str = "a fault asked for by a test";
        match fault {
            Fault::CannotSign => Self::CannotSign(REASON.into()),
            Fault::KeyUnusable => Self::KeyUnusable(REASON.into()),
            Fault::Throttled => Self::Throttled,
            Fault::Unavailable => Self::Unavailable(REASON.into()),
        }
    }
}

/// The ways to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The operation took place all the same: its answer was lost.
    After(Fault),
    /// Nothing happened.
    Before(Fault),
    /// The signature comes with one bit changed. For [`Operation::Sign`] alone, as are the other lies.
    BitFlip,
    /// Bytes that are no signature, as many as one has.
    Garbage,
    /// The answer never comes, though the operation took place.
    Hang,
    /// A sound signature of the same bytes, by another key of the same kind.
    OtherKey,
}

/// What becomes of an operation.
#[derive(Clone, Debug)]
enum Fate {
    Fails(Failure),
    Waits(Pause),
}

/// Which operations were asked for, and what shall become of them.
#[derive(Debug, Default)]
struct State {
    counts: HashMap<Operation, usize>,
    plans: FaultPlans<Operation, Fate>,
}

/// What is to fail, and what was asked: shared by a keyring and all its signers. Each operation counts, those that
/// fail included, and is then held against the plans in the order in which they were made; the first that is due
/// takes effect.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// Fails the next `operation`.
    pub fn fail_next(&self, operation: Operation, failure: Failure) {
        self.fail_nth(operation, 1, failure);
    }

    /// Fails the `nth` such operation from now on; 1 is the next.
    ///
    /// # Panics
    /// Where `nth` is 0.
    pub fn fail_nth(&self, operation: Operation, nth: usize, failure: Failure) {
        check(operation, failure);
        lock(&self.0).plans.nth(operation, nth, Fate::Fails(failure));
    }

    /// Fails every such operation until [`clear`](Self::clear).
    pub fn fail_always(&self, operation: Operation, failure: Failure) {
        check(operation, failure);
        lock(&self.0).plans.always(operation, Fate::Fails(failure));
    }

    /// Lets the next `operation` wait before it takes place.
    pub fn pause_next(&self, operation: Operation) -> Pause {
        let pause = Pause::default();
        lock(&self.0).plans.nth(operation, 1, Fate::Waits(pause.clone()));
        pause
    }

    /// Forgets all plans.
    pub fn clear(&self) {
        lock(&self.0).plans.clear();
    }

    /// How often `operation` was asked for.
    pub fn count(&self, operation: Operation) -> usize {
        lock(&self.0).counts.get(&operation).copied().unwrap_or_default()
    }

    /// Counts `operation`, lets it wait where it shall, and gives the failure that is due.
    async fn next(&self, operation: Operation) -> Option<Failure> {
        let fate = {
            let mut state = lock(&self.0);
            *state.counts.entry(operation).or_default() += 1;
            state.plans.next(|planned| *planned == operation)
        };
        match fate? {
            Fate::Fails(failure) => Some(failure),
            Fate::Waits(pause) => {
                pause.hold().await;
                None
            }
        }
    }

    /// Runs `work`, unless it is to fail before.
    async fn run<T>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T, SignerError>>,
    ) -> Result<T, SignerError> {
        match self.next(operation).await {
            Some(Failure::Before(fault)) => Err(fault.into()),
            Some(Failure::After(fault)) => {
                work.await?;
                Err(fault.into())
            }
            Some(Failure::Hang) => {
                work.await?;
                std::future::pending().await
            }
            Some(Failure::BitFlip | Failure::Garbage | Failure::OtherKey) | None => work.await,
        }
    }
}

fn check(operation: Operation, failure: Failure) {
    let lie = matches!(failure, Failure::BitFlip | Failure::Garbage | Failure::OtherKey);
    assert!(
        !lie || operation == Operation::Sign,
        "only a signature can be a lie"
    );
}

/// Wraps a signer.
pub struct FaultySigner {
    inner: Arc<dyn Signer>,
    faults: Faults,
}

impl FaultySigner {
    /// `inner`, which fails as `faults` say.
    pub fn new(inner: Arc<dyn Signer>, faults: Faults) -> Self {
        Self { inner, faults }
    }

    async fn sign_with(
        &self,
        failure: Failure,
        tbs: &TbsCertificate,
        algorithm: SignatureAlgorithm,
    ) -> Result<Vec<u8>, SignerError> {
        if let Failure::Before(fault) = failure {
            return Err(fault.into());
        }
        let mut signature = self.inner.sign(tbs, algorithm).await?;
        match failure {
            Failure::After(fault) | Failure::Before(fault) => Err(fault.into()),
            Failure::BitFlip => {
                if let Some(byte) = signature.last_mut() {
                    *byte ^= 1;
                }
                Ok(signature)
            }
            Failure::Garbage => Ok(vec![0xaa; signature.len()]),
            Failure::Hang => std::future::pending().await,
            Failure::OtherKey => other_key(self.public_key()).await?.sign(tbs, algorithm).await,
        }
    }
}

/// A key like `key`.
async fn other_key(key: &PublicKey) -> Result<InProcessSigner, SignerError> {
    let spec = KeySpec::of(key).expect("a signer's key has a KeySpec");
    Ok(InProcessSigner::from_pkcs8(&generate(spec).await?)?)
}

impl fmt::Debug for FaultySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultySigner({})", self.public_key().fingerprint())
    }
}

#[async_trait]
impl Signer for FaultySigner {
    fn public_key(&self) -> &PublicKey {
        self.inner.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn message_limit(&self) -> Option<usize> {
        self.inner.message_limit()
    }

    async fn sign(
        &self,
        tbs: &TbsCertificate,
        algorithm: SignatureAlgorithm,
    ) -> Result<Vec<u8>, SignerError> {
        match self.faults.next(Operation::Sign).await {
            Some(failure) => self.sign_with(failure, tbs, algorithm).await,
            None => self.inner.sign(tbs, algorithm).await,
        }
    }
}

/// Wraps a keyring; its signers are wrapped too, and fail as the same [`Faults`] say.
pub struct FaultyKeyring<K> {
    inner: K,
    faults: Faults,
}

impl<K: Keyring> FaultyKeyring<K> {
    /// `inner`, without any faults yet.
    pub fn new(inner: K) -> Self {
        Self {
            inner,
            faults: Faults::default(),
        }
    }

    /// What is to fail, and what was asked.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

#[async_trait]
impl<K: Keyring> Keyring for FaultyKeyring<K> {
    async fn create(&self, id: &AuthorityId, spec: KeySpec) -> Result<(PublicKey, Custody), SignerError> {
        self.faults
            .run(Operation::Create, self.inner.create(id, spec))
            .await
    }

    async fn import(&self, id: &AuthorityId, key: &Pkcs8Key) -> Result<(PublicKey, Custody), SignerError> {
        self.faults
            .run(Operation::Import, self.inner.import(id, key))
            .await
    }

    async fn bind(&self, kms_key: &str) -> Result<(PublicKey, Custody), SignerError> {
        self.faults.run(Operation::Bind, self.inner.bind(kms_key)).await
    }

    async fn signer(&self, authority: &Authority) -> Result<Arc<dyn Signer>, SignerError> {
        let inner = self
            .faults
            .run(Operation::Signer, self.inner.signer(authority))
            .await?;
        Ok(Arc::new(FaultySigner::new(inner, self.faults.clone())))
    }

    async fn retire(&self, authority: &Authority) -> Result<(), SignerError> {
        self.faults
            .run(Operation::Retire, self.inner.retire(authority))
            .await
    }

    async fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.faults
            .run(Operation::Seal, self.inner.seal(context, secret))
            .await
    }

    async fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        self.faults
            .run(Operation::Open, self.inner.open(context, sealed))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::{Certificate, IssuedCertificate, SignatureError, signature_blob};
    use std::{future::poll_fn, task::Poll};

    struct Issuer {
        faults: Faults,
        signer: FaultySigner,
    }

    impl Issuer {
        async fn new(spec: KeySpec) -> Self {
            let inner = InProcessSigner::from_pkcs8(&generate(spec).await.unwrap()).unwrap();
            let faults = Faults::default();
            let signer = FaultySigner::new(Arc::new(inner), faults.clone());
            Self { faults, signer }
        }

        /// Signs as [`crate::issue`] does.
        async fn issue(&self) -> Result<IssuedCertificate, SignerError> {
            let golden = Certificate::from_line(include_str!("../ssh/golden-cert.pub")).unwrap();
            let mut fields = golden.fields().clone();
            fields.signature_key = self.signer.public_key().clone();
            let tbs = TbsCertificate::encode(fields);
            let algorithm = self.signer.algorithm();
            let raw = self.signer.sign(&tbs, algorithm).await?;
            let blob =
                signature_blob(algorithm, self.signer.public_key(), &raw).map_err(SignerError::Signature)?;
            IssuedCertificate::attach(tbs, blob).map_err(SignerError::Signature)
        }
    }

    #[tokio::test]
    async fn no_lie_becomes_a_certificate() {
        for spec in [
            KeySpec::Ed25519,
            KeySpec::P256,
            KeySpec::P384,
            KeySpec::P521,
            KeySpec::Rsa2048,
        ] {
            let issuer = Issuer::new(spec).await;
            for failure in [Failure::BitFlip, Failure::Garbage, Failure::OtherKey] {
                issuer.faults.fail_next(Operation::Sign, failure);
                let outcome = issuer.issue().await;
                let refused = matches!(
                    outcome,
                    Err(SignerError::Signature(
                        SignatureError::Mismatch | SignatureError::Malformed
                    ))
                );
                assert!(refused, "{spec:?} {failure:?}: {outcome:?}");
                assert!(issuer.issue().await.is_ok(), "once");
            }
            assert_eq!(issuer.faults.count(Operation::Sign), 6);
        }
    }

    #[tokio::test]
    async fn failures_come_when_they_are_due() {
        let issuer = Issuer::new(KeySpec::Ed25519).await;
        issuer
            .faults
            .fail_nth(Operation::Sign, 2, Failure::Before(Fault::Throttled));
        issuer
            .faults
            .fail_nth(Operation::Sign, 3, Failure::After(Fault::Unavailable));
        assert!(issuer.issue().await.is_ok());
        assert!(matches!(issuer.issue().await, Err(SignerError::Throttled)));
        assert!(matches!(issuer.issue().await, Err(SignerError::Unavailable(_))));
        issuer
            .faults
            .fail_always(Operation::Sign, Failure::Before(Fault::KeyUnusable));
        for _ in 0..3 {
            assert!(matches!(issuer.issue().await, Err(SignerError::KeyUnusable(_))));
        }
        issuer.faults.clear();
        assert!(issuer.issue().await.is_ok());
    }

    #[tokio::test]
    async fn a_hang_never_answers() {
        let issuer = Issuer::new(KeySpec::Ed25519).await;
        issuer.faults.fail_next(Operation::Sign, Failure::Hang);
        let mut hanging = Box::pin(issuer.issue());
        for _ in 0..3 {
            let pending = poll_fn(|context| Poll::Ready(hanging.as_mut().poll(context).is_pending())).await;
            assert!(pending);
        }
        assert!(issuer.issue().await.is_ok());
    }

    #[tokio::test]
    async fn a_pause_holds_one_operation_until_it_is_ended() {
        let issuer = Issuer::new(KeySpec::Ed25519).await;
        let pause = issuer.faults.pause_next(Operation::Sign);
        let mut waiting = Box::pin(issuer.issue());
        let pending = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending())).await;
        assert!(pending);
        pause.begun().await;
        assert!(issuer.issue().await.is_ok(), "the next one passes");
        pause.end();
        assert!(waiting.await.is_ok());
    }

    #[cfg(feature = "local-key")]
    #[tokio::test]
    async fn a_keyring_fails_with_its_signers() {
        let random = crate::random::SystemRandomSource::default();
        let keyring = FaultyKeyring::new(crate::signer::local::LocalKeyring::in_memory(&random).unwrap());
        keyring
            .faults()
            .fail_next(Operation::Seal, Failure::Before(Fault::Unavailable));
        assert!(keyring.seal("a", b"secret").await.is_err());
        let sealed = keyring.seal("a", b"secret").await.unwrap();
        keyring
            .faults()
            .fail_next(Operation::Open, Failure::After(Fault::KeyUnusable));
        assert!(keyring.open("a", &sealed).await.is_err());
        assert!(keyring.open("a", &sealed).await.is_ok());

        let id = AuthorityId::draw(0, &random).unwrap();
        let (key, custody) = keyring.create(&id, KeySpec::Ed25519).await.unwrap();
        let authority = Authority {
            id,
            public_key: key.to_line(),
            custody,
            state: crate::authority::AuthorityState::Active,
            created_at: 0,
            description: String::new(),
            metadata: String::new(),
        };
        let signer = keyring.signer(&authority).await.unwrap();
        keyring
            .faults()
            .fail_next(Operation::Sign, Failure::Before(Fault::Throttled));
        let golden = Certificate::from_line(include_str!("../ssh/golden-cert.pub")).unwrap();
        let tbs = TbsCertificate::encode(golden.fields().clone());
        assert!(matches!(
            signer.sign(&tbs, signer.algorithm()).await,
            Err(SignerError::Throttled)
        ));
        let counts = [
            Operation::Seal,
            Operation::Open,
            Operation::Create,
            Operation::Signer,
            Operation::Sign,
        ]
        .map(|operation| keyring.faults().count(operation));
        assert_eq!(counts, [2, 2, 1, 1, 1]);
    }
}
