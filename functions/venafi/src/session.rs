//! Grants: what a login gave, from which new access tokens come for as long as nobody ends it.
//!
//! An access token is a token of the account. Beside it lies a session, which says of which grant and scope it is; a
//! token that this API gave and that has lost its session has no scope. The secret of a grant, the refresh token, is
//! good for one use: each use puts the next one in its place.

use crate::{error::Failure, guid::Guid};
use countersign::{
    Error, Services,
    access::{self, Created, Identity, Login, NewToken, Token, TokenType, TtlLimits},
    random,
    store::{Condition, Key, Record, StoreError, Table, Write, read_one},
    types::SecretToken,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The path of logins for a grant, as tokens remember it.
pub(crate) const OAUTH_PATH: &str = "vedauth/authorize/oauth";
/// The path of logins for an API key.
pub(crate) const API_KEY_PATH: &str = "vedsdk/authorize";
/// The scope of all that has to do with SSH.
const SSH_MANAGE: (&str, &str) = ("ssh", "manage");
/// How long a grant can be renewed, in seconds.
const GRANT_SECS: u64 = 90 * 86_400;
/// What every refresh token begins with, by which scanners find it where it leaked.
const REFRESH_PREFIX: &str = "csr_";
/// What an answer says where a refresh token is not good.
const USED: &str = "Grant has been revoked, has expired, or the refresh token is invalid";
/// The most bytes of a scope and of a client's name.
const MAX_BYTES: usize = 255;

/// What lies beside an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) grant: String,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    pub(crate) granted_at: u64,
}

impl Session {
    /// Where the session of the token with `hash` lies.
    pub(crate) fn key(hash: &str) -> Key {
        Key::new(Table::Access, format!("venafi/session/{hash}"), "session")
    }

    /// Whether it is for SSH.
    pub(crate) fn has_ssh(&self) -> bool {
        rights(&self.scope).any(|right| right == SSH_MANAGE)
    }
}

/// What a login gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Grant {
    identity: String,
    client_id: String,
    scope: String,
    granted_at: u64,
    expires_at: u64,
    /// The hash of the refresh token that is good now.
    refresh_hash: String,
    /// The hash of the access token that came last.
    access_hash: String,
    /// The accessor of the client secret, where it outlived the login.
    secret: Option<String>,
    bound_cidrs: Vec<String>,
}

impl Grant {
    fn key(id: &str) -> Key {
        Key::new(Table::Access, format!("venafi/grant/{id}"), "grant")
    }
}

/// An access token and the way to the next.
pub(crate) struct Issued {
    pub(crate) access: Created,
    pub(crate) identity: String,
    pub(crate) refresh_token: String,
    pub(crate) refresh_until: u64,
    pub(crate) scope: String,
}

/// Someone who shows a name and a password: the client id and the secret of a machine identity.
pub(crate) struct Presented<'p> {
    pub(crate) username: &'p str,
    pub(crate) password: &'p SecretToken,
    pub(crate) from: Option<IpAddr>,
}

/// The rights of a scope: `ssh:manage;certificate:manage,revoke`, in lower case.
fn rights(scope: &str) -> impl Iterator<Item = (&str, &str)> {
    scope.split(';').flat_map(|area| {
        let (area, rights) = area.split_once(':').unwrap_or((area, ""));
        rights.split(',').map(move |right| (area.trim(), right.trim()))
    })
}

/// A scope in lower case, if it is one.
pub(crate) fn parse_scope(text: &str) -> Option<String> {
    let scope = text.trim().to_ascii_lowercase();
    let word = |text: &str| {
        !text.trim().is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'_'))
    };
    let area = |text: &str| match text.split_once(':') {
        Some((area, rights)) => word(area) && rights.split(',').all(word),
        None => word(text),
    };
    (scope.len() <= MAX_BYTES && scope.split(';').all(area)).then_some(scope)
}

/// Whether `text` can be the name of a client.
pub(crate) fn is_client_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_BYTES && !text.contains(char::is_control)
}

/// Exchanges a name and password for a token.
pub(crate) async fn log_in(
    services: &Services,
    presented: &Presented<'_>,
    path: &str,
) -> Result<(Identity, Created), Failure> {
    let wrong = || Failure::oauth("invalid_grant", "Username\\password combination not valid");
    let known = access::identity_by_client_id(&*services.store, presented.username).await?;
    let identity = known.ok_or_else(wrong)?.identity;
    let entity = entity_id(services, &identity).await?;
    let login = Login {
        realm: &identity.realm,
        client_id: presented.username,
        secret: Some(presented.password),
        from: presented.from,
        path,
        display_name: &identity.name,
        name_in_meta: "identity",
        entity_id: entity.as_deref().unwrap_or_default(),
        limits: TtlLimits::default(),
        default_type: TokenType::Service,
        // One without a record of its own could not be revoked.
        forced_type: Some(TokenType::Service),
    };
    match access::login(services, &login).await {
        Ok(found) => Ok(found),
        Err(Error::Unauthenticated) => Err(wrong()),
        Err(error) => Err(error.into()),
    }
}

/// The entity of an identity, where there is one: whoever disables it means this login too.
async fn entity_id(services: &Services, identity: &Identity) -> Result<Option<String>, Error> {
    let entity = access::entity_by_id(&*services.store, &identity.entity_id).await?;
    Ok(entity.map(|stored| stored.entity.id))
}

/// A grant of `scope` for `client_id`, and its first access token.
pub(crate) async fn grant(
    services: &Services,
    presented: &Presented<'_>,
    client_id: &str,
    scope: String,
) -> Result<Issued, Failure> {
    let (identity, access) = log_in(services, presented, OAUTH_PATH).await?;
    let secret = access::find_secret(services, &identity.id, presented.password).await?;
    let now = services.clock.now();
    let id = random::uuid(&*services.random)?;
    let (refresh_token, refresh_hash) = refresh_token(services, &id)?;
    let grant = Grant {
        identity: identity.id.clone(),
        client_id: client_id.to_owned(),
        scope: scope.clone(),
        granted_at: now,
        expires_at: now + GRANT_SECS,
        refresh_hash,
        access_hash: access.token.hash.clone(),
        secret: secret.map(|stored| stored.secret.accessor),
        bound_cidrs: access.token.bound_cidrs.clone(),
    };
    let record = Record::new(Grant::key(&id), &grant)?.expiring(Some(grant.expires_at));
    let session = session_record(&id, &grant, &access.token)?;
    let writes = [
        Write::Put(record, Condition::Absent),
        Write::Put(session, Condition::Absent),
    ];
    services.store.write(&writes).await?;
    Ok(Issued {
        access,
        identity: identity.id,
        refresh_token,
        refresh_until: grant.expires_at,
        scope,
    })
}

/// The session of `token`. It may not end before a token that is renewed elsewhere, so it ends with nothing.
fn session_record(id: &str, grant: &Grant, token: &Token) -> Result<Record, Error> {
    let session = Session {
        grant: id.to_owned(),
        client_id: grant.client_id.clone(),
        scope: grant.scope.clone(),
        granted_at: grant.granted_at,
    };
    let end = token.expires_at.map(|end| end.max(grant.expires_at));
    Ok(Record::new(Session::key(&token.hash), &session)?.expiring(end))
}

/// `csr_<id of the grant>.<secret>`, and the hash under which it is kept.
fn refresh_token(services: &Services, id: &str) -> Result<(String, String), Error> {
    let secret = SecretToken::draw("", &*services.random)?;
    let text = format!("{REFRESH_PREFIX}{id}.{}", secret.reveal());
    let hash = SecretToken::new(text.clone()).hash();
    Ok((text, hash))
}

/// Exchanges a refresh token for a new access token and the next refresh token. The old access token ends.
pub(crate) async fn refresh(services: &Services, text: &str, client_id: &str) -> Result<Issued, Failure> {
    let id = granted(text).ok_or_else(used)?;
    let (grant, stored) = redeemable(services, id, text, client_id).await?;
    let identity = still_entitled(services, &grant).await?;
    let (refresh_token, refresh_hash) = refresh_token(services, id)?;
    // The next one is drawn first, so that nobody else can use this one; what fails later costs the client a login.
    let next = Grant {
        refresh_hash,
        ..grant.clone()
    };
    let replaced = stored.replaced(&next)?;
    let write = Write::Put(replaced.clone(), Condition::Version(stored.version));
    match services.store.write(&[write]).await {
        Ok(()) => {}
        Err(StoreError::ConditionFailed(_)) => return Err(used()),
        Err(error) => return Err(error.into()),
    }
    let entity_id = entity_id(services, &identity).await?.unwrap_or_default();
    let new = NewToken {
        entity_id,
        ..new_token(&identity, &grant)
    };
    let access = access::grant(services, new).await?;
    let latest = Grant {
        access_hash: access.token.hash.clone(),
        ..next
    };
    let writes = [
        Write::Put(session_record(id, &grant, &access.token)?, Condition::Absent),
        // Somebody may have ended the grant meanwhile.
        Write::Put(replaced.replaced(&latest)?, Condition::Version(replaced.version)),
    ];
    match services.store.write(&writes).await {
        Ok(()) => {}
        Err(StoreError::ConditionFailed(_)) => {
            access::revoke(services, &access.token.hash).await?;
            return Err(used());
        }
        Err(error) => return Err(error.into()),
    }
    end_access(services, &grant.access_hash).await?;
    Ok(Issued {
        access,
        identity: identity.id,
        refresh_token,
        refresh_until: grant.expires_at,
        scope: grant.scope,
    })
}

/// The grant that a refresh token names.
fn granted(text: &str) -> Option<&str> {
    let (id, _) = text.strip_prefix(REFRESH_PREFIX)?.split_once('.')?;
    Guid::parse(id).map(|_| id)
}

fn used() -> Failure {
    Failure::oauth("invalid_grant", USED)
}

/// The grant `id`, where `text` is its present refresh token, and the client's.
async fn redeemable(
    services: &Services,
    id: &str,
    text: &str,
    client_id: &str,
) -> Result<(Grant, Record), Failure> {
    let stored = read_one(&*services.store, &Grant::key(id)).await?;
    let stored = stored.ok_or_else(used)?;
    let grant: Grant = stored.value()?;
    let is_good = SecretToken::new(text).has_hash(&grant.refresh_hash)
        && services.clock.now() < grant.expires_at
        && client_id == grant.client_id;
    is_good.then_some((grant, stored)).ok_or_else(used)
}

/// The identity of `grant`, where it is there still, and the secret too with which it logged in.
async fn still_entitled(services: &Services, grant: &Grant) -> Result<Identity, Failure> {
    let identity = access::identity_by_id(&*services.store, &grant.identity).await?;
    let identity = identity.ok_or_else(used)?.identity;
    if let Some(accessor) = &grant.secret
        && access::find_secret_by_accessor(services, &identity.id, accessor)
            .await?
            .is_none()
    {
        return Err(used());
    }
    Ok(identity)
}

/// The token that the identity's login would give it now.
fn new_token(identity: &Identity, grant: &Grant) -> NewToken {
    let settings = &identity.token;
    NewToken {
        policies: identity.policies.clone(),
        no_default_policy: settings.no_default_policy,
        display_name: identity.name.clone(),
        meta: Some([("identity".to_owned(), identity.name.clone())].into()),
        ttl: settings.ttl,
        explicit_max_ttl: settings.explicit_max_ttl,
        max_ttl: settings.max_ttl,
        period: settings.period,
        num_uses: settings.num_uses,
        path: OAUTH_PATH.into(),
        identity_id: identity.id.clone(),
        bound_cidrs: grant.bound_cidrs.clone(),
        ..NewToken::default()
    }
}

async fn end_access(services: &Services, hash: &str) -> Result<(), Error> {
    access::revoke(services, hash).await?;
    let delete = Write::Delete(Session::key(hash), Condition::Always);
    Ok(services.store.write(&[delete]).await?)
}

/// Ends a token, and the grant that it came from.
pub(crate) async fn revoke(
    services: &Services,
    token: &Token,
    session: Option<&Session>,
) -> Result<(), Error> {
    if let Some(session) = session {
        let key = Grant::key(&session.grant);
        let latest = match read_one(&*services.store, &key).await? {
            Some(record) => Some(record.value::<Grant>()?.access_hash),
            None => None,
        };
        services
            .store
            .write(&[Write::Delete(key, Condition::Always)])
            .await?;
        if let Some(latest) = latest.filter(|latest| *latest != token.hash) {
            end_access(services, &latest).await?;
        }
    }
    end_access(services, &token.hash).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_in_any_case() {
        for text in [
            "ssh:manage",
            "SSH:Manage",
            "certificate:manage,revoke;ssh:manage",
            "ssh:discover,manage",
        ] {
            let session = Session {
                grant: String::new(),
                client_id: String::new(),
                scope: parse_scope(text).unwrap(),
                granted_at: 0,
            };
            assert!(session.has_ssh(), "{text}");
        }
        for text in [
            "certificate:manage,revoke",
            "ssh",
            "ssh:discover",
            "xssh:manage",
            "certificate:ssh,manage",
        ] {
            let mut all = parse_scope(text).into_iter();
            assert!(
                all.all(|scope| rights(&scope).all(|right| right != SSH_MANAGE)),
                "{text}"
            );
        }
        for bad in ["", " ", "ssh:", ":manage", "ssh:manage;", "a\nb", "ssh:manage:x,"] {
            assert_eq!(parse_scope(bad), None, "{bad}");
        }
    }
}
