use super::{
    client_secret::{StoredSecret, secret_key, spend, stored_secret},
    create::{Created, NewToken, granted},
    identity::{Identity, id_of_client},
    lifetime::TtlLimits,
    token::{TokenType, admits},
};
use crate::{
    error::Error,
    services::Services,
    store::{Key, StoreError, TRIES, contended},
    types::SecretToken,
};
use std::{collections::BTreeMap, net::IpAddr};

/// A login of a machine identity.
#[derive(Clone, Debug)]
pub struct Login<'l> {
    /// The realm that it logs in to.
    pub realm: &'l str,
    /// Who it says it is.
    pub client_id: &'l str,
    /// How it proves it.
    pub secret: Option<&'l SecretToken>,
    /// Where the request came from.
    pub from: Option<IpAddr>,
    /// The path of the request.
    pub path: &'l str,
    /// What its token is called, for people; the identity's name stands in the metadata.
    pub display_name: &'l str,
    /// The name under which the metadata of the token holds the identity's name.
    pub name_in_meta: &'l str,
    /// The entity that its token belongs to; empty: none.
    pub entity_id: &'l str,
    /// The lifetimes of the mount.
    pub limits: TtlLimits,
    /// The type of its token where the identity has none.
    pub default_type: TokenType,
    /// The type of its token, whatever the identity has.
    pub forced_type: Option<TokenType>,
}

/// Exchanges a client id and secret for a token. Two reads and one write, which makes the token and counts the use of
/// the secret together.
///
/// # Errors
/// `Unauthenticated` where the client is unknown, its secret wrong, over or missing, or the address not one of those
/// that either is bound to: which, nobody is told. As [`Store::write`](crate::store::Store::write).
pub async fn login(services: &Services, login: &Login<'_>) -> Result<(Identity, Created), Error> {
    let id = id_of_client(&*services.store, login.client_id)
        .await?
        .ok_or(Error::Unauthenticated)?;
    for _ in 0..TRIES {
        let (identity, secret) = prove(services, login, &id).await?;
        let new = token(login, &identity, secret.as_ref());
        let (text, token, warnings, mut writes) = granted(services, new)?;
        if let Some(secret) = &secret {
            writes.extend(spend(services, &id, secret)?);
        }
        match services.store.write(&writes).await {
            Ok(()) => {
                return Ok((
                    identity,
                    Created {
                        secret: text,
                        token,
                        warnings,
                    },
                ));
            }
            Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended("the client secret"))
}

/// The identity, and the secret where one is required: read together, and both good.
async fn prove(
    services: &Services,
    login: &Login<'_>,
    id: &str,
) -> Result<(Identity, Option<StoredSecret>), Error> {
    let mut keys: Vec<Key> = vec![Identity::key(id)];
    keys.extend(login.secret.map(|secret| secret_key(id, &secret.hash())));
    let mut records = services.store.read(&keys).await?.into_iter();
    let record = records.next().flatten().ok_or(Error::Unauthenticated)?;
    let identity: Identity = record.value()?;
    let known = identity.realm == login.realm && identity.client_id == login.client_id;
    if !known || !admits(&identity.secret.bound_cidrs, login.from) {
        return Err(Error::Unauthenticated);
    }
    if !identity.secret.required {
        return Ok((identity, None));
    }
    let given = login.secret.ok_or(Error::Unauthenticated)?;
    let record = records.next().flatten().ok_or(Error::Unauthenticated)?;
    let stored = stored_secret(record)?;
    let secret = &stored.secret;
    let good = given.has_hash(&secret.hash) && secret.is_alive(services.clock.now());
    if !good || !admits(&secret.bound_cidrs, login.from) {
        return Err(Error::Unauthenticated);
    }
    Ok((identity, Some(stored)))
}

fn token(login: &Login<'_>, identity: &Identity, secret: Option<&StoredSecret>) -> NewToken {
    let settings = &identity.token;
    let token_type = login
        .forced_type
        .or(settings.token_type)
        .unwrap_or(login.default_type);
    let mut meta: BTreeMap<String, String> = secret
        .map(|stored| stored.secret.metadata.clone())
        .unwrap_or_default();
    meta.insert(login.name_in_meta.to_owned(), identity.name.clone());
    let bound = secret
        .map(|stored| &stored.secret.token_bound_cidrs)
        .filter(|bound| !bound.is_empty());
    NewToken {
        policies: identity.policies.clone(),
        no_default_policy: settings.no_default_policy,
        display_name: login.display_name.to_owned(),
        meta: Some(meta),
        ttl: settings.ttl,
        explicit_max_ttl: settings.explicit_max_ttl,
        max_ttl: settings.max_ttl,
        period: settings.period,
        num_uses: settings.num_uses,
        token_type,
        path: login.path.to_owned(),
        entity_id: login.entity_id.to_owned(),
        identity_id: identity.id.clone(),
        bound_cidrs: bound.unwrap_or(&settings.bound_cidrs).clone(),
        limits: login.limits,
        ..NewToken::default()
    }
}
