//! `auth/token`: the life of tokens.

use super::{at_root, auth_block, on};
use crate::{
    api::{Access, Answer, Call, Field, Kind, Operation, Route, duration, flag, handler, int, map, text},
    error::Failure,
    leases::{self, End},
    wrapping,
};
use countersign::{
    Services,
    access::{
        self, NewToken, Stored, TokenType, hash_of_accessor, list_tokens, lookup_accessor, revoke,
        revoke_orphan,
    },
    types::SecretToken,
};
use http::StatusCode;

const CREATE: &[Field] = &[
    text("display_name"),
    text("entity_alias"),
    duration("explicit_max_ttl"),
    text("id"),
    map("meta"),
    flag("no_default_policy"),
    flag("no_parent"),
    int("num_uses"),
    duration("period"),
    Field::new("policies", Kind::CommaList),
    flag("renewable"),
    Field::aliased("ttl", "lease", Kind::Duration),
    text("type"),
];
const INCREMENT: Field = duration("increment");

pub(super) const ROUTES: &[Route] = &[
    at_root(
        "auth/token/create",
        CREATE,
        &[on(Operation::Update, Access::Token, handler!(create))],
    ),
    at_root(
        "auth/token/create-orphan",
        CREATE,
        &[on(Operation::Update, Access::Token, handler!(create_orphan))],
    ),
    at_root(
        "auth/token/lookup",
        &[text("token")],
        &[on(Operation::Update, Access::Token, handler!(lookup))],
    ),
    at_root(
        "auth/token/lookup-self",
        &[text("token")],
        &[
            on(Operation::Read, Access::Token, handler!(lookup_self)),
            on(Operation::Update, Access::Token, handler!(lookup_self)),
        ],
    ),
    at_root(
        "auth/token/lookup-accessor",
        &[text("accessor")],
        &[on(Operation::Update, Access::Token, handler!(lookup_by_accessor))],
    ),
    at_root(
        "auth/token/renew",
        &[text("token"), INCREMENT],
        &[on(Operation::Update, Access::Token, handler!(renew))],
    ),
    at_root(
        "auth/token/renew-self",
        &[text("token"), INCREMENT],
        &[on(Operation::Update, Access::Token, handler!(renew_self))],
    ),
    at_root(
        "auth/token/renew-accessor",
        &[text("accessor"), INCREMENT],
        &[on(Operation::Update, Access::Token, handler!(renew_by_accessor))],
    ),
    at_root(
        "auth/token/revoke",
        &[text("token")],
        &[on(Operation::Update, Access::Token, handler!(revoke_other))],
    ),
    at_root(
        "auth/token/revoke-self",
        &[],
        &[on(Operation::Update, Access::Token, handler!(revoke_self))],
    ),
    at_root(
        "auth/token/revoke-accessor",
        &[text("accessor")],
        &[on(Operation::Update, Access::Token, handler!(revoke_by_accessor))],
    ),
    at_root(
        "auth/token/revoke-orphan",
        &[text("token")],
        &[on(Operation::Update, Access::Sudo, handler!(revoke_alone))],
    ),
    at_root(
        "auth/token/accessors",
        &[],
        &[on(Operation::List, Access::Sudo, handler!(accessors))],
    ),
];

async fn create(call: &Call) -> Result<Answer, Failure> {
    make(call, false).await
}

async fn create_orphan(call: &Call) -> Result<Answer, Failure> {
    make(call, true).await
}

async fn make(call: &Call, orphan: bool) -> Result<Answer, Failure> {
    let new = new_token(call).await?;
    let chosen = new.id.is_some();
    let mut created = access::create_child(&call.services, call.caller()?, orphan, new)
        .await
        .map_err(Failure::plain)?;
    if chosen {
        let warning = "A token whose ID is supplied is only as hard to guess as that ID; let the server draw one instead.";
        created.warnings.push(warning.into());
    }
    auth_block::created(call, created).await
}

async fn new_token(call: &Call) -> Result<NewToken, Failure> {
    let fields = &call.fields;
    let token_type = match fields.text("type") {
        "" | "service" => TokenType::Service,
        "batch" => TokenType::Batch,
        _ => return Err(Failure::user("invalid 'token_type' value")),
    };
    if !fields.text("entity_alias").is_empty() {
        return Err(Failure::user(
            "'entity_alias' is only allowed in combination with token role",
        ));
    }
    let num_uses = u64::try_from(fields.int("num_uses").unwrap_or_default())
        .map_err(|_| Failure::user("number of uses cannot be negative"))?;
    let secs = |name| fields.duration_secs(name).unwrap_or_default();
    Ok(NewToken {
        id: auth_block::secret(fields.text("id")),
        policies: fields.list("policies").unwrap_or_default().to_vec(),
        no_default_policy: fields.is_set("no_default_policy"),
        display_name: display_name(fields.text("display_name")),
        meta: fields.map("meta").cloned(),
        ttl: secs("ttl"),
        explicit_max_ttl: secs("explicit_max_ttl"),
        period: secs("period"),
        num_uses,
        renewable: fields.bool("renewable").unwrap_or(true),
        token_type,
        no_parent: fields.is_set("no_parent"),
        path: call.path.clone(),
        limits: auth_block::limits(call, &call.path).await?,
        ..NewToken::default()
    })
}

/// `token`, and what was asked for with everything but letters, digits and dashes replaced.
fn display_name(asked: &str) -> String {
    if asked.is_empty() {
        return "token".into();
    }
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    };
    let full: String = "token-".chars().chain(asked.chars()).map(plain).collect();
    full.strip_suffix('-').unwrap_or(&full).to_owned()
}

/// The token that was sent along.
fn own(call: &Call) -> Result<&SecretToken, Failure> {
    call.token.as_ref().ok_or_else(Failure::no_token)
}

async fn lookup_self(call: &Call) -> Result<Answer, Failure> {
    let data = auth_block::lookup(call, own(call)?.reveal(), call.caller()?.token()).await?;
    Answer::data(data)
}

async fn lookup(call: &Call) -> Result<Answer, Failure> {
    let Some(secret) = auth_block::secret(call.fields.text("token")) else {
        return lookup_self(call).await;
    };
    let found = access::lookup(&call.services, &secret).await?;
    let found = found.ok_or_else(|| Failure::new(StatusCode::FORBIDDEN, "bad token"))?;
    Answer::data(auth_block::lookup(call, secret.reveal(), &found.token).await?)
}

async fn lookup_by_accessor(call: &Call) -> Result<Answer, Failure> {
    let found = by_accessor(call).await?;
    Answer::data(auth_block::lookup(call, "", &found.token).await?)
}

async fn by_accessor(call: &Call) -> Result<Stored, Failure> {
    let found = lookup_accessor(&call.services, accessor(call)?).await?;
    found.ok_or_else(|| Failure::framed(StatusCode::BAD_REQUEST, "invalid accessor"))
}

fn accessor(call: &Call) -> Result<&str, Failure> {
    match call.fields.text("accessor") {
        "" => Err(Failure::framed(StatusCode::BAD_REQUEST, "missing accessor")),
        accessor => Ok(accessor),
    }
}

async fn renew_self(call: &Call) -> Result<Answer, Failure> {
    extend(call, own(call)?.reveal(), call.caller()?.stored().clone()).await
}

async fn renew(call: &Call) -> Result<Answer, Failure> {
    let secret = given(call)?;
    let found = access::lookup(&call.services, &secret).await?;
    let found = found.ok_or_else(|| Failure::user("token not found"))?;
    extend(call, secret.reveal(), found).await
}

async fn renew_by_accessor(call: &Call) -> Result<Answer, Failure> {
    let found = by_accessor(call).await?;
    extend(call, "", found).await
}

async fn extend(call: &Call, client_token: &str, found: Stored) -> Result<Answer, Failure> {
    let increment = call.fields.duration_secs("increment").unwrap_or_default();
    let limits = auth_block::limits(call, &found.token.path).await?;
    let (token, warnings) = access::renew(&call.services, found, increment, limits)
        .await
        .map_err(Failure::plain)?;
    let entity = auth_block::entity(call, &token).await?;
    auth_block::answer(client_token, &token, entity.as_ref(), warnings)
}

/// The token named in the body.
fn given(call: &Call) -> Result<SecretToken, Failure> {
    auth_block::secret(call.fields.text("token")).ok_or_else(|| Failure::user("missing token ID"))
}

/// Revokes the token with `hash`, and takes back what it and those below it were lent.
///
/// Marked first, so that whatever is left of them when this is cut short is the reaper's. What cannot be taken back at
/// once does not keep the token alive.
pub(super) async fn end(services: &Services, hash: &str) -> Result<(), Failure> {
    let leases = leases::of_token(services, hash).await?;
    let leases = marked(services, leases).await?;
    revoke(services, hash).await?;
    take_back(services, leases).await;
    // What a request that was under way has put on record since. One that comes later finds no token any more.
    let late = leases::of_token(services, hash).await?;
    take_back(services, late).await;
    Ok(())
}

async fn marked(services: &Services, leases: Vec<leases::Stored>) -> Result<Vec<leases::Stored>, Failure> {
    let mut marked = Vec::new();
    for stored in leases {
        marked.extend(leases::mark(services, stored).await?);
    }
    Ok(marked)
}

/// What fails is in the log, and tried again by the reaper.
async fn take_back(services: &Services, leases: Vec<leases::Stored>) {
    for stored in leases {
        let _ = leases::end(services, stored, End::Regular).await;
    }
}

async fn revoke_self(call: &Call) -> Result<Answer, Failure> {
    if call.caller()?.token().token_type == TokenType::Batch {
        return Err(Failure::user("batch tokens cannot be revoked"));
    }
    end(&call.services, &own(call)?.hash()).await?;
    Ok(Answer::nothing())
}

/// A token that is not there, or not any more, is revoked already.
async fn revoke_other(call: &Call) -> Result<Answer, Failure> {
    let secret = given(call)?;
    refuse_batch(call, &secret).await?;
    end(&call.services, &secret.hash()).await?;
    Ok(Answer::nothing())
}

async fn refuse_batch(call: &Call, secret: &SecretToken) -> Result<(), Failure> {
    let found = access::lookup(&call.services, secret).await?;
    if found.is_some_and(|found| found.token.token_type == TokenType::Batch) {
        return Err(Failure::user("batch tokens cannot be revoked"));
    }
    Ok(())
}

async fn revoke_by_accessor(call: &Call) -> Result<Answer, Failure> {
    match hash_of_accessor(&call.services, accessor(call)?).await? {
        Some(hash) => {
            end(&call.services, &hash).await?;
            Ok(Answer::nothing())
        }
        None if wrapping::revoke(&call.services, accessor(call)?).await? => Ok(Answer::nothing()),
        None => Ok(Answer::nothing().warn("No token found with this accessor")),
    }
}

async fn revoke_alone(call: &Call) -> Result<Answer, Failure> {
    let secret = given(call)?;
    refuse_batch(call, &secret).await?;
    let hash = secret.hash();
    let own = async || {
        let mut leases = leases::of_token(&call.services, &hash).await?;
        leases.retain(|stored| stored.lease.token == hash);
        Ok::<_, Failure>(leases)
    };
    let leases = marked(&call.services, own().await?).await?;
    if revoke_orphan(&call.services, &hash).await? {
        take_back(&call.services, leases).await;
        take_back(&call.services, own().await?).await;
        Ok(Answer::nothing())
    } else {
        Err(Failure::user("token to revoke not found"))
    }
}

async fn accessors(call: &Call) -> Result<Answer, Failure> {
    let tokens = list_tokens(&call.services).await?;
    Answer::list(tokens.into_iter().map(|token| token.accessor).collect(), None)
}
