//! `auth/userpass`: people, each with a name and a password. A user is an identity of the core in the mount's realm.

use super::{auth_block, on, token_settings};
use crate::{
    api::{Access, Answer, Call, Field, Kind, Operation, Route, Scope, duration, flag, handler, int, text},
    error::Failure,
    mounts::MountType,
};
use countersign::{
    access::{
        Created, Identity, IdentityKind, Lockout, NewToken, StoredIdentity, TokenType, admits,
        create_identity, delete_identity, grant, identity_by_name, list_identities, update_identity,
    },
    password,
};
use std::collections::BTreeMap;

const SCOPE: Scope = Scope::Mount(MountType::Userpass);
/// The longest password: a hash that is slow on purpose takes longer for longer ones.
const MAX_PASSWORD_BYTES: usize = 1024;
/// Where the hash of the password stands among the details of the identity.
const HASH: &str = "password_hash";
/// The real product's defaults: five failures within a quarter of an hour close the login for as long.
const LOCKOUT: Lockout = Lockout {
    realm: "userpass",
    max_failures: 5,
    window_secs: 900,
    lock_secs: 900,
};

const USER: &[Field] = &[
    text("password"),
    Field::aliased("token_bound_cidrs", "bound_cidrs", Kind::CommaList),
    duration("token_explicit_max_ttl"),
    Field::aliased("token_max_ttl", "max_ttl", Kind::Duration),
    flag("token_no_default_policy"),
    int("token_num_uses"),
    duration("token_period"),
    Field::aliased("token_policies", "policies", Kind::CommaList),
    Field::aliased("token_ttl", "ttl", Kind::Duration),
    text("token_type"),
];

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: SCOPE,
        pattern: "login/~username",
        fields: &[text("password")],
        methods: &[on(Operation::Update, Access::Decides, handler!(login))],
    },
    Route {
        scope: SCOPE,
        pattern: "users",
        fields: &[],
        methods: &[on(Operation::List, Access::Token, handler!(list))],
    },
    Route {
        scope: SCOPE,
        pattern: "users/~username",
        fields: USER,
        methods: &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Read, Access::Token, handler!(read)),
            on(Operation::Update, Access::Upsert, handler!(write)),
        ],
    },
    Route {
        scope: SCOPE,
        pattern: "users/~username/password",
        fields: &[text("password")],
        methods: &[on(Operation::Update, Access::Token, handler!(write_password))],
    },
    Route {
        scope: SCOPE,
        pattern: "users/~username/policies",
        fields: &[Field::aliased("token_policies", "policies", Kind::CommaList)],
        methods: &[on(Operation::Update, Access::Token, handler!(write_policies))],
    },
];

/// The name in the path; case does not matter.
fn name(call: &Call) -> String {
    call.captured("username").to_lowercase()
}

async fn find(call: &Call) -> Result<Option<StoredIdentity>, Failure> {
    Ok(identity_by_name(&*call.services.store, &call.mount()?.uuid, &name(call)).await?)
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    let users = list_identities(&*call.services.store, &call.mount()?.uuid).await?;
    let names = users.into_iter().map(|stored| stored.identity.name);
    Answer::list(names.collect(), None)
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let user = find(call).await?.ok_or_else(Failure::absent)?.identity;
    Answer::data(token_settings::shown(&user))
}

async fn write(call: &Call) -> Result<Answer, Failure> {
    let stored = find(call).await?;
    let is_allowed = if stored.is_some() {
        call.may_update
    } else {
        call.may_create
    };
    if !is_allowed {
        return Err(Failure::denied());
    }
    let mut user = match &stored {
        Some(stored) => stored.identity.clone(),
        None => Identity {
            kind: IdentityKind::User,
            ..Identity::draw(&call.services, &call.mount()?.uuid, &name(call))?
        },
    };
    let mut warnings = Vec::new();
    token_settings::apply(&mut user, &call.fields, &mut warnings)?;
    token_settings::check(&user, call.mount()?, &mut warnings)?;
    if stored.is_none() || call.fields.was_sent("password") {
        set_password(call, &mut user).await?;
    }
    store(call, stored.as_ref(), &user).await?;
    Ok(warnings.into_iter().fold(Answer::nothing(), Answer::warn))
}

async fn store(call: &Call, stored: Option<&StoredIdentity>, user: &Identity) -> Result<(), Failure> {
    Ok(match stored {
        Some(stored) => update_identity(&call.services, stored, user).await,
        None => create_identity(&call.services, user).await,
    }?)
}

async fn set_password(call: &Call, user: &mut Identity) -> Result<(), Failure> {
    let given = call.fields.text("password");
    if given.is_empty() {
        return Err(Failure::user("missing password"));
    }
    if given.len() > MAX_PASSWORD_BYTES {
        let text = format!("password is longer than maximum of {MAX_PASSWORD_BYTES} bytes");
        return Err(Failure::user(text));
    }
    let hash = password::hash(given, &*call.services.random).await?;
    user.details.insert(HASH.into(), hash.into());
    Ok(())
}

async fn change(call: &Call) -> Result<(StoredIdentity, Identity), Failure> {
    let stored = find(call).await?;
    let stored = stored.ok_or_else(|| Failure::user("username does not exist"))?;
    let user = stored.identity.clone();
    Ok((stored, user))
}

async fn write_password(call: &Call) -> Result<Answer, Failure> {
    let (stored, mut user) = change(call).await?;
    set_password(call, &mut user).await?;
    store(call, Some(&stored), &user).await?;
    Ok(Answer::nothing())
}

async fn write_policies(call: &Call) -> Result<Answer, Failure> {
    let (stored, mut user) = change(call).await?;
    user.policies = call.fields.list("token_policies").unwrap_or_default().to_vec();
    store(call, Some(&stored), &user).await?;
    Ok(Answer::nothing())
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    if let Some(stored) = find(call).await? {
        delete_identity(&*call.services.store, &stored.identity).await?;
    }
    Ok(Answer::nothing())
}

async fn login(call: &Call) -> Result<Answer, Failure> {
    let given = call.fields.text("password");
    if given.is_empty() {
        return Err(Failure::user("missing password"));
    }
    let user = prove(call, given).await?;
    let entity = token_settings::entity(call, &user.name).await?;
    token_settings::belongs(call, &user, &entity).await?;
    let mount = call.mount()?;
    let (default_type, forced_type) = token_settings::types(mount);
    let token_type: TokenType = forced_type.or(user.token.token_type).unwrap_or(default_type);
    let new = NewToken {
        policies: user.policies.clone(),
        no_default_policy: user.token.no_default_policy,
        display_name: format!("{}-{}", token_settings::display_name(mount), user.name),
        meta: Some(BTreeMap::from([("username".into(), user.name.clone())])),
        ttl: user.token.ttl,
        explicit_max_ttl: user.token.explicit_max_ttl,
        max_ttl: user.token.max_ttl,
        period: user.token.period,
        num_uses: user.token.num_uses,
        token_type,
        path: call.path.clone(),
        entity_id: entity.id.clone(),
        identity_id: user.id.clone(),
        bound_cidrs: user.token.bound_cidrs.clone(),
        limits: mount.ttl_limits(),
        ..NewToken::default()
    };
    let Created {
        secret,
        token,
        warnings,
    } = grant(&call.services, new).await.map_err(Failure::plain)?;
    auth_block::answer(secret.reveal(), &token, Some(&entity), warnings)
}

/// The user whose password this is. What is wrong, nobody is told, and it takes as long.
async fn prove(call: &Call, given: &str) -> Result<Identity, Failure> {
    let (services, random) = (&call.services, &*call.services.random);
    let given = if given.len() > MAX_PASSWORD_BYTES {
        ""
    } else {
        given
    };
    let Some(user) = find(call).await?.map(|stored| stored.identity) else {
        password::has_hash(given, None, random).await?;
        return Err(refused());
    };
    if LOCKOUT.is_closed(services, &user.id).await? {
        return Err(Failure::no_token());
    }
    let known = user.details.get(HASH).and_then(|hash| hash.as_str());
    if !password::has_hash(given, known, random).await? {
        LOCKOUT.count(services, &user.id).await?;
        return Err(refused());
    }
    if !admits(&user.token.bound_cidrs, call.source_ip) {
        return Err(refused());
    }
    Ok(user)
}

fn refused() -> Failure {
    Failure {
        kind: "unauthenticated",
        ..Failure::user("invalid username or password")
    }
}
