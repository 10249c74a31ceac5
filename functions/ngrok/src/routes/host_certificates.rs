//! `/ssh_host_certificates`.

use super::certificates::{self, Kind};
use crate::{order::Asked, record, wire};
use axum::Router;
use countersign::{Error, Services, certificates::CertificateRecord, types::CertType};

/// The routes.
pub(super) fn routes() -> Router<Services> {
    certificates::routes::<Host>()
}

pub(super) struct Host;

impl Kind for Host {
    const CERT_TYPE: CertType = CertType::Host;
    type Create = wire::SshHostCertificateCreate;
    type View = wire::SshHostCertificate;
    type List = wire::SshHostCertificateList;

    fn asked(body: Self::Create) -> Asked {
        Asked {
            ssh_certificate_authority_id: body.ssh_certificate_authority_id,
            public_key: body.public_key,
            principals: body.principals,
            critical_options: None,
            extensions: None,
            valid_after: body.valid_after,
            valid_until: body.valid_until,
            description: body.description,
            metadata: body.metadata,
        }
    }

    fn view(record: &CertificateRecord, uri: String) -> Result<Self::View, Error> {
        record::host(record, uri)
    }

    fn list(views: Vec<Self::View>, uri: String, next_page_uri: Option<String>) -> Self::List {
        Self::List {
            ssh_host_certificates: views,
            uri,
            next_page_uri,
        }
    }
}
