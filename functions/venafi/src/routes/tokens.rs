//! The routes by which clients get, renew, look at and end their tokens.

use crate::{
    auth,
    call::{Call, Reply, universal},
    error::Failure,
    guid::Guid,
    session::{self, API_KEY_PATH, Issued, Presented},
    time, wire,
};
use countersign::types::{SecretToken, timestamp};
use http::StatusCode;
use std::sync::Arc;

/// The scope that a token of the account has here.
const FULL_SCOPE: &str = "ssh:manage";

/// A name and a password for a token.
pub(super) async fn oauth(call: Arc<Call>) -> Result<Reply, Failure> {
    let body: wire::OauthRequest = body(&call)?;
    let client_id = client_id(body.client_id)?;
    let scope = body.scope.unwrap_or_default();
    let scope = session::parse_scope(&scope).ok_or_else(|| {
        Failure::oauth(
            "invalid_scope",
            "The scope is missing or malformed: ask for 'ssh:manage'",
        )
    })?;
    let (username, password) = credentials(body.username, body.password)?;
    let presented = Presented {
        username: &username,
        password: &password,
        from: call.source_ip,
    };
    let issued = session::grant(&call.services, &presented, &client_id, scope).await?;
    token(&call, issued)
}

/// A refresh token for the next access token.
pub(super) async fn refresh(call: Arc<Call>) -> Result<Reply, Failure> {
    let body: wire::RefreshRequest = body(&call)?;
    let client_id = client_id(body.client_id)?;
    let text = body
        .refresh_token
        .ok_or_else(|| Failure::oauth("invalid_request", "refresh_token is missing"))?;
    let issued = session::refresh(&call.services, &text, &client_id).await?;
    token(&call, issued)
}

/// A client certificate for a token: nobody asks for one here.
pub(super) async fn certificate(_: Arc<Call>) -> Result<Reply, Failure> {
    Err(Failure::oauth(
        "unauthorized_client",
        "This server takes no client certificates: use authorize/oauth",
    ))
}

/// A name and a password for an API key.
pub(super) async fn api_key(call: Arc<Call>) -> Result<Reply, Failure> {
    let body: wire::ApiKeyRequest = body(&call)?;
    let (username, password) = credentials(body.username, body.password)?;
    let presented = Presented {
        username: &username,
        password: &password,
        from: call.source_ip,
    };
    let (_, created) = session::log_in(&call.services, &presented, API_KEY_PATH).await?;
    Reply::json(&wire::ApiKey {
        api_key: created.secret.reveal().to_owned(),
        valid_until: time::date(created.token.expires_at.unwrap_or_default()),
    })
}

/// What a token is.
pub(super) async fn verify(call: Arc<Call>) -> Result<Reply, Failure> {
    let authorised = call.authenticate(&[]).await?;
    let (caller, token) = (authorised.caller, authorised.caller.token());
    let now = call.services.clock.now();
    let (client_id, scope, granted_at) = match authorised.session {
        Some(session) => (session.client_id, session.scope, session.granted_at),
        None => (String::new(), FULL_SCOPE.to_owned(), token.created_at),
    };
    // A token without an end is as good as one of a hundred years, which every client can count.
    let expires = token.expires_at.unwrap_or(now + 100 * 365 * 86_400);
    Reply::json(&wire::Verification {
        access_issued_on: time::date(token.created_at),
        access_issued_on_iso8601: timestamp::render(token.created_at),
        access_issued_on_unix_time: token.created_at,
        application: client_id,
        expires: time::date(expires),
        expires_iso8601: timestamp::render(expires),
        expires_unix_time: expires,
        grant_issued_on: time::date(granted_at),
        grant_issued_on_iso8601: timestamp::render(granted_at),
        grant_issued_on_unix_time: granted_at,
        identity: format!("local:{}", universal(caller)),
        scope,
        valid_for: expires.saturating_sub(now),
    })
}

/// The end of a token and its grant. Without a token there is nothing to do.
pub(super) async fn revoke(call: Arc<Call>) -> Result<Reply, Failure> {
    if !auth::is_there(&call.headers) && call.headers.contains_key(http::header::AUTHORIZATION) {
        return Ok(Reply::empty(StatusCode::ACCEPTED));
    }
    let authorised = call.authenticate(&[]).await?;
    let token = authorised.caller.token();
    session::revoke(&call.services, token, authorised.session.as_ref()).await?;
    Ok(Reply::empty(StatusCode::OK))
}

/// That tokens can be had here.
pub(super) async fn is_auth_server(_: Arc<Call>) -> Result<Reply, Failure> {
    Ok(Reply::empty(StatusCode::ACCEPTED))
}

fn body<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, Failure> {
    call.body()
        .map_err(|error| Failure::oauth("invalid_request", error.to_string()))
}

fn client_id(given: Option<String>) -> Result<String, Failure> {
    given
        .filter(|client_id| session::is_client_id(client_id))
        .ok_or_else(|| Failure::oauth("invalid_client", "client_id is missing or malformed"))
}

fn credentials(username: Option<String>, password: Option<String>) -> Result<(String, SecretToken), Failure> {
    match (username, password) {
        (Some(username), Some(password)) => Ok((username, SecretToken::new(password))),
        _ => Err(Failure::oauth(
            "invalid_request",
            "username and password are required",
        )),
    }
}

fn token(call: &Call, issued: Issued) -> Result<Reply, Failure> {
    let expires = issued.access.token.expires_at.unwrap_or_default();
    Reply::json(&wire::TokenAnswer {
        access_token: issued.access.secret.reveal().to_owned(),
        expires,
        expires_in: expires.saturating_sub(call.services.clock.now()),
        identity: format!(
            "local:{}",
            Guid::parse(&issued.identity).unwrap_or_else(|| Guid::of_hex(&issued.identity))
        ),
        refresh_token: issued.refresh_token,
        refresh_until: issued.refresh_until,
        scope: issued.scope,
        token_type: "Bearer".into(),
    })
}
