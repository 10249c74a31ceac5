use super::{
    BATCH_TOKEN_PREFIX, TOKEN_PREFIX,
    authenticate::Caller,
    lifetime::{Asked, TtlLimits, lifetime},
    lookup::Stored,
    policies::sanitize_policies,
    revoke::revoke,
    token::{MAX_ANCESTORS, Token, TokenType},
};
use crate::{
    acl::{Capability, DEFAULT_POLICY_NAME, ROOT_POLICY_NAME},
    error::Error,
    random,
    services::Services,
    store::{Condition, Key, Record, StoreError, Table, Write},
    types::SecretToken,
};
use std::collections::BTreeMap;

/// The most policies of one token: each is read on every request.
const MAX_POLICIES: usize = 64;
/// The path of root tokens.
const ROOT_PATH: &str = "auth/token/root";

/// A token to be made. Lifetimes are in seconds; 0 stands for nothing said.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The secret, where the caller chooses it.
    pub id: Option<SecretToken>,
    /// The names of its policies. None: a child has its parent's.
    pub policies: Vec<String>,
    /// Whether it goes without the policy `default`.
    pub no_default_policy: bool,
    /// Who uses it, for people.
    pub display_name: String,
    /// Free text by name.
    pub meta: Option<BTreeMap<String, String>>,
    /// How long it lives.
    pub ttl: u64,
    /// How long after its creation nothing can keep it alive.
    pub explicit_max_ttl: u64,
    /// The same, from the role that it is made by.
    pub max_ttl: u64,
    /// How long each renewal lasts.
    pub period: u64,
    /// How often it can be used; 0: always.
    pub num_uses: u64,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Its type.
    pub token_type: TokenType,
    /// Whether a child asks to have no parent, which takes sudo.
    pub no_parent: bool,
    /// The path of the request that makes it: sudo is looked for there.
    pub path: String,
    /// The entity that it belongs to, if any.
    pub entity_id: String,
    /// The identity that logs in for it, if any.
    pub identity_id: String,
    /// The networks that it may be used from; empty: from anywhere.
    pub bound_cidrs: Vec<String>,
    /// The lifetimes of the mount that it is made at.
    pub limits: TtlLimits,
}

impl Default for NewToken {
    /// A renewable service token with the system's lifetimes.
    fn default() -> Self {
        Self {
            id: None,
            policies: Vec::new(),
            no_default_policy: false,
            display_name: "token".into(),
            meta: None,
            ttl: 0,
            explicit_max_ttl: 0,
            max_ttl: 0,
            period: 0,
            num_uses: 0,
            renewable: true,
            token_type: TokenType::Service,
            no_parent: false,
            path: "auth/token/create".into(),
            entity_id: String::new(),
            identity_id: String::new(),
            bound_cidrs: Vec::new(),
            limits: TtlLimits::default(),
        }
    }
}

/// A token that was made.
#[derive(Clone, Debug)]
pub struct Created {
    /// The secret: the only time that anyone sees it.
    pub secret: SecretToken,
    /// Its record.
    pub token: Token,
    /// What its maker should know.
    pub warnings: Vec<String>,
}

/// Makes a token for `caller`, as its child unless `orphan` (which the policies allowed it by the path) or
/// `no_parent` says otherwise. One write.
///
/// What may be asked for are the real product's rules: without sudo on `new.path` only policies of the caller's own,
/// no id, no period and no `no_parent`; root only by root.
///
/// # Errors
/// `InvalidRequest` where the rules do not allow it, or the chosen id is taken; as
/// [`Store::write`](crate::store::Store::write).
pub async fn create_child(
    services: &Services,
    caller: &Caller,
    orphan: bool,
    mut new: NewToken,
) -> Result<Created, Error> {
    let parent = caller.token();
    let sudo = caller.allows(&new.path, Capability::Sudo);
    check_child(parent, sudo, &new)?;
    new.policies = child_policies(parent, sudo, &new)?;
    let ancestors = if orphan || new.no_parent {
        Vec::new()
    } else {
        lineage(parent)?
    };
    if !ancestors.is_empty() {
        new.entity_id = parent.entity_id.clone();
        new.bound_cidrs = parent.bound_cidrs.clone();
    }
    if new.period > 0 && !sudo {
        return refuse(
            "period",
            "root or sudo privileges required to create periodic token",
        );
    }
    let (mut token, warnings) = draft(services, &new, ancestors)?;
    if token.expires_at.is_none() && parent.expires_at.is_some() {
        return refuse(
            "ttl",
            "expiring root tokens cannot create non-expiring root tokens",
        );
    }
    let secret = secret(services, new.id, &mut token)?;
    store(
        services,
        Created {
            secret,
            token,
            warnings,
        },
    )
    .await
}

/// Makes an orphan for someone who has proved another way who they are. One write.
///
/// # Errors
/// `InvalidRequest` where it would be a root token; as [`Store::write`](crate::store::Store::write).
pub async fn grant(services: &Services, new: NewToken) -> Result<Created, Error> {
    let (secret, token, warnings, writes) = granted(services, new)?;
    services.store.write(&writes).await?;
    Ok(Created {
        secret,
        token,
        warnings,
    })
}

/// The token of [`grant`], and the writes that make it.
pub(super) fn granted(
    services: &Services,
    mut new: NewToken,
) -> Result<(SecretToken, Token, Vec<String>, Vec<Write>), Error> {
    new.policies = sanitize_policies(&new.policies, !new.no_default_policy);
    if new.policies.iter().any(|name| name == ROOT_POLICY_NAME) {
        return refuse("policies", "authentication backends cannot create root tokens");
    }
    check_type(&new)?;
    let (mut token, warnings) = draft(services, &new, Vec::new())?;
    let secret = secret(services, new.id.take(), &mut token)?;
    let writes = puts(&token)?;
    Ok((secret, token, warnings, writes))
}

/// Makes a root token that never ends, with the given secret or one of its own. A secret that is a root token's
/// already gives that one. One write; for a given secret one read before.
///
/// # Errors
/// `InvalidRequest` where the secret is empty or another token's; as [`Store::write`](crate::store::Store::write).
pub async fn create_root(services: &Services, id: Option<SecretToken>) -> Result<Created, Error> {
    let mut token = root(services);
    let given = id.is_some();
    let secret = secret(services, id, &mut token)?;
    if given
        && let Some(known) = Stored::read(&*services.store, &token.hash).await?
        && known.token.is_active(services.clock.now())
        && known.token.is_root()
        && known.token.is_orphan()
    {
        return Ok(Created {
            secret,
            token: known.token,
            warnings: Vec::new(),
        });
    }
    store(
        services,
        Created {
            secret,
            token,
            warnings: Vec::new(),
        },
    )
    .await
}

/// As [`create_root`], but only once in the life of an account: `None` where it was done before. One write.
///
/// # Errors
/// As [`create_root`].
pub async fn create_first_root(
    services: &Services,
    id: Option<SecretToken>,
) -> Result<Option<Created>, Error> {
    let mut token = root(services);
    let secret = secret(services, id, &mut token)?;
    let mark = Record::new(
        Key::new(Table::Access, "root", "first"),
        &random::uuid(&*services.random)?,
    )?;
    let mut writes = vec![Write::Put(mark, Condition::Absent)];
    writes.extend(puts(&token)?);
    match services.store.write(&writes).await {
        Ok(()) => Ok(Some(Created {
            secret,
            token,
            warnings: Vec::new(),
        })),
        Err(StoreError::ConditionFailed(0)) => Ok(None),
        Err(StoreError::ConditionFailed(_)) => refuse("id", TAKEN),
        Err(error) => Err(error.into()),
    }
}

/// The text for a chosen id that another token has.
const TAKEN: &str = "cannot create a token with a duplicate ID";

fn root(services: &Services) -> Token {
    Token {
        display_name: ROOT_POLICY_NAME.into(),
        policies: vec![ROOT_POLICY_NAME.into()],
        path: ROOT_PATH.into(),
        created_at: services.clock.now(),
        ..Token::default()
    }
}

fn refuse<T>(field: &'static str, reason: impl Into<String>) -> Result<T, Error> {
    Err(Error::invalid(field, reason))
}

fn check_child(parent: &Token, sudo: bool, new: &NewToken) -> Result<(), Error> {
    if parent.token_type == TokenType::Batch {
        return refuse("parent", "batch tokens cannot create more tokens");
    }
    if parent.uses_left.is_some() {
        return refuse("parent", "restricted use token cannot generate child tokens");
    }
    check_type(new)?;
    if new.id.is_some() && !sudo {
        return refuse("id", "root or sudo privileges required to specify token id");
    }
    if new.no_parent && !sudo {
        return refuse(
            "no_parent",
            "root or sudo privileges required to create orphan token",
        );
    }
    Ok(())
}

fn check_type(new: &NewToken) -> Result<(), Error> {
    if new.token_type == TokenType::Service {
        return Ok(());
    }
    let set = [
        (new.explicit_max_ttl > 0, "explicit_max_ttl"),
        (new.num_uses > 0, "num_uses"),
        (new.period > 0, "period"),
        (new.id.is_some(), "id"),
    ];
    match set.into_iter().find(|(set, _)| *set) {
        Some((_, field)) => refuse(field, format!("batch tokens cannot have {field:?} set")),
        None => Ok(()),
    }
}

/// The policies of a child: its parent's, or those asked for. Without sudo they are a part of the parent's.
fn child_policies(parent: &Token, sudo: bool, new: &NewToken) -> Result<Vec<String>, Error> {
    let asked = sanitize_policies(&new.policies, false);
    let has = |name: &String| parent.policies.contains(name);
    let mut policies = if asked.is_empty() {
        parent.policies.clone()
    } else if sudo {
        sanitize_policies(&asked, !new.no_default_policy)
    } else if parent.is_root() || asked.iter().all(has) {
        let default = !new.no_default_policy && has(&DEFAULT_POLICY_NAME.to_owned());
        sanitize_policies(&asked, default)
    } else {
        return refuse("policies", "child policies must be subset of parent");
    };
    if new.no_default_policy {
        policies.retain(|name| name != DEFAULT_POLICY_NAME);
    }
    if policies.iter().any(|name| name == ROOT_POLICY_NAME) {
        if !parent.is_root() {
            return refuse(
                "policies",
                "root tokens may not be created without parent token being root",
            );
        }
        if new.token_type == TokenType::Batch {
            return refuse("type", "batch tokens cannot be root tokens");
        }
    }
    Ok(policies)
}

fn lineage(parent: &Token) -> Result<Vec<String>, Error> {
    if parent.is_operators() {
        return Ok(Vec::new());
    }
    if parent.ancestors.len() >= MAX_ANCESTORS {
        let reason = format!(
            "this token is {MAX_ANCESTORS} generations below the first one, and cannot have children; make an orphan"
        );
        return refuse("parent", reason);
    }
    Ok(std::iter::once(&parent.hash)
        .chain(&parent.ancestors)
        .cloned()
        .collect())
}

/// The record of a new token that has no secret yet.
fn draft(services: &Services, new: &NewToken, ancestors: Vec<String>) -> Result<(Token, Vec<String>), Error> {
    if new.policies.len() > MAX_POLICIES {
        return refuse("policies", format!("a token has at most {MAX_POLICIES} policies"));
    }
    let now = services.clock.now();
    let root = new.policies.iter().any(|name| name == ROOT_POLICY_NAME);
    let (ttl, warnings) = if root && new.ttl == 0 && new.period == 0 {
        // Only root lives for ever, and only where no end was asked for.
        (new.explicit_max_ttl, Vec::new())
    } else {
        let asked = Asked {
            increment: 0,
            ttl: new.ttl,
            period: new.period,
            max_ttl: new.max_ttl,
            explicit_max_ttl: new.explicit_max_ttl,
            start: now,
        };
        lifetime(&asked, new.limits, now)?
    };
    let token = Token {
        display_name: new.display_name.clone(),
        policies: new.policies.clone(),
        meta: new.meta.clone(),
        path: new.path.clone(),
        token_type: new.token_type,
        created_at: now,
        creation_ttl: ttl,
        expires_at: (ttl > 0).then(|| now.saturating_add(ttl)),
        explicit_max_ttl: new.explicit_max_ttl,
        max_ttl: new.max_ttl,
        period: new.period,
        uses_left: (new.num_uses > 0).then_some(new.num_uses),
        renewable: new.renewable && ttl > 0 && new.token_type == TokenType::Service,
        ancestors,
        entity_id: new.entity_id.clone(),
        identity_id: new.identity_id.clone(),
        bound_cidrs: if ttl > 0 {
            new.bound_cidrs.clone()
        } else {
            Vec::new()
        },
        ..Token::default()
    };
    Ok((token, warnings))
}

/// Gives `token` its secret and its accessor.
fn secret(services: &Services, id: Option<SecretToken>, token: &mut Token) -> Result<SecretToken, Error> {
    let random = &*services.random;
    let secret = match (id, token.token_type) {
        (Some(id), _) => {
            check_id(&id)?;
            id
        }
        (None, TokenType::Batch) => SecretToken::draw(BATCH_TOKEN_PREFIX, random)?,
        (None, TokenType::Service) => SecretToken::draw(TOKEN_PREFIX, random)?,
    };
    token.hash = secret.hash();
    if token.token_type == TokenType::Service {
        token.accessor = format!("{:032x}", u128::from_be_bytes(random::bytes(random)?));
    }
    Ok(secret)
}

/// A chosen id must survive the way through a header.
fn check_id(id: &SecretToken) -> Result<(), Error> {
    let text = id.reveal();
    if text.is_empty() || text.len() > 1024 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("id", "a token has 1 to 1024 ASCII characters without blanks");
    }
    Ok(())
}

fn puts(token: &Token) -> Result<Vec<Write>, Error> {
    let record = Record::new(Token::key(&token.hash), token)?.expiring(token.expires_at);
    let records = std::iter::once(record).chain(token.pointers()?);
    Ok(records
        .map(|record| Write::Put(record, Condition::Absent))
        .collect())
}

/// Stores a new token. Where its chosen id is that of a token that is dead, the remains are cleared away first.
async fn store(services: &Services, created: Created) -> Result<Created, Error> {
    let hash = &created.token.hash;
    let writes = puts(&created.token)?;
    match services.store.write(&writes).await {
        Ok(()) => return Ok(created),
        Err(StoreError::ConditionFailed(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let taken = Stored::read(&*services.store, hash).await?;
    if taken.is_some_and(|taken| taken.token.is_active(services.clock.now())) {
        return refuse("id", TAKEN);
    }
    revoke(services, hash).await?;
    match services.store.write(&writes).await {
        Ok(()) => Ok(created),
        Err(StoreError::ConditionFailed(_)) => refuse("id", TAKEN),
        Err(error) => Err(error.into()),
    }
}
