//! `countersign certificate`: who got what, when, and through which family and role.

use super::found;
use crate::{
    client::{Client, query_value, segment},
    decoded,
    output::{Output, fields, shown, table},
    time,
};
use anyhow::{Context, Result, anyhow};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Subcommand;
use countersign::{
    certificates::CertificateRecord,
    clock::{Clock, SystemClock},
    types::timestamp,
};
use serde_json::{Value, json};

/// Where the routes begin.
const PATH: &str = "sys/countersign/certificates";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List certificates, newest first
    #[command(after_help = "Example:\n  countersign certificate list --user --principal alice --since 7d")]
    List(Filter),
    /// Show a certificate as ssh-keygen -L does, and who asked for it
    #[command(after_help = "Example:\n  countersign certificate show 7341842932054217432")]
    Show {
        /// Its id or its serial, as sshd logs it
        #[arg(value_name = "ID|SERIAL")]
        reference: String,
    },
}

/// Which certificates to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Filter {
    /// Only certificates of users
    #[arg(long, conflicts_with = "host")]
    user: bool,
    /// Only certificates of hosts
    #[arg(long)]
    host: bool,
    /// Only those that are good for this login or host name
    #[arg(long)]
    principal: Option<String>,
    /// Only those that came through this family: vault, ngrok, infisical, venafi
    #[arg(long)]
    family: Option<String>,
    /// Only those of this role, template or host
    #[arg(long)]
    role: Option<String>,
    /// Only those whose place a later one took (Venafi)
    #[arg(long)]
    archived: bool,
    /// Only those since this time: 2026-11-24, 2026-11-24T17:33:06Z, or how long ago, as in 90m or 7d
    #[arg(long)]
    since: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(crate) async fn run(command: Command, client: &Client) -> Result<Output> {
    match command {
        Command::List(filter) => list(client, &filter).await,
        Command::Show { reference } => show(client, &reference).await,
    }
}

async fn list(client: &Client, filter: &Filter) -> Result<Output> {
    let query = query(filter, SystemClock.now())?;
    let limit = filter.limit as usize;
    let mut certificates: Vec<Value> = Vec::new();
    let mut before = String::new();
    // A page may be short, or empty, where few certificates match: what counts is whether there is a next one.
    loop {
        let missing = limit - certificates.len();
        let answer = client
            .read(&format!("{PATH}?{query}&limit={missing}&before={before}"))
            .await?;
        let page = answer["data"]["certificates"].as_array().ok_or_else(|| {
            anyhow!("the server's answer holds no certificates: is it a countersign server?")
        })?;
        certificates.extend(page.iter().take(missing).cloned());
        match answer["data"]["next"].as_str() {
            Some(next) if certificates.len() < limit => next.clone_into(&mut before),
            _ => break,
        }
    }
    Ok(listed(&certificates))
}

fn query(filter: &Filter, now: u64) -> Result<String> {
    let cert_type = match (filter.user, filter.host) {
        (true, _) => Some("user".to_owned()),
        (_, true) => Some("host".to_owned()),
        _ => None,
    };
    let since = filter
        .since
        .as_deref()
        .map(|text| time::parse(text, now))
        .transpose()?;
    let pairs = [
        ("cert_type", cert_type),
        ("principal", filter.principal.clone()),
        ("family", filter.family.clone()),
        ("role", filter.role.clone()),
        ("since", since.map(|secs| secs.to_string())),
        ("archived", filter.archived.then(|| "true".to_owned())),
    ];
    let pair =
        |(name, value): (&str, Option<String>)| value.map(|value| format!("{name}={}", query_value(&value)));
    Ok(pairs.into_iter().filter_map(pair).collect::<Vec<_>>().join("&"))
}

fn listed(certificates: &[Value]) -> Output {
    let row = |certificate: &Value| {
        [
            certificate["created_at"]
                .as_u64()
                .map(timestamp::render)
                .unwrap_or_default(),
            shown(certificate, "serial_number"),
            shown(certificate, "cert_type"),
            shown(certificate, "valid_principals"),
            validity_end(&certificate["valid_before"]),
            format!("{}:{}", shown(certificate, "family"), shown(certificate, "role")),
            shown(certificate, "display_name"),
            shown(certificate, "source_ip"),
        ]
    };
    let rows: Vec<_> = certificates.iter().map(row).collect();
    let headings = [
        "ISSUED",
        "SERIAL",
        "TYPE",
        "PRINCIPALS",
        "UNTIL",
        "ROLE",
        "BY",
        "FROM",
    ];
    let text = table(headings, &rows, "No certificate matches.");
    Output {
        text,
        json: json!({"certificates": certificates}),
    }
}

fn validity_end(unix_secs: &Value) -> String {
    match unix_secs.as_u64() {
        Some(u64::MAX) => "forever".into(),
        Some(secs) => timestamp::render(secs),
        None => String::new(),
    }
}

async fn show(client: &Client, reference: &str) -> Result<Output> {
    let answer = client.read(&format!("{PATH}/{}", segment(reference))).await;
    let answer = found(answer, &format!("certificate {reference}"), "certificate list")?;
    let data = &answer["data"];
    let record: CertificateRecord =
        serde_json::from_value(data["record"].clone()).context("the server's answer holds no certificate")?;
    let blob = record
        .signature
        .as_ref()
        .map(|text| STANDARD.decode(text))
        .transpose()?;
    // Where the signature is not kept, all but RSA keys sign in one way alone.
    let algorithm = match blob.as_deref() {
        Some(blob) => decoded::signature_algorithm(blob).map(str::to_owned),
        None => decoded::only_algorithm(&record.fields()?.signature_key),
    };
    let text = format!(
        "{}:\n{}{}",
        record.id,
        decoded::render(&record.fields()?, algorithm.as_deref()),
        provenance(&record, data)
    );
    Ok(Output {
        text,
        json: data.clone(),
    })
}

/// What a certificate does not say of itself.
fn provenance(record: &CertificateRecord, data: &Value) -> String {
    let source = record.source_ip.map(|address| address.to_string());
    let detail = |name: &str| match record.details.get(name) {
        Some(value) => shown(&json!({ name: value }), name),
        None => String::new(),
    };
    let archived = record
        .details
        .get("archived")
        .and_then(Value::as_u64)
        .map(timestamp::render);
    let lines = fields([
        ("Issued:", timestamp::render(record.created_at)),
        ("By:", record.display_name.clone()),
        ("Token accessor:", record.accessor.clone()),
        ("From:", source.unwrap_or_default()),
        ("Family:", record.family.clone()),
        ("Role:", record.role.clone()),
        ("Authority:", record.authority.to_string()),
        ("Request id:", record.request_id.clone()),
        ("Origin:", detail("origin")),
        ("Object:", detail("object")),
        ("Destinations:", detail("destination_addresses")),
        ("Rejected:", detail("rejected")),
        ("Archived:", archived.unwrap_or_default()),
        ("Certificate:", shown(data, "certificate")),
    ]);
    lines.lines().map(|line| format!("        {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_a_query() {
        let filter = Filter {
            user: true,
            host: false,
            principal: Some("a&b c".into()),
            family: None,
            role: Some("me".into()),
            archived: true,
            since: Some("1h".into()),
            limit: 5,
        };
        assert_eq!(
            query(&filter, 5000).unwrap(),
            "cert_type=user&principal=a%26b%20c&role=me&since=1400&archived=true"
        );
        assert!(
            query(
                &Filter {
                    since: Some("soon".into()),
                    ..filter
                },
                0
            )
            .is_err()
        );
    }
}
