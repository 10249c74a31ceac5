//! The values that certificates and roles are made of. A value of one of these types is the proof that it is well
//! formed: it came through a `parse`.

mod cert_type;
mod cidr_list;
mod duration;
mod hex;
mod key_id;
mod ksuid;
mod pattern;
mod principals;
mod secret;
mod serial;
mod validity;

pub mod timestamp;

pub use cert_type::CertType;
pub use cidr_list::{CidrList, CidrListError};
pub use duration::{DurationError, parse_duration};
pub use hex::{hex, sha256_hex};
pub use key_id::{CertKeyId, CertKeyIdError};
pub use ksuid::{Ksuid, KsuidError};
pub use pattern::{Pattern, PatternError};
pub use principals::{Principals, PrincipalsError};
pub use secret::SecretToken;
pub use serial::Serial;
pub use validity::{ValidityError, ValidityWindow};
