//! `SSHCertificates/Retrieve`.

use super::{
    answer::{self, Beside},
    templates::policy_path,
};
use crate::{
    call::{Call, Reply},
    dn::Dn,
    error::{Failure, code},
    guid::Guid,
    object::{self, Object},
    pending::{State, carry_out},
    private_key,
    wire::{self, Status},
};
use countersign::acl::Capability;
use std::{sync::Arc, time::Duration};

/// How long a request waits for a signature at most: a gateway gives up after 29 seconds.
pub(super) const HOLD_LIMIT: Duration = Duration::from_secs(25);
/// What an answer says of a certificate that waits.
const PENDING: &str = "The certificate is pending";

/// Gives the certificate of an object, and signs it first where nobody has yet.
pub(super) async fn retrieve(call: Arc<Call>) -> Result<Reply, Failure> {
    let body = call.body::<wire::Retrieval>();
    let caller = call.authorise(&[]).await?.caller;
    let body = body?;
    let object = find(&call, &body).await?;
    let path = policy_path(&object.template_dn);
    if !call.may(caller, &path, &[Capability::Update]) {
        return Err(Failure::rights("the template of this certificate"));
    }
    let wants_private_key = body.include_private_key_data.unwrap_or(false) && object.is_generated;
    if wants_private_key
        && object.owner != object::owner(caller)
        && !call.may(caller, &path, &[Capability::Sudo])
    {
        return Err(Failure::rights("a private key that another caller had made"));
    }
    let outcome = tokio::time::timeout(HOLD_LIMIT, carry_out(&call.services, &object)).await;
    let record = match outcome.unwrap_or(Ok(State::Pending))? {
        State::Issued(record) => record,
        State::Pending => {
            let answer = answer::without(&object, Status::PendingIssue, Some(PENDING.into()));
            return Ok(Reply::json(&answer)?.logged());
        }
        State::Rejected(reason) => {
            return Reply::json(&answer::without(&object, Status::Rejected, Some(reason)));
        }
    };
    let mut beside = Beside {
        with_details: body.include_certificate_details.unwrap_or(false),
        ..Beside::default()
    };
    if wants_private_key {
        add_private_key(
            &call,
            &object,
            body.private_key_passphrase.as_deref(),
            &mut beside,
        )
        .await?;
    }
    Reply::json(&answer::issued(&object, &record, beside)?)
}

async fn find(call: &Call, body: &wire::Retrieval) -> Result<Object, Failure> {
    let store = &*call.services.store;
    let found = match (&body.dn, &body.guid) {
        (Some(dn), _) => {
            let dn = Dn::parse(dn).map_err(|error| Failure::field("DN", error))?;
            object::by_dn(store, &dn).await?
        }
        (None, Some(guid)) => {
            let guid = Guid::parse(guid).ok_or_else(|| Failure::field("Guid", "it is not an id"))?;
            object::by_guid(store, &guid).await?
        }
        (None, None) => return Err(Failure::invalid(code::OTHER, "Guid or DN is required")),
    };
    found
        .map(|stored| stored.object)
        .ok_or_else(|| Failure::not_found(code::NOT_FOUND, "SSH certificate object was not found"))
}

async fn add_private_key(
    call: &Call,
    object: &Object,
    passphrase: Option<&str>,
    beside: &mut Beside,
) -> Result<(), Failure> {
    match private_key::find(&call.services, object.certificate_id()?).await? {
        Some(pair) => {
            beside.private_key = Some(private_key::text(&call.services, &pair, passphrase).await?);
        }
        None => beside
            .notes
            .push("The private key was kept for its time, and is deleted.".into()),
    }
    Ok(())
}
