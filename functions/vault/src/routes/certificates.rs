//! `sys/countersign/certificates`: the records of what was signed, through whichever family. Ours: Vault keeps none.

use super::on;
use crate::{
    api::{Access, Answer, Call, Field, Kind, Operation, Route, Scope, handler, int, text},
    error::Failure,
};
use countersign::{
    Error,
    certificate_search::{Filter, Found, search},
    certificates::{self, CertificateRecord},
    types::{CertType, Ksuid, Serial},
};
use serde_json::{Value, json};

/// How many certificates a page holds where nobody says, and at most.
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

pub(crate) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/countersign/certificates",
        fields: &[
            Field::new("archived", Kind::Bool),
            text("before"),
            text("cert_type"),
            text("family"),
            int("limit"),
            text("principal"),
            text("role"),
            Field::new("since", Kind::Int),
        ],
        methods: &[on(Operation::Read, Access::Token, handler!(list))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/countersign/certificates/:reference",
        fields: &[],
        methods: &[on(Operation::Read, Access::Token, handler!(show))],
    },
];

async fn list(call: &Call) -> Result<Answer, Failure> {
    let before = match call.fields.text("before") {
        "" => None,
        text => Some(Ksuid::parse(text).map_err(|error| Failure::user(format!("before: {error}")))?),
    };
    let page = search(&call.services, &filter(call)?, before, limit(call)?).await?;
    Answer::data(json!({
        "certificates": page.found.iter().map(summary).collect::<Vec<_>>(),
        "next": page.next.map(|id| id.to_string()),
    }))
}

fn filter(call: &Call) -> Result<Filter, Failure> {
    let field = |name| Some(call.fields.text(name).to_owned()).filter(|text| !text.is_empty());
    let cert_type = match call.fields.text("cert_type") {
        "" => None,
        "host" => Some(CertType::Host),
        "user" => Some(CertType::User),
        _ => return Err(Failure::user("cert_type: user or host")),
    };
    let since = call.fields.int("since").map(u64::try_from).transpose();
    Ok(Filter {
        archived: call.fields.bool("archived").unwrap_or(false),
        cert_type,
        family: field("family"),
        principal: field("principal"),
        role: field("role"),
        since: since.map_err(|_| Failure::user("since: Unix seconds, not negative"))?,
    })
}

fn limit(call: &Call) -> Result<usize, Failure> {
    match call.fields.int("limit") {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) => match usize::try_from(limit) {
            Ok(limit) if limit > 0 => Ok(limit.min(MAX_LIMIT)),
            _ => Err(Failure::user("limit: at least 1")),
        },
    }
}

/// What a listing says of a certificate.
fn summary(found: &Found) -> Value {
    let Found { record, fields } = found;
    json!({
        "accessor": record.accessor,
        "archived": record.is_archived(),
        "authority": record.authority,
        "cert_type": fields.cert_type,
        "created_at": record.created_at,
        "display_name": record.display_name,
        "family": record.family,
        "id": record.id,
        "key_id": fields.key_id.as_str(),
        "request_id": record.request_id,
        "role": record.role,
        "serial_number": fields.serial.to_string(),
        "source_ip": record.source_ip,
        "subject_key": fields.subject_key.fingerprint(),
        "valid_after": fields.validity.valid_after(),
        "valid_before": fields.validity.valid_before(),
        "valid_principals": fields.valid_principals.iter().collect::<Vec<_>>(),
    })
}

async fn show(call: &Call) -> Result<Answer, Failure> {
    let record = find(call).await?.ok_or_else(Failure::absent)?;
    let fields = record.fields()?;
    let certificate = record.certificate_line()?;
    let found = Found { record, fields };
    let mut data = summary(&found);
    data["certificate"] = certificate.into();
    data["record"] = serde_json::to_value(&found.record).map_err(Error::internal)?;
    Answer::data(data)
}

/// By id, or by serial: in decimal as sshd logs it, or in hexadecimal as Vault answers it.
async fn find(call: &Call) -> Result<Option<CertificateRecord>, Failure> {
    let store = &*call.services.store;
    let reference = call.captured("reference");
    if let Ok(id) = Ksuid::parse(reference) {
        return Ok(certificates::read(store, id).await?.map(|(record, _)| record));
    }
    for radix in [10, 16] {
        let serial = u64::from_str_radix(reference, radix).ok().and_then(Serial::parse);
        let Some(serial) = serial else { continue };
        if let Some((record, _)) = certificates::read_serial(store, serial).await? {
            return Ok(Some(record));
        }
    }
    Ok(None)
}
