//! The certificate with which the server speaks HTTPS: given, or made by itself and kept.

use anyhow::{Context, Result, anyhow, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::TlsAcceptor;

/// The self-signed certificate in the data directory, which clients are told to trust.
const CERTIFICATE_FILE: &str = "tls.pem";
/// Its private key.
const KEY_FILE: &str = "tls-key.pem";
/// PEM wraps its lines here (RFC 7468 §2).
const PEM_LINE: usize = 64;

/// How the server speaks HTTPS.
pub(crate) struct Tls {
    /// Does the handshakes.
    pub(crate) acceptor: TlsAcceptor,
    /// Where the self-signed certificate lies that clients must be told of.
    pub(crate) self_signed: Option<PathBuf>,
}

impl Tls {
    /// With a certificate chain and its private key, both PEM.
    pub(crate) fn from_files(certificate: &Path, key: &Path) -> Result<Self> {
        for path in [certificate, key] {
            fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        }
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| anyhow!("{} is not a PEM certificate: {error}", certificate.display()))?;
        if chain.is_empty() {
            bail!(
                "{} is not a PEM certificate: there is none in it",
                certificate.display()
            );
        }
        let key_der = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| anyhow!("{} is not a PEM private key: {error}", key.display()))?;
        let acceptor = acceptor(chain, key_der).with_context(|| {
            let (certificate, key) = (certificate.display(), key.display());
            format!("{certificate} and {key} cannot be used together")
        })?;
        Ok(Self {
            acceptor,
            self_signed: None,
        })
    }

    /// With the self-signed certificate in `directory`, made at the first start and used again at the next.
    pub(crate) fn kept_in(directory: &Path, address: IpAddr) -> Result<Self> {
        let (certificate, key) = (directory.join(CERTIFICATE_FILE), directory.join(KEY_FILE));
        if !(certificate.exists() && key.exists()) {
            let made = SelfSigned::new(address)?;
            // The certificate last: where it is, its key is too.
            write_anew(&key, &pem("PRIVATE KEY", made.key.secret_pkcs8_der()), 0o600)?;
            write_anew(&certificate, &pem("CERTIFICATE", &made.certificate), 0o644)?;
        }
        let tls = Self::from_files(&certificate, &key)
            .with_context(|| format!("delete {} to have a new one made", certificate.display()))?;
        Ok(Self {
            self_signed: Some(certificate),
            ..tls
        })
    }

    /// With a new self-signed certificate, written to `certificate` for clients; its key stays in memory.
    pub(crate) fn in_memory(certificate: &Path, address: IpAddr) -> Result<Self> {
        let made = SelfSigned::new(address)?;
        write_anew(certificate, &pem("CERTIFICATE", &made.certificate), 0o644)?;
        Ok(Self {
            acceptor: acceptor(vec![made.certificate], PrivateKeyDer::Pkcs8(made.key))?,
            self_signed: Some(certificate.to_owned()),
        })
    }
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<TlsAcceptor> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

struct SelfSigned {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl SelfSigned {
    /// For this machine as it calls itself, and for `address`.
    fn new(address: IpAddr) -> Result<Self> {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        let address = address.to_string();
        if !names.contains(&address) {
            names.push(address);
        }
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Countersign local server");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true; // strict clients ask for it
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        })
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(PEM_LINE)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// Writes a file that was not there, or replaces it; never through a link that someone else left there.
fn write_anew(path: &Path, text: &str, mode: u32) -> Result<()> {
    let written = (|| {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })();
    written.with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_is_read_back() {
        let der = vec![7; 200];
        let read = CertificateDer::from_pem_slice(pem("CERTIFICATE", &der).as_bytes()).unwrap();
        assert_eq!(read.as_ref(), der);
    }
}
