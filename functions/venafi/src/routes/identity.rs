//! `vedsdk/` and `vedsdk/Identity/Self`.

use crate::{
    call::{Call, Reply, universal},
    error::Failure,
    wire,
};
use std::sync::Arc;

/// The version that answers name: that of a server which has all routes of this API.
const VERSION: &str = "23.3";
/// Where identities of this server come from, in the product's words.
const PREFIX: &str = "local";
/// The product's number for a person; it tells nobody apart here.
const TYPE: u8 = 1;

/// That the server is there. Clients come with any token, or none.
pub(super) async fn ping(_: Arc<Call>) -> Result<Reply, Failure> {
    Reply::json(&wire::Ping {
        version: VERSION.into(),
    })
}

/// Who calls.
pub(super) async fn own(call: Arc<Call>) -> Result<Reply, Failure> {
    let caller = call.authenticate(&[]).await?.caller;
    let (name, universal) = (caller.display_name(), universal(caller));
    Reply::json(&wire::Identities {
        identities: vec![wire::Identity {
            full_name: format!("\\VED\\Identity\\{name}"),
            name: name.to_owned(),
            prefix: PREFIX.into(),
            prefixed_name: format!("{PREFIX}:{name}"),
            prefixed_universal: format!("{PREFIX}:{universal}"),
            kind: TYPE,
            universal: universal.to_string(),
        }],
    })
}
