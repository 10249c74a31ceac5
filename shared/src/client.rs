//! Where a request comes from.

use std::{collections::BTreeMap, fmt, net::IpAddr};

/// The address of the client, as the gateway or the socket knows it; never as a header says, which anybody can write.
///
/// Whatever serves a family's router puts one into the extensions of every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

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
