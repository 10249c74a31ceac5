//! OpenSSH's own opinion: keys made by it, certificates read and signed by it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use crate::process::{Outcome, run};

const LIMIT: Duration = Duration::from_secs(60);

/// The kinds of key that `ssh-keygen` makes without hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits.
    Rsa4096,
}

impl KeyType {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Ed25519,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::EcdsaP256 => &["-t", "ecdsa", "-b", "256"],
            Self::EcdsaP384 => &["-t", "ecdsa", "-b", "384"],
            Self::EcdsaP521 => &["-t", "ecdsa", "-b", "521"],
            Self::Ed25519 => &["-t", "ed25519"],
            Self::Rsa2048 => &["-t", "rsa", "-b", "2048"],
            Self::Rsa3072 => &["-t", "rsa", "-b", "3072"],
            Self::Rsa4096 => &["-t", "rsa", "-b", "4096"],
        }
    }
}

/// A private key in a file, with its public half beside it.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// A copy, in `directory`, of a key such as those of `tests/vectors/keys`: a checkout leaves private keys readable
    /// by others, and OpenSSH then refuses them.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn copy_of(original: &Path, directory: &Path) -> Result<Self> {
        let path = directory.join(original.file_name().context("a key's path ends in its name")?);
        fs::copy(original, &path).with_context(|| format!("cannot copy {}", original.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let copy = Self { path };
        fs::copy(beside(original, ".pub"), copy.public_path())?;
        Ok(copy)
    }

    /// The private key.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The public key's file.
    #[must_use]
    pub fn public_path(&self) -> PathBuf {
        beside(&self.path, ".pub")
    }

    /// Where OpenSSH looks for the key's certificate.
    #[must_use]
    pub fn certificate_path(&self) -> PathBuf {
        beside(&self.path, "-cert.pub")
    }

    /// The public key's line, without a line end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn public_line(&self) -> Result<String> {
        let path = self.public_path();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim_end().to_owned())
    }

    /// Keeps a certificate where OpenSSH looks for it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_certificate(&self, certificate: &str) -> Result<PathBuf> {
        let path = self.certificate_path();
        fs::write(&path, format!("{}\n", certificate.trim_end()))?;
        Ok(path)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Runs `ssh-keygen` (in UTC, so that dates are the same everywhere), which must succeed.
///
/// # Errors
/// It is not installed, or failed: with all that it printed.
pub fn ssh_keygen<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Outcome> {
    let mut command = Command::new("ssh-keygen");
    command.args(arguments).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    run(&mut command, LIMIT)
        .context("ssh-keygen did not run: apt-get install openssh-client, or run `tests/run setup`")?
        .success()
        .context("ssh-keygen failed")
}

/// Makes a key without a passphrase.
///
/// # Errors
/// `ssh-keygen` failed.
pub fn make_key(directory: &Path, name: &str, key_type: KeyType) -> Result<KeyFile> {
    let path = directory.join(name);
    let mut arguments: Vec<&OsStr> = ["-q", "-N", "", "-C", name, "-f"].map(OsStr::new).into();
    arguments.push(path.as_os_str());
    arguments.extend(key_type.arguments().iter().map(OsStr::new));
    ssh_keygen(&arguments)?;
    Ok(KeyFile { path })
}

/// Has `ssh-keygen` sign a certificate for a public key, with its own options (`-I`, `-n`, `-V`, `-O`, …), and returns
/// the certificate's line.
///
/// # Errors
/// `ssh-keygen` failed.
pub fn certify(ca_key: &KeyFile, subject_key: &str, options: &[&str]) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let subject = directory.path().join("subject.pub");
    fs::write(&subject, format!("{subject_key}\n"))?;
    let mut arguments: Vec<&OsStr> = vec![OsStr::new("-q"), OsStr::new("-s"), ca_key.path().as_os_str()];
    arguments.extend(options.iter().map(OsStr::new));
    arguments.push(subject.as_os_str());
    ssh_keygen(&arguments)?;
    let certificate = fs::read_to_string(directory.path().join("subject-cert.pub"))?;
    Ok(certificate.trim_end().to_owned())
}

/// What `ssh-keygen -L` prints for a certificate's line; it verifies the signature as well. Dates are in UTC.
///
/// # Errors
/// `ssh-keygen` does not take it for a certificate.
pub fn decode_certificate(certificate: &str) -> Result<String> {
    with_file(certificate, |path| {
        Ok(ssh_keygen(&[OsStr::new("-L"), OsStr::new("-f"), path.as_os_str()])?.stdout)
    })
}

/// The fingerprint, `SHA256:…`, of a public key's or certificate's line.
///
/// # Errors
/// `ssh-keygen` cannot read the line.
pub fn fingerprint(public_key: &str) -> Result<String> {
    with_file(public_key, |path| {
        let printed = ssh_keygen(&[OsStr::new("-l"), OsStr::new("-f"), path.as_os_str()])?.stdout;
        let fingerprint = printed
            .split(' ')
            .nth(1)
            .context("ssh-keygen -l printed no fingerprint")?;
        Ok(fingerprint.to_owned())
    })
}

fn with_file<T>(line: &str, read: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let mut file = NamedTempFile::new()?;
    writeln!(file, "{}", line.trim_end())?;
    read(file.path())
}
