//! A FIDO authenticator without hardware: an agent that holds an `sk-` key and signs as a security key would
//! (PROTOCOL.u2f for the signatures, draft-miller-ssh-agent for the messages).

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::wire::{put_mpint, put_string, take_string};

const SSH_AGENT_FAILURE: u8 = 5;
const SSH_AGENTC_REQUEST_IDENTITIES: u8 = 11;
const SSH_AGENT_IDENTITIES_ANSWER: u8 = 12;
const SSH_AGENTC_SIGN_REQUEST: u8 = 13;
const SSH_AGENT_SIGN_RESPONSE: u8 = 14;
/// OpenSSH's own limit of an agent's message.
const MESSAGE_LIMIT: usize = 256 * 1024;
/// The application of keys that `ssh-keygen -t …-sk` makes by default.
const APPLICATION: &str = "ssh:";
const COMMENT: &[u8] = b"software authenticator";

/// The two kinds of FIDO key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkKeyType {
    /// `sk-ecdsa-sha2-nistp256@openssh.com`.
    EcdsaP256,
    /// `sk-ssh-ed25519@openssh.com`.
    Ed25519,
}

impl SkKeyType {
    /// The name of the key type, and of its signatures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
            Self::Ed25519 => "sk-ssh-ed25519@openssh.com",
        }
    }
}

/// What the authenticator asserts of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nobody touched it.
    Absent,
    /// Somebody touched it.
    Touched,
    /// Somebody touched it and proved, by PIN or fingerprint, to be its owner.
    Verified,
}

impl Presence {
    /// The flags byte of an assertion: bit 0 user presence, bit 2 user verification (WebAuthn, section 6.1).
    fn flags(self) -> u8 {
        match self {
            Self::Absent => 0,
            Self::Touched => 0x01,
            Self::Verified => 0x05,
        }
    }
}

/// An agent with one FIDO key, on a socket of its own. It offers the certificates that it was given, or else the key.
#[derive(Debug)]
pub struct SoftwareAuthenticator {
    shared: Arc<Shared>,
    directory: TempDir,
    stopped: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl SoftwareAuthenticator {
    /// Makes a key and starts answering.
    ///
    /// # Errors
    /// No key or no socket can be made.
    pub fn start(key_type: SkKeyType, presence: Presence) -> Result<Self> {
        let shared = Arc::new(Shared {
            key: SkKey::generate(key_type)?,
            presence,
            counter: AtomicU32::new(1),
            certificates: Mutex::default(),
        });
        let directory = TempDir::with_prefix("countersign-sk-")?;
        let socket =
            UnixListener::bind(socket_in(&directory)).context("cannot listen on the agent's socket")?;
        let stopped = Arc::new(AtomicBool::new(false));
        let listener = thread::spawn({
            let (shared, stopped) = (Arc::clone(&shared), Arc::clone(&stopped));
            move || listen(&socket, &shared, &stopped)
        });
        Ok(Self {
            shared,
            directory,
            stopped,
            listener: Some(listener),
        })
    }

    /// The public key's line, to be certified.
    #[must_use]
    pub fn public_key(&self) -> String {
        format!(
            "{} {} software-authenticator",
            self.shared.key.key_type().name(),
            STANDARD.encode(self.shared.key.blob())
        )
    }

    /// Offers a certificate, given as its line, from now on.
    ///
    /// # Errors
    /// The line is not `<type> <base64> [comment]`.
    pub fn present(&self, certificate: &str) -> Result<()> {
        let encoded = certificate
            .split_whitespace()
            .nth(1)
            .context("a certificate's line has a second word")?;
        let blob = STANDARD
            .decode(encoded)
            .context("a certificate's second word is Base64")?;
        self.shared
            .certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(blob);
        Ok(())
    }

    /// The agent's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket_in(&self.directory)
    }
}

impl Drop for SoftwareAuthenticator {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is to end.
        let woken = UnixStream::connect(self.socket()).is_ok();
        if let Some(listener) = self.listener.take().filter(|_| woken) {
            let _ = listener.join();
        }
    }
}

fn socket_in(directory: &TempDir) -> PathBuf {
    Path::join(directory.path(), "agent")
}

fn listen(socket: &UnixListener, shared: &Arc<Shared>, stopped: &AtomicBool) {
    for client in socket.incoming() {
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        if let Ok(client) = client {
            let shared = Arc::clone(shared);
            // A client that leaves, or sends what is no message, ends its own conversation only.
            thread::spawn(move || shared.converse(client));
        }
    }
}

/// What every conversation with the agent sees.
#[derive(Debug)]
struct Shared {
    key: SkKey,
    presence: Presence,
    counter: AtomicU32,
    certificates: Mutex<Vec<Vec<u8>>>,
}

impl Shared {
    fn converse(&self, mut client: UnixStream) -> Result<()> {
        loop {
            let request = read_message(&mut client)?;
            let answer = self.answer(&request).unwrap_or_else(|_| vec![SSH_AGENT_FAILURE]);
            let mut framed = Vec::new();
            put_string(&mut framed, &answer);
            client.write_all(&framed)?;
        }
    }

    fn answer(&self, request: &[u8]) -> Result<Vec<u8>> {
        match request.split_first() {
            Some((&SSH_AGENTC_REQUEST_IDENTITIES, _)) => self.identities(),
            Some((&SSH_AGENTC_SIGN_REQUEST, body)) => self.signature(body),
            _ => bail!("a request that this agent does not know"),
        }
    }

    fn identities(&self) -> Result<Vec<u8>> {
        let offered = self.offered();
        let mut answer = vec![SSH_AGENT_IDENTITIES_ANSWER];
        answer.extend_from_slice(&u32::try_from(offered.len())?.to_be_bytes());
        for blob in offered {
            put_string(&mut answer, &blob);
            put_string(&mut answer, COMMENT);
        }
        Ok(answer)
    }

    fn offered(&self) -> Vec<Vec<u8>> {
        let certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if certificates.is_empty() {
            vec![self.key.blob()]
        } else {
            certificates.clone()
        }
    }

    fn signature(&self, mut body: &[u8]) -> Result<Vec<u8>> {
        let wanted = take_string(&mut body)?;
        let data = take_string(&mut body)?;
        ensure!(
            self.offered().iter().any(|blob| blob == wanted),
            "not a key of this agent"
        );
        let counter = self.counter.fetch_add(1, Ordering::SeqCst);
        let mut answer = vec![SSH_AGENT_SIGN_RESPONSE];
        put_string(&mut answer, &self.key.sign(data, self.presence.flags(), counter)?);
        Ok(answer)
    }
}

fn read_message(client: &mut UnixStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length))?;
    ensure!(length <= MESSAGE_LIMIT, "a message of {length} bytes");
    let mut message = vec![0; length];
    client.read_exact(&mut message)?;
    Ok(message)
}

#[derive(Debug)]
enum SkKey {
    EcdsaP256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SkKey {
    fn generate(key_type: SkKeyType) -> Result<Self> {
        match key_type {
            SkKeyType::EcdsaP256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::EcdsaP256)
            }
            SkKeyType::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
        }
        .context("cannot make a key")
    }

    fn key_type(&self) -> SkKeyType {
        match self {
            Self::EcdsaP256(_) => SkKeyType::EcdsaP256,
            Self::Ed25519(_) => SkKeyType::Ed25519,
        }
    }

    /// The public key as OpenSSH writes it, with the application at the end.
    fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        put_string(&mut blob, self.key_type().name().as_bytes());
        match self {
            Self::EcdsaP256(pair) => {
                put_string(&mut blob, b"nistp256");
                put_string(&mut blob, pair.public_key().as_ref());
            }
            Self::Ed25519(pair) => put_string(&mut blob, pair.public_key().as_ref()),
        }
        put_string(&mut blob, APPLICATION.as_bytes());
        blob
    }

    /// A signature blob: name, signature, and the flags and counter that it covers.
    fn sign(&self, data: &[u8], flags: u8, counter: u32) -> Result<Vec<u8>> {
        let signature = self.sign_raw(&signed_message(data, flags, counter))?;
        let mut blob = Vec::new();
        put_string(&mut blob, self.key_type().name().as_bytes());
        put_string(&mut blob, &signature);
        blob.push(flags);
        blob.extend_from_slice(&counter.to_be_bytes());
        Ok(blob)
    }

    fn sign_raw(&self, message: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::EcdsaP256(pair) => {
                let fixed = pair.sign(&SystemRandom::new(), message).context("cannot sign")?;
                let (r, s) = fixed.as_ref().split_at(fixed.as_ref().len() / 2);
                let mut signature = Vec::new();
                put_mpint(&mut signature, r);
                put_mpint(&mut signature, s);
                Ok(signature)
            }
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// SHA256(application), flags, counter, SHA256(data).
fn signed_message(data: &[u8], flags: u8, counter: u32) -> Vec<u8> {
    let mut message = digest(&SHA256, APPLICATION.as_bytes()).as_ref().to_vec();
    message.push(flags);
    message.extend_from_slice(&counter.to_be_bytes());
    message.extend_from_slice(digest(&SHA256, data).as_ref());
    message
}
