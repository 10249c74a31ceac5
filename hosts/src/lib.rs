//! Commands on hosts over SSH, for the programs that reach hosts: the Vault function, the reaper and the local server.
//! The SSH client brings a second stack of cryptography along, so the others go without.

use async_trait::async_trait;
use countersign::{
    clock::Clock,
    hosts::{HostError, HostKey, HostKeys, HostLogin, Hosts},
    signer::private_key::GeneratedKey,
    ssh::{KeyKind, PublicKey},
};
use russh::{
    ChannelMsg, Disconnect, Preferred,
    client::{self, Handle},
    keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate},
};
use std::{
    borrow::Cow,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(8);
/// How long the whole may take. API Gateway waits 30 seconds for a function.
const LIMIT: Duration = Duration::from_secs(20);

/// Hosts, reached over SSH.
pub struct SshHosts {
    clock: Arc<dyn Clock>,
}

impl SshHosts {
    /// Judges host certificates by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    async fn connect(&self, login: &HostLogin) -> Result<Handle<Checker>, HostError> {
        let unreachable = |error: &dyn std::fmt::Display| HostError::Unreachable(error.to_string());
        let stream = timeout(CONNECT_LIMIT, TcpStream::connect(login.address)).await;
        let stream = stream
            .map_err(|_| unreachable(&"it does not answer"))?
            .map_err(|error| unreachable(&error.kind()))?;
        let refused = Arc::new(Mutex::new(None));
        let checker = Checker {
            expected: login.host_keys.clone(),
            address: login.address.ip(),
            now: self.clock.now(),
            refused: refused.clone(),
        };
        let config = client::Config {
            preferred: preferred(&login.host_keys),
            ..client::Config::default()
        };
        let connected = client::connect_stream(Arc::new(config), stream, checker).await;
        connected.map_err(|error| {
            let refused = countersign::lock(&refused).take();
            refused.map_or_else(|| unreachable(&error), HostError::HostKey)
        })
    }

    async fn authenticate(&self, session: &mut Handle<Checker>, login: &HostLogin) -> Result<(), HostError> {
        let unreachable = |error: russh::Error| HostError::Unreachable(error.to_string());
        let unusable = || HostError::Unreachable("the private key of the admin user cannot be used".into());
        let key = GeneratedKey::from_pkcs8(&login.key).map_err(|_| unusable())?;
        let key = PrivateKey::from_openssh(key.to_openssh("").as_bytes()).map_err(|_| unusable())?;
        let hash = if key.algorithm().is_rsa() {
            // Where the host does not say, what every host of this century knows.
            let best = session.best_supported_rsa_hash().await.map_err(unreachable)?;
            best.flatten().or(Some(HashAlg::Sha256))
        } else {
            None
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let outcome = session.authenticate_publickey(&login.user, key).await;
        if outcome.map_err(unreachable)?.success() {
            Ok(())
        } else {
            Err(HostError::Login)
        }
    }
}

#[async_trait]
impl Hosts for SshHosts {
    async fn run(&self, login: &HostLogin, command: &str, input: &[u8]) -> Result<(), HostError> {
        let whole = async {
            let mut session = self.connect(login).await?;
            self.authenticate(&mut session, login).await?;
            let outcome = execute(&session, command, input).await;
            // The host may have gone already.
            let _ = session.disconnect(Disconnect::ByApplication, "", "").await;
            outcome
        };
        timeout(LIMIT, whole).await.unwrap_or(Err(HostError::TimedOut))
    }
}

/// Runs `command`, whose output nobody wants.
async fn execute(session: &Handle<Checker>, command: &str, input: &[u8]) -> Result<(), HostError> {
    let broken = |_: russh::Error| HostError::Command(None);
    let mut channel = session.channel_open_session().await.map_err(broken)?;
    channel.exec(true, command).await.map_err(broken)?;
    channel.data(input).await.map_err(broken)?;
    channel.eof().await.map_err(broken)?;
    let mut status = None;
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            ChannelMsg::Failure => return Err(HostError::Command(None)),
            _ => {}
        }
    }
    match status {
        Some(0) => Ok(()),
        status => Err(HostError::Command(status)),
    }
}

/// Asks the host for what it will be judged by: a host with several keys would else show another one.
fn preferred(expected: &HostKeys) -> Preferred {
    let (mut keys, mut certificates) = (Vec::new(), Vec::new());
    match expected {
        HostKeys::Any => return Preferred::default(),
        HostKeys::Known(known) => {
            for key in known {
                match key {
                    // A CA of one type certifies keys of every type.
                    HostKey::Authority(_) => certificates = every_algorithm(),
                    HostKey::Key(key) => keys.extend(algorithms(key)),
                }
            }
        }
    }
    if keys.is_empty() {
        // Something has to be offered; a bare key is refused then.
        keys = every_algorithm();
    }
    Preferred {
        key: Cow::Owned(keys),
        host_key_certificates: Cow::Owned(certificates),
        ..Preferred::default()
    }
}

fn every_algorithm() -> Vec<Algorithm> {
    let curves = [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521];
    let mut all = vec![Algorithm::Ed25519];
    all.extend(curves.map(|curve| Algorithm::Ecdsa { curve }));
    all.extend(rsa());
    all
}

fn rsa() -> [Algorithm; 2] {
    [HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) })
}

fn algorithms(key: &PublicKey) -> Vec<Algorithm> {
    match key.kind() {
        KeyKind::Rsa => rsa().to_vec(),
        _ => Algorithm::new(key.name()).into_iter().collect(),
    }
}

/// Judges what the host shows.
struct Checker {
    expected: HostKeys,
    address: IpAddr,
    now: u64,
    /// The fingerprint of what was refused.
    refused: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Checker {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let (is_right, fingerprint) = match shown {
            PublicKeyOrCertificate::Certificate(certificate) => {
                let key = russh::keys::PublicKey::new(certificate.public_key().clone(), "");
                (
                    self.takes_certificate(certificate),
                    key.fingerprint(HashAlg::Sha256),
                )
            }
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                let bytes = key.to_bytes().unwrap_or_default();
                (self.takes_key(&bytes), key.fingerprint(HashAlg::Sha256))
            }
        };
        if !is_right {
            *countersign::lock(&self.refused) = Some(fingerprint.to_string());
        }
        Ok(is_right)
    }
}

impl Checker {
    fn takes_key(&self, blob: &[u8]) -> bool {
        match &self.expected {
            HostKeys::Any => true,
            HostKeys::Known(known) => known
                .iter()
                .any(|known| matches!(known, HostKey::Key(key) if key.to_blob() == blob)),
        }
    }

    /// A host certificate of a known authority, for this very address and time, without a condition that we would
    /// have to know. Other CAs than ours number theirs with 0, so this is not read as one of ours.
    fn takes_certificate(&self, certificate: &russh::keys::Certificate) -> bool {
        let HostKeys::Known(known) = &self.expected else {
            return true;
        };
        let address = self.address.to_string();
        let authority = russh::keys::PublicKey::new(certificate.signature_key().clone(), "");
        let authority = authority.to_bytes().unwrap_or_default();
        let is_sha1 = certificate.signature().algorithm() == Algorithm::Rsa { hash: None };
        certificate.cert_type().is_host()
            && !is_sha1
            && (certificate.valid_after()..certificate.valid_before()).contains(&self.now)
            && certificate.critical_options().is_empty()
            && certificate.valid_principals().contains(&address)
            && known
                .iter()
                .any(|known| matches!(known, HostKey::Authority(key) if key.to_blob() == authority))
            && certificate.verify_signature().is_ok()
    }
}
