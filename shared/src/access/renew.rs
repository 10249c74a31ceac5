use super::{
    identity::Identity,
    lifetime::{Asked, TtlLimits, lifetime},
    lookup::Stored,
    token::{Token, TokenType},
};
use crate::{
    error::Error,
    services::Services,
    store::{Condition, StoreError, TRIES, Write, contended, read_one},
};

/// Gives a token that was found alive a longer life: `increment` seconds from now, or as long as it was made with,
/// or its period, and never past its maximum. Gives the token and warnings. One write; one read before where an
/// identity logged in for it, whose present settings then count.
///
/// # Errors
/// `InvalidRequest` where the token cannot be renewed; as [`Store::write`](crate::store::Store::write).
pub async fn renew(
    services: &Services,
    stored: Stored,
    increment: u64,
    limits: TtlLimits,
) -> Result<(Token, Vec<String>), Error> {
    let hash = stored.token.hash.clone();
    let mut stored = stored;
    check_renewable(&stored.token)?;
    let asked = asked(services, &stored.token, increment).await?;
    for _ in 0..TRIES {
        check_renewable(&stored.token)?;
        let now = services.clock.now();
        let (ttl, warnings) = lifetime(&asked, limits, now)?;
        let mut token = stored.token.clone();
        token.expires_at = Some(now.saturating_add(ttl));
        token.renewed_at = Some(now);
        token.period = asked.period;
        let replaced = token.replacing(&stored.record)?;
        let mut writes = vec![Write::Put(replaced, Condition::Version(stored.record.version))];
        // What leads to the token must live as long.
        let pointers = token.pointers()?.into_iter();
        writes.extend(pointers.map(|pointer| Write::Put(pointer, Condition::Always)));
        match services.store.write(&writes).await {
            Ok(()) => return Ok((token, warnings)),
            Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let again = Stored::read(&*services.store, &hash).await?;
        stored = again
            .filter(|stored| stored.token.is_active(services.clock.now()))
            .ok_or_else(|| Error::invalid("token", "token not found"))?;
    }
    Err(contended("the token"))
}

fn check_renewable(token: &Token) -> Result<(), Error> {
    if token.token_type == TokenType::Batch {
        return Err(Error::invalid("token", "batch tokens cannot be renewed"));
    }
    if token.expires_at.is_none() {
        return Err(Error::invalid("token", "invalid lease ID"));
    }
    if !token.renewable {
        return Err(Error::invalid("token", "lease is not renewable"));
    }
    Ok(())
}

async fn asked(services: &Services, token: &Token, increment: u64) -> Result<Asked, Error> {
    let mut asked = Asked {
        increment,
        ttl: token.creation_ttl,
        period: token.period,
        max_ttl: token.max_ttl,
        explicit_max_ttl: token.explicit_max_ttl,
        start: token.created_at,
    };
    if !token.identity_id.is_empty() {
        let record = read_one(&*services.store, &Identity::key(&token.identity_id)).await?;
        let record = record
            .ok_or_else(|| Error::invalid("token", "the role of this token does not exist any more"))?;
        let settings = record.value::<Identity>()?.token;
        asked.ttl = settings.ttl;
        asked.max_ttl = settings.max_ttl;
        asked.period = settings.period;
    }
    Ok(asked)
}
