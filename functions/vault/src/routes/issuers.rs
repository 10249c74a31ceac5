//! `issuers`, `issuer/:issuer_ref` and `config/issuers`: several CA keys at one mount, as OpenBao has them. A CA
//! rotates with overlap so: a new key is imported or made beside the old one, hosts learn to trust both, the default
//! moves, and the old key goes last.

use super::on;
use crate::{
    api::{Access, Answer, Call, Field, Operation, Route, Scope, flag, handler, int, text},
    error::Failure,
    mounts::MountType,
    ssh::{
        ca_key::Source,
        issuers::{Issuer, Issuers, check_name},
        retiring,
        role::{self, DEFAULT_ISSUER},
    },
};
use countersign::store::Write;
use serde_json::{Map, Value, json};

const SCOPE: Scope = Scope::Mount(MountType::Ssh);

/// Those of `config/ca`, and two more.
const IMPORT: &[Field] = &[
    text("private_key"),
    text("public_key"),
    flag("generate_signing_key"),
    text("key_type"),
    int("key_bits"),
    text("managed_key_name"),
    text("managed_key_id"),
    flag("set_default"),
    text("issuer_name"),
];

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: SCOPE,
        pattern: "config/issuers",
        fields: &[text("default")],
        methods: &[
            on(Operation::Read, Access::Token, handler!(read_default)),
            on(Operation::Update, Access::Token, handler!(write_default)),
        ],
    },
    Route {
        scope: SCOPE,
        pattern: "issuers",
        fields: &[text("after"), int("limit")],
        methods: &[on(Operation::List, Access::Token, handler!(list))],
    },
    Route {
        scope: SCOPE,
        pattern: "issuers/import",
        fields: IMPORT,
        methods: &[on(Operation::Update, Access::Token, handler!(import))],
    },
    Route {
        scope: SCOPE,
        pattern: "issuers/import/~issuer_name",
        fields: IMPORT,
        methods: &[on(Operation::Update, Access::Token, handler!(import))],
    },
    Route {
        scope: SCOPE,
        pattern: "issuer/~issuer_ref",
        fields: &[text("issuer_name")],
        methods: &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Read, Access::Token, handler!(read)),
            on(Operation::Update, Access::Token, handler!(rename)),
        ],
    },
    Route {
        scope: SCOPE,
        pattern: "issuer/~issuer_ref/public_key",
        fields: &[],
        methods: &[on(Operation::Read, Access::Public, handler!(public_key))],
    },
];

fn shown(issuer: &Issuer) -> Value {
    json!({ "issuer_id": issuer.id, "issuer_name": issuer.name, "public_key": issuer.public_key })
}

fn no_default() -> Failure {
    Failure::user("no default issuer currently configured")
}

/// The one that `reference` means.
fn find<'i>(issuers: &'i Issuers, reference: &str) -> Result<&'i Issuer, Failure> {
    issuers.find(reference).ok_or_else(|| match reference {
        DEFAULT_ISSUER => no_default(),
        _ => Failure::user(format!("unable to find issuer for reference: {reference}")),
    })
}

async fn read_default(call: &Call) -> Result<Answer, Failure> {
    let (issuers, _) = Issuers::read(call).await?;
    let issuer = issuers.default_issuer().ok_or_else(no_default)?;
    Answer::data(json!({ "default": issuer.id }))
}

async fn write_default(call: &Call) -> Result<Answer, Failure> {
    let reference = call.fields.text("default");
    if matches!(reference, "" | DEFAULT_ISSUER) {
        return Err(Failure::user(
            "invalid issuer specification; must be non-empty and can't be 'default'.",
        ));
    }
    let (id, before) = Issuers::change(call, |issuers| {
        let id = find(issuers, reference)?.id.clone();
        Ok((id.clone(), issuers.default.replace(id)))
    })
    .await?;
    let answer = Answer::data(json!({ "default": id }))?;
    Ok(match before {
        None => answer,
        Some(before) if before == id => {
            Answer::nothing().warn("The default issuer is already set to the specified issuer.")
        }
        Some(before) => {
            let resolved = if reference == id {
                String::new()
            } else {
                format!(" (resolved to {id})")
            };
            answer.warn(format!(
                "Previous default ({before}) has been updated with the issuer '{reference}'{resolved}"
            ))
        }
    })
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    let (mut issuers, _) = Issuers::read(call).await?;
    issuers.issuers.sort_by(|one, other| one.id.cmp(&other.id));
    let after = call.fields.text("after");
    let limit = call
        .fields
        .int("limit")
        .and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let shown = issuers
        .issuers
        .iter()
        .filter(|issuer| issuer.id.as_str() > after)
        .take(limit);
    let mut keys = Vec::new();
    let mut key_info = Map::new();
    for issuer in shown {
        keys.push(issuer.id.clone());
        let info = json!({
            "is_default": issuers.default.as_ref() == Some(&issuer.id),
            "issuer_name": issuer.name,
            "public_key": issuer.public_key,
        });
        key_info.insert(issuer.id.clone(), info);
    }
    Answer::list(keys, Some(key_info))
}

async fn import(call: &Call) -> Result<Answer, Failure> {
    let name = call.captured("issuer_name");
    if !name.is_empty() {
        check_name(name)?;
        // Before a key is made for nothing.
        Issuers::read(call).await?.0.check_free(name, None)?;
    }
    let mut key = Source::parse(&call.fields)?.obtain(call).await?;
    let (issuer, is_known) = Issuers::add(call, &mut key, name, call.fields.is_set("set_default")).await?;
    let mut answer = Answer::data(shown(&issuer))?;
    if is_known {
        answer = answer
            .warn("An issuer with the provided public key already exists, returning the existing issuer");
    }
    if name.is_empty() && call.fields.was_sent("issuer_name") {
        answer = answer.warn(
            "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: \
             [issuer_name]",
        );
    }
    Ok(answer)
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let (issuers, _) = Issuers::read(call).await?;
    Answer::data(shown(find(&issuers, call.captured("issuer_ref"))?))
}

async fn public_key(call: &Call) -> Result<Answer, Failure> {
    let (issuers, _) = Issuers::read(call).await?;
    let issuer = find(&issuers, call.captured("issuer_ref"))?;
    Ok(Answer::raw("text/plain", issuer.public_key.as_bytes()))
}

/// Gives an issuer another name, or none where none is sent.
async fn rename(call: &Call) -> Result<Answer, Failure> {
    let name = call.fields.text("issuer_name");
    if call.fields.was_sent("issuer_name") {
        check_name(name)?;
    }
    let (renamed, before) = Issuers::change(call, |issuers| {
        let id = find(issuers, call.captured("issuer_ref"))?.id.clone();
        issuers.check_free(name, Some(&id))?;
        let found = issuers.issuers.iter_mut().find(|issuer| issuer.id == id);
        let issuer = found.ok_or_else(|| Failure::internal("an issuer was found and is not there"))?;
        let before = std::mem::replace(&mut issuer.name, name.to_owned());
        Ok((issuer.clone(), before))
    })
    .await?;
    let mut answer = Answer::data(shown(&renamed))?;
    if !before.is_empty()
        && before != name
        && let Some(warning) = references(call, &before).await?
    {
        answer = answer.warn(warning);
    }
    Ok(answer)
}

/// Takes an issuer out of the mount. What it signed stays valid; roles that name it sign nothing any more.
async fn delete(call: &Call) -> Result<Answer, Failure> {
    let (mut issuers, record) = Issuers::read(call).await?;
    let reference = call.captured("issuer_ref");
    let (Some(issuer), Some(record)) = (issuers.find(reference).cloned(), record) else {
        return Ok(Answer::nothing());
    };
    let was_default = issuers.default.as_ref() == Some(&issuer.id);
    issuers.issuers.retain(|other| other.id != issuer.id);
    issuers.default = issuers.default.filter(|id| *id != issuer.id);
    let forget: Write = issuers.put(call, Some(&record))?;
    retiring::retire(call, std::slice::from_ref(&issuer), forget).await?;

    let mut answer = Answer::nothing();
    let mut meant = vec![issuer.id.as_str()];
    if !issuer.name.is_empty() {
        meant.push(&issuer.name);
    }
    if was_default {
        answer = answer.warn(format!(
            "Deleted issuer {} (via issuer_ref {reference}); this was configured as the default issuer. Operations \
             without an explicit issuer will not work until a new default is configured.",
            issuer.id
        ));
        meant.push(DEFAULT_ISSUER);
    }
    for reference in meant {
        if let Some(warning) = references(call, reference).await? {
            answer = answer.warn(warning);
        }
    }
    Ok(answer)
}

/// How many roles of the mount sign with `reference`, where any do.
async fn references(call: &Call, reference: &str) -> Result<Option<String>, Failure> {
    let roles = role::list(call).await?;
    let count = roles
        .iter()
        .filter(|role| role.issuer_ref() == Some(reference))
        .count();
    Ok((count > 0).then(|| format!("{count} roles reference '{reference}'")))
}
