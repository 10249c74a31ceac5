//! Machine identities.

use super::join;
use crate::{
    error::Problem, input::IdentitySpec, model::ActorKind, records::Records, session::DEFAULT_TTL_SECS,
    user::MACHINES, wire,
};
use countersign::{
    access::{self, Identity, NewSecret, StoredIdentity, TokenSettings},
    types::SecretToken,
};

/// Makes an identity, or changes one to be as `spec` says, and puts it into the project. Without a secret of its own
/// it gets one, which is shown this once.
pub(super) async fn identity(
    records: &mut Records,
    project_id: &str,
    spec: IdentitySpec,
) -> Result<wire::AppliedIdentity, Problem> {
    let store = &*records.services.store;
    let identity = match access::identity_by_name(store, MACHINES, &spec.name).await? {
        Some(known) => with_client_id(records, known, spec.client_id.as_deref()).await?,
        None => make(records, &spec).await?,
    };
    join(records, project_id, ActorKind::Identity, &identity.id, spec.role).await?;
    Ok(wire::AppliedIdentity {
        client_secret: secret(records, &identity.id, spec.client_secret).await?,
        id: identity.id,
        name: identity.name,
        client_id: identity.client_id,
        role: spec.role.name().to_owned(),
    })
}

async fn make(records: &Records, spec: &IdentitySpec) -> Result<Identity, Problem> {
    let services = &records.services;
    let mut identity = Identity::draw(services, MACHINES, &spec.name)?;
    if let Some(client_id) = &spec.client_id {
        identity.client_id.clone_from(client_id);
    }
    // What a token of this API may do is decided by roles in projects, not by policies.
    identity.token = TokenSettings {
        ttl: DEFAULT_TTL_SECS,
        max_ttl: DEFAULT_TTL_SECS,
        no_default_policy: true,
        ..TokenSettings::default()
    };
    access::create_identity(services, &identity).await?;
    Ok(identity)
}

async fn with_client_id(
    records: &Records,
    known: StoredIdentity,
    client_id: Option<&str>,
) -> Result<Identity, Problem> {
    let Some(client_id) = client_id.filter(|client_id| *client_id != known.identity.client_id) else {
        return Ok(known.identity);
    };
    let changed = Identity {
        client_id: client_id.to_owned(),
        ..known.identity.clone()
    };
    access::update_identity(&records.services, &known, &changed).await?;
    Ok(changed)
}

/// The secret as given, which is one of the identity's from now on; without one, a new one if it has none yet.
async fn secret(records: &Records, id: &str, given: Option<String>) -> Result<Option<String>, Problem> {
    let services = &records.services;
    let text = given.map(SecretToken::new);
    let is_known = match &text {
        Some(text) => access::find_secret(services, id, text).await?.is_some(),
        None => !access::list_secrets(services, id).await?.is_empty(),
    };
    if is_known {
        return Ok(text.map(|text| text.reveal().to_owned()));
    }
    let new = NewSecret {
        text,
        description: "countersign infisical apply".into(),
        ..NewSecret::default()
    };
    let (text, _) = access::create_secret(services, id, new).await?;
    Ok(Some(text.reveal().to_owned()))
}
