//! The keyring of local mode: CA keys sealed under a key in the data directory, signing in this process.

use super::{InProcessSigner, Keyring, Pkcs8Key, Signer, SignerCache, SignerError, in_process};
use crate::{
    authority::{Authority, AuthorityId, Custody, KeySpec},
    error::Error,
    random::{self, Random, SystemRandomSource},
    ssh::PublicKey,
};
use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// The file in the data directory that holds the sealing key: 32 bytes, readable by its owner alone.
pub const SEALING_KEY_FILE: &str = "sealing.key";

const KEY_BYTES: usize = 32;
/// The first byte of everything sealed, for the day when the form changes.
const SEALED_FORM: u8 = 1;
/// As KMS, so that nothing works locally that a deployment then refuses.
const MAX_SECRET_BYTES: usize = 4096;

/// A keyring without KMS: AES-256-GCM under one sealing key, with random nonces and the context as additional data.
pub struct LocalKeyring {
    key: RandomizedNonceKey,
    signers: SignerCache,
}

impl LocalKeyring {
    /// The keyring whose sealing key lies in `data_dir`, where it is made if it is not there.
    ///
    /// # Errors
    /// [`LocalKeyringError`].
    pub fn open(data_dir: &Path) -> Result<Self, LocalKeyringError> {
        let path = data_dir.join(SEALING_KEY_FILE);
        if !path
            .try_exists()
            .map_err(|error| LocalKeyringError::io(&path, error))?
        {
            create_key_file(data_dir, &path).map_err(|error| LocalKeyringError::io(&path, error))?;
        }
        Ok(Self::new(&*read_key_file(&path)?))
    }

    /// A keyring whose sealing key is drawn from `random` and ends with it.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn in_memory(random: &dyn Random) -> Result<Self, Error> {
        Ok(Self::new(&Zeroizing::new(random::bytes(random)?)))
    }

    /// The keyring with this sealing key.
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self {
            key: RandomizedNonceKey::new(&AES_256_GCM, key).expect("AES-256 takes every key of 32 bytes"),
            signers: SignerCache::default(),
        }
    }

    fn seal_as(&self, purpose: Purpose, context: &str, secret: &[u8]) -> Result<Vec<u8>, SignerError> {
        // Sealed in place, with room for the tag, so that no copy of the secret stays behind.
        let mut sealed = Vec::with_capacity(secret.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(secret);
        let nonce = self
            .key
            .seal_in_place_append_tag(purpose.additional_data(context), &mut sealed)
            .map_err(|error| SignerError::Unavailable(error.into()))?;
        Ok([&[SEALED_FORM], &nonce.as_ref()[..], &sealed].concat())
    }

    fn open_as(
        &self,
        purpose: Purpose,
        context: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        let foreign =
            || SignerError::KeyUnusable("this was not sealed by this keyring for this purpose".into());
        let (nonce, sealed) = sealed
            .strip_prefix(&[SEALED_FORM])
            .and_then(|rest| rest.split_at_checked(NONCE_LEN))
            .ok_or_else(foreign)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| foreign())?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let len = self
            .key
            .open_in_place(nonce, purpose.additional_data(context), &mut opened)
            .map_err(|_| foreign())?
            .len();
        opened.truncate(len);
        Ok(opened)
    }

    fn keep(&self, id: &AuthorityId, key: &Pkcs8Key) -> Result<(PublicKey, Custody), SignerError> {
        let signer = InProcessSigner::from_pkcs8(key)?;
        let sealed = self.seal_as(Purpose::AuthorityKey, id.as_str(), key)?;
        let custody = Custody::Local {
            sealed_key: STANDARD.encode(sealed),
        };
        Ok((signer.public_key().clone(), custody))
    }

    fn unseal(&self, authority: &Authority) -> Result<InProcessSigner, SignerError> {
        let Custody::Local { sealed_key } = &authority.custody else {
            return Err(SignerError::KeyUnusable(
                "the authority's key is in KMS, which local mode has not".into(),
            ));
        };
        let sealed = STANDARD
            .decode(sealed_key)
            .map_err(|error| SignerError::KeyUnusable(error.into()))?;
        let key = self.open_as(Purpose::AuthorityKey, authority.id.as_str(), &sealed)?;
        InProcessSigner::from_pkcs8(&key).map_err(|error| SignerError::KeyUnusable(error.into()))
    }
}

/// What a sealed thing is, so that none can be passed off as another.
#[derive(Clone, Copy)]
enum Purpose {
    AuthorityKey,
    Secret,
}

impl Purpose {
    fn additional_data(self, context: &str) -> Aad<Vec<u8>> {
        let purpose = match self {
            Self::AuthorityKey => "authority-key",
            Self::Secret => "secret",
        };
        Aad::from(format!("{purpose}\0{context}").into_bytes())
    }
}

#[async_trait]
impl Keyring for LocalKeyring {
    async fn create(&self, id: &AuthorityId, spec: KeySpec) -> Result<(PublicKey, Custody), SignerError> {
        self.keep(id, &in_process::generate(spec).await?)
    }

    async fn import(&self, id: &AuthorityId, key: &Pkcs8Key) -> Result<(PublicKey, Custody), SignerError> {
        self.keep(id, key)
    }

    async fn bind(&self, _kms_key: &str) -> Result<(PublicKey, Custody), SignerError> {
        Err(SignerError::CannotSign(
            "local mode has no KMS: create a key, or import one".into(),
        ))
    }

    async fn signer(&self, authority: &Authority) -> Result<Arc<dyn Signer>, SignerError> {
        if let Some(signer) = self.signers.find(&authority.id) {
            return Ok(signer);
        }
        let signer: Arc<dyn Signer> = Arc::new(self.unseal(authority)?);
        self.signers.keep(&authority.id, &signer);
        Ok(signer)
    }

    async fn retire(&self, authority: &Authority) -> Result<(), SignerError> {
        self.signers.forget(&authority.id);
        Ok(())
    }

    async fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SignerError> {
        if secret.len() > MAX_SECRET_BYTES {
            return Err(SignerError::CannotSign(format!(
                "a secret has at most {MAX_SECRET_BYTES} bytes"
            )));
        }
        self.seal_as(Purpose::Secret, context, secret)
    }

    async fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        self.open_as(Purpose::Secret, context, sealed)
    }
}

/// Why there is no sealing key.
#[derive(Debug, thiserror::Error)]
pub enum LocalKeyringError {
    /// The file cannot be read or made.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is not a sealing key: it has not exactly {KEY_BYTES} bytes", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// Others may read or change the file.
    #[error("{} is open to others (mode {mode:03o}); nobody but its owner may read it: chmod 600", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

impl LocalKeyringError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Puts a new sealing key at `path`, whole or not at all, and never over one that is there.
fn create_key_file(data_dir: &Path, path: &Path) -> io::Result<()> {
    let random = SystemRandomSource::default();
    let key = Zeroizing::new(random::bytes::<KEY_BYTES>(&random).map_err(io::Error::other)?);
    let suffix: [u8; 8] = random::bytes(&random).map_err(io::Error::other)?;
    let draft = data_dir.join(format!("{SEALING_KEY_FILE}.{:016x}", u64::from_be_bytes(suffix)));
    let outcome = write_private(&draft, &*key).and_then(|()| match fs::hard_link(&draft, path) {
        // Another process was quicker: its key counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    outcome.and(removed)?;
    sync_directory(data_dir)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a new name in `directory` outlast a power failure.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(directory)?.sync_all()
    } else {
        Ok(())
    }
}

fn read_key_file(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, LocalKeyringError> {
    let io_error = |error| LocalKeyringError::io(path, error);
    #[cfg(unix)]
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).map_err(io_error)?.permissions());
        if mode & 0o077 != 0 {
            return Err(LocalKeyringError::OpenToOthers {
                path: path.to_owned(),
                mode: mode & 0o777,
            });
        }
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(io_error)?);
    let key = <[u8; KEY_BYTES]>::try_from(&bytes[..]).map_err(|_| LocalKeyringError::NotAKey {
        path: path.to_owned(),
    })?;
    Ok(Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::AuthorityState;

    fn keyring() -> LocalKeyring {
        LocalKeyring::in_memory(&SystemRandomSource::default()).unwrap()
    }

    fn id() -> AuthorityId {
        AuthorityId::draw(1_800_000_000, &SystemRandomSource::default()).unwrap()
    }

    fn authority(id: &AuthorityId, key: &PublicKey, custody: Custody) -> Authority {
        Authority {
            id: id.clone(),
            public_key: key.to_line(),
            custody,
            state: AuthorityState::Active,
            created_at: 0,
            description: String::new(),
            metadata: String::new(),
        }
    }

    fn assert_unusable<T>(outcome: Result<T, SignerError>) {
        assert!(matches!(outcome, Err(SignerError::KeyUnusable(_))));
    }

    #[tokio::test]
    async fn a_made_key_signs_under_its_own_id_and_keyring_alone() {
        let (keyring, id) = (keyring(), id());
        let (key, custody) = keyring.create(&id, KeySpec::P384).await.unwrap();
        let authority = authority(&id, &key, custody);
        let signer = keyring.signer(&authority).await.unwrap();
        assert_eq!(*signer.public_key(), key);
        let again = keyring.signer(&authority).await.unwrap();
        assert!(Arc::ptr_eq(&signer, &again), "opened once");

        keyring.retire(&authority).await.unwrap();
        let renamed = Authority {
            id: self::id(),
            ..authority.clone()
        };
        assert_unusable(keyring.signer(&renamed).await);
        assert_unusable(self::keyring().signer(&authority).await);
        let elsewhere = Authority {
            custody: Custody::Kms {
                key: "arn".into(),
                managed: false,
            },
            ..authority
        };
        assert_unusable(keyring.signer(&elsewhere).await);
    }

    #[tokio::test]
    async fn an_imported_key_is_the_key_that_was_given() {
        let key = in_process::generate(KeySpec::Ed25519).await.unwrap();
        let (public_key, _) = keyring().import(&id(), &key).await.unwrap();
        assert_eq!(
            public_key,
            *InProcessSigner::from_pkcs8(&key).unwrap().public_key()
        );
        let nonsense = Pkcs8Key::new(vec![1, 2, 3]);
        assert!(matches!(
            keyring().import(&id(), &nonsense).await,
            Err(SignerError::CannotSign(_))
        ));
        assert!(matches!(
            keyring().bind("alias/ca").await,
            Err(SignerError::CannotSign(_))
        ));
    }

    #[tokio::test]
    async fn a_secret_opens_in_its_context_alone_and_never_changed() {
        let keyring = keyring();
        let sealed = keyring.seal("a", b"secret").await.unwrap();
        assert_eq!(**keyring.open("a", &sealed).await.unwrap(), *b"secret");
        assert_unusable(keyring.open("b", &sealed).await);
        assert_unusable(self::keyring().open("a", &sealed).await);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_unusable(keyring.open("a", &changed).await);
        }
        for len in 0..sealed.len() {
            assert_unusable(keyring.open("a", &sealed[..len]).await);
        }
        assert_ne!(
            sealed,
            keyring.seal("a", b"secret").await.unwrap(),
            "nonces are random"
        );
        assert!(keyring.seal("a", &[0; 4096]).await.is_ok());
        assert!(matches!(
            keyring.seal("a", &[0; 4097]).await,
            Err(SignerError::CannotSign(_))
        ));
    }

    #[tokio::test]
    async fn a_secret_is_no_authority_key() {
        let (keyring, id) = (keyring(), id());
        let key = in_process::generate(KeySpec::Ed25519).await.unwrap();
        let public_key = InProcessSigner::from_pkcs8(&key).unwrap().public_key().clone();
        let sealed = keyring.seal(id.as_str(), &key).await.unwrap();
        let custody = Custody::Local {
            sealed_key: STANDARD.encode(sealed),
        };
        assert_unusable(keyring.signer(&authority(&id, &public_key, custody)).await);
    }

    #[tokio::test]
    async fn the_data_directory_keeps_the_sealing_key() {
        let directory = tempfile::tempdir().unwrap();
        let sealed = LocalKeyring::open(directory.path())
            .unwrap()
            .seal("a", b"secret")
            .await
            .unwrap();
        let reopened = LocalKeyring::open(directory.path()).unwrap();
        assert_eq!(**reopened.open("a", &sealed).await.unwrap(), *b"secret");
        let names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [SEALING_KEY_FILE], "no draft stays");
    }

    #[test]
    fn a_key_file_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SEALING_KEY_FILE);
        create_key_file(directory.path(), &path).unwrap();
        let key = fs::read(&path).unwrap();
        create_key_file(directory.path(), &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), key);
    }

    #[test]
    fn a_key_file_of_another_length_or_open_to_others_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SEALING_KEY_FILE);
        write_private(&path, &[7; 31]).unwrap();
        assert!(matches!(
            LocalKeyring::open(directory.path()),
            Err(LocalKeyringError::NotAKey { .. })
        ));
        #[cfg(unix)]
        {
            fs::write(&path, [7; 32]).unwrap();
            assert!(LocalKeyring::open(directory.path()).is_ok());
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
            let refused = LocalKeyring::open(directory.path()).err().unwrap();
            assert!(refused.to_string().contains("mode 640"), "{refused}");
        }
        let missing = directory.path().join("missing");
        assert!(matches!(
            LocalKeyring::open(&missing),
            Err(LocalKeyringError::Io { .. })
        ));
    }
}
