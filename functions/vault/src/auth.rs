//! Who is calling. A stand-in until the core keeps tokens: it knows tokens with the root policy only.

use countersign::{
    Error, Services,
    acl::{Acl, Policy},
    store::{Key, Record, Table},
    types::SecretToken,
};
use serde::{Deserialize, Serialize};

/// A caller that we know.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) accessor: String,
    pub(crate) display_name: String,
    pub(crate) acl: Acl,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    pub(crate) accessor: String,
    pub(crate) display_name: String,
}

pub(crate) fn token_key(token: &SecretToken) -> Key {
    Key::new(Table::Access, format!("token#{}", token.hash()), "token")
}

/// The caller with `token`, and the records at `also`, in one round trip.
///
/// # Errors
/// `Unauthenticated` where nobody has this token.
pub(crate) async fn authenticate(
    services: &Services,
    token: &SecretToken,
    also: &[Key],
) -> Result<(Caller, Vec<Option<Record>>), Error> {
    let mut keys = vec![token_key(token)];
    keys.extend_from_slice(also);
    let mut records = services.store.read(&keys).await?;
    let found = records.remove(0).ok_or(Error::Unauthenticated)?;
    let TokenRecord {
        accessor,
        display_name,
    } = found.value()?;
    let acl = Acl::new(&[&Policy::root()]);
    Ok((
        Caller {
            accessor,
            display_name,
            acl,
        },
        records,
    ))
}
