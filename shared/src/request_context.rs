//! What the server or the gateway says of a request, beside what it asks: where it comes from, who sends it, and
//! whether there is room for it.

use crate::error::Error;
use std::{collections::BTreeMap, fmt, net::IpAddr, time::Duration};

/// The address of the client, as the gateway or the socket knows it; never as a header says, which anybody can write.
///
/// Whatever serves a family's router puts one into the extensions of every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

/// What a server puts into the extensions of a request for which it has no room, since too many others wait. The
/// gateway of a deployment refuses those itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// How long a caller is asked to wait before it comes again.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// Refuses a request, before anything is done for it, where that is what it has among its extensions.
///
/// # Errors
/// [`Error::Throttled`] where the server had no room.
pub fn check_room(no_room: Option<&NoRoom>) -> Result<(), Error> {
    match no_room {
        None => Ok(()),
        Some(NoRoom) => Err(Error::Throttled {
            retry_after: Some(COME_AGAIN),
        }),
    }
}

/// A caller whom the gateway has authenticated, as the request context has it; never as a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayIdentity {
    /// Signed the request with AWS credentials.
    Iam {
        /// The ARN of the user, or of the role's session.
        arn: String,
    },
    /// Presented a JSON web token, which the gateway has verified.
    Jwt {
        /// What the token claims.
        claims: BTreeMap<String, String>,
    },
}

impl fmt::Display for GatewayIdentity {
    /// All that it is known by, in one text: no two identities have the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iam { arn } => write!(f, "iam {arn}"),
            Self::Jwt { claims } => {
                f.write_str("jwt")?;
                claims
                    .iter()
                    .filter(|(name, _)| !PASSING.contains(&name.as_str()))
                    .try_for_each(|(name, value)| write!(f, " {}:{name}={}:{value}", name.len(), value.len()))
            }
        }
    }
}

/// Claims that differ from token to token of the same holder.
const PASSING: [&str; 4] = ["exp", "iat", "jti", "nbf"];
