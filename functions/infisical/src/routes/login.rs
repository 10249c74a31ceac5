//! `/api/v1/auth` and `/api/v3/auth`: logging in, and what becomes of the token.

use super::Answer;
use crate::{
    auth::{Actor, Kinds},
    error::Problem,
    input::{Input, PresentedToken, SelectOrganization, UniversalLogin, UserLogin},
    lockout,
    model::ActorKind,
    organization::Organization,
    request::Call,
    session::{self, DEFAULT_TTL_SECS},
    user::{self, MACHINES},
    wire,
};
use axum::Json;
use countersign::{
    Error,
    access::{self, Login, TokenType, TtlLimits},
    password,
    types::SecretToken,
};

/// The lifetimes of tokens where an identity has none of its own.
const LIMITS: TtlLimits = TtlLimits {
    default_ttl: DEFAULT_TTL_SECS,
    max_ttl: DEFAULT_TTL_SECS,
};

/// A machine identity shows its client secret.
pub(crate) async fn universal_auth(mut call: Call) -> Answer<wire::IdentityToken> {
    call.judge_token(&[]).await?;
    let input = UniversalLogin::parse(&call.body()?)?;
    let services = call.services();
    let invalid = || Problem::unauthorized("Invalid credentials");
    if input.client_id.is_empty() {
        return Err(invalid());
    }
    let identity = access::identity_by_client_id(&*services.store, &input.client_id).await?;
    let identity = identity.ok_or_else(invalid)?.identity;
    lockout::check(services, &identity.id).await?;
    let secret = SecretToken::new(input.client_secret);
    let login = Login {
        realm: MACHINES,
        client_id: &input.client_id,
        secret: Some(&secret),
        from: call.source_ip(),
        path: call.policy_path(),
        display_name: &identity.name,
        name_in_meta: "identity",
        entity_id: "",
        limits: LIMITS,
        default_type: TokenType::Service,
        // A token without a record of its own could not be revoked.
        forced_type: Some(TokenType::Service),
    };
    match access::login(services, &login).await {
        Ok((identity, created)) => {
            call.note_caller(&created.token.accessor, &identity.name);
            let token = session::for_identity(&call.app, &identity.id, &created.token).await?;
            Ok(Json(token))
        }
        Err(Error::Unauthenticated) => {
            lockout::count(services, &identity.id).await?;
            Err(invalid())
        }
        Err(error) => Err(error.into()),
    }
}

/// A longer life for the token of an identity.
pub(crate) async fn renew(mut call: Call) -> Answer<wire::IdentityToken> {
    call.judge_token(&[]).await?;
    let input = PresentedToken::parse(&call.body()?)?;
    let claims = call.claims(&input.access_token).await?;
    let (ActorKind::Identity, identity_id) = claims.actor() else {
        return Err(Problem::bad_request("Only identity access tokens can be renewed"));
    };
    let services = call.services();
    if claims.exp <= services.clock.now() {
        return Err(Problem::unauthorized(
            "Failed to renew MI access token due to TTL expiration",
        ));
    }
    let stored = session::live(services, &claims).await?;
    let max_ttl = stored.token.max_ttl;
    if max_ttl > 0 && stored.token.created_at.saturating_add(max_ttl) <= services.clock.now() {
        return Err(Problem::unauthorized(
            "Failed to renew MI access token due to Max TTL expiration",
        ));
    }
    let (token, _) = access::renew(services, stored, 0, LIMITS)
        .await
        .map_err(|error| match error {
            Error::InvalidRequest { .. } => {
                Problem::unauthorized("Failed to renew MI access token past its Max TTL expiration")
            }
            error => error.into(),
        })?;
    Ok(Json(session::for_identity(&call.app, identity_id, &token).await?))
}

/// The end of a token.
pub(crate) async fn revoke(mut call: Call) -> Answer<wire::Message> {
    call.judge_token(&[]).await?;
    let input = PresentedToken::parse(&call.body()?)?;
    let claims = call.claims(&input.access_token).await?;
    if !access::revoke(call.services(), claims.session()).await? {
        return Err(session::gone(claims.actor().0));
    }
    Ok(Json(wire::Message {
        message: "Successfully revoked access token".into(),
    }))
}

/// Whether the token is good.
pub(crate) async fn check(mut call: Call) -> Answer<wire::Message> {
    call.actor(Kinds::AnyWithoutOrganization, |_| Vec::new()).await?;
    Ok(Json(wire::Message {
        message: "Authenticated".into(),
    }))
}

/// A person shows a password.
pub(crate) async fn user(call: Call) -> Answer<wire::UserLogin> {
    let input = UserLogin::parse(&call.body()?)?;
    let services = call.services();
    let random = &*services.random;
    let invalid = || Problem::unauthorized("Invalid credentials");
    let identity = user::by_username(services, &input.email).await?;
    let Some(identity) = identity.map(|stored| stored.identity) else {
        // As long as for a wrong password: nobody learns who has an account.
        password::has_hash(&input.password, None, random).await?;
        return Err(invalid());
    };
    lockout::check(services, &identity.id).await?;
    let known = user::Details::of(&identity)?.password_hash;
    if !password::has_hash(&input.password, known.as_deref(), random).await? {
        lockout::count(services, &identity.id).await?;
        return Err(invalid());
    }
    let access_token = session::for_user(&call.app, &identity, call.policy_path()).await?;
    Ok(Json(wire::UserLogin { access_token }))
}

/// A person says for which organization: there is one.
pub(crate) async fn select_organization(mut call: Call) -> Answer<wire::SelectedOrganization> {
    let actor = call.actor(Kinds::UserWithoutOrganization, |_| Vec::new()).await?;
    let input = SelectOrganization::parse(&call.body()?)?;
    let Actor::User(session, _) = &actor else {
        return Err(Problem::wrong_kind(call.target()));
    };
    let organization = Organization::find(&mut call.records).await?;
    if input.organization_id != organization.id {
        return Err(Problem::forbidden(
            "User does not have access to the organization",
        ));
    }
    let token =
        session::with_organization(&call.app, &session.id, &session.token, Some(organization.id)).await?;
    Ok(Json(wire::SelectedOrganization {
        token,
        is_mfa_enabled: false,
    }))
}

/// That the server is there.
pub(crate) async fn status(_: Call) -> Answer<wire::Message> {
    Ok(Json(wire::Message { message: "Ok".into() }))
}
