//! A keyring whose next signature can be made to wait.

use async_trait::async_trait;
use countersign::{
    authority::{Authority, AuthorityId, Custody, KeySpec},
    random::SystemRandomSource,
    signer::{Keyring, Pkcs8Key, Signer, SignerError, local::LocalKeyring},
    ssh::{PublicKey, SignatureAlgorithm, TbsCertificate},
};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// A signature that waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pause {
    /// The signer was called.
    pub(crate) begun: Arc<Notify>,
    /// It may go on.
    pub(crate) go_on: Arc<Notify>,
}

type Next = Arc<Mutex<Option<Pause>>>;

/// [`LocalKeyring`] with a pause.
pub(crate) struct PausingKeyring {
    inner: LocalKeyring,
    next: Next,
}

impl PausingKeyring {
    pub(super) fn new() -> Self {
        Self {
            inner: LocalKeyring::in_memory(&SystemRandomSource::default()).unwrap(),
            next: Next::default(),
        }
    }

    /// Lets the next signature wait.
    pub(crate) fn pause_next(&self) -> Pause {
        let pause = Pause::default();
        *self.next.lock().unwrap() = Some(pause.clone());
        pause
    }
}

#[async_trait]
impl Keyring for PausingKeyring {
    async fn create(&self, id: &AuthorityId, spec: KeySpec) -> Result<(PublicKey, Custody), SignerError> {
        self.inner.create(id, spec).await
    }

    async fn import(&self, id: &AuthorityId, key: &Pkcs8Key) -> Result<(PublicKey, Custody), SignerError> {
        self.inner.import(id, key).await
    }

    async fn bind(&self, kms_key: &str) -> Result<(PublicKey, Custody), SignerError> {
        self.inner.bind(kms_key).await
    }

    async fn signer(&self, authority: &Authority) -> Result<Arc<dyn Signer>, SignerError> {
        let inner = self.inner.signer(authority).await?;
        let next = self.next.clone();
        Ok(Arc::new(PausingSigner { inner, next }))
    }

    async fn retire(&self, authority: &Authority) -> Result<(), SignerError> {
        self.inner.retire(authority).await
    }

    async fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.inner.seal(context, secret).await
    }

    async fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        self.inner.open(context, sealed).await
    }
}

struct PausingSigner {
    inner: Arc<dyn Signer>,
    next: Next,
}

#[async_trait]
impl Signer for PausingSigner {
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
        let pause = self.next.lock().unwrap().take();
        if let Some(Pause { begun, go_on }) = pause {
            begun.notify_one();
            go_on.notified().await;
        }
        self.inner.sign(tbs, algorithm).await
    }
}
