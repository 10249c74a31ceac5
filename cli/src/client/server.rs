//! A running server, over HTTP or HTTPS.

use super::MAX_ANSWER_BYTES;
use anyhow::{Context, Result, anyhow, bail};
use axum::{
    body::{Body, Bytes},
    http::{Request, StatusCode, Uri},
};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{path::Path, sync::Arc, time::Duration};

/// How long an answer may take. A signature of a slow KMS takes seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A server at an address.
pub(super) struct Server {
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Server {
    /// The server at `url`, which, where it speaks HTTPS, shows a certificate that `ca_cert` vouches for, or one of
    /// the machine's own roots.
    pub(super) fn new(url: &str, ca_cert: Option<&Path>) -> Result<Self> {
        let uri: Uri = url
            .parse()
            .with_context(|| format!("{url:?} is not an address"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
            bail!("{url:?} is not the address of a server: write http://HOST:PORT or https://HOST:PORT");
        }
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT_LIMIT));
        http.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(ca_cert)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self {
            base: url.trim_end_matches('/').to_owned(),
            client,
        })
    }

    /// The address of `path`, which begins with a slash.
    pub(super) fn address(&self, path: &str) -> Result<Uri> {
        Ok(format!("{}{path}", self.base).parse()?)
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<(StatusCode, Bytes)> {
        let exchange = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| self.unreachable(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|e| anyhow!(e))?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(ANSWER_LIMIT, exchange).await {
            Ok(answered) => answered,
            Err(_) => bail!(
                "{} did not answer within {} seconds",
                self.base,
                ANSWER_LIMIT.as_secs()
            ),
        }
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> anyhow::Error {
        let mut chain = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            chain = format!("{chain}: {inner}");
            cause = inner.source();
        }
        let advice = if chain.contains("corrupt message") {
            "it does not speak HTTPS: write http:// in --url or COUNTERSIGN_URL, or start it with `countersign serve --tls`"
        } else if chain.contains("certificate") {
            "trust the server's certificate with --ca-cert or COUNTERSIGN_CA_CERT; `countersign serve --tls` prints where it lies"
        } else {
            "check --url or COUNTERSIGN_URL; `countersign serve` starts a server on this machine"
        };
        anyhow!("{} cannot be reached: {chain}\n{advice}", self.base)
    }
}

fn tls(ca_cert: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match ca_cert {
        Some(path) => {
            let unreadable = || format!("{} holds no PEM certificate", path.display());
            for certificate in CertificateDer::pem_file_iter(path).with_context(unreadable)? {
                roots
                    .add(certificate.with_context(unreadable)?)
                    .with_context(unreadable)?;
            }
            if roots.is_empty() {
                bail!(unreadable());
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    Ok(
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}
