//! OpenSSH's formats: pure functions between bytes and types. Nothing here decides anything.
//!
//! Sources: `PROTOCOL.certkeys` (now draft-miller-ssh-cert), `PROTOCOL.u2f`, RFC 4251 §5, RFC 5656, RFC 8332.

mod certificate;
mod options;
mod public_key;
mod signature;
mod tbs;
mod wire;

pub use certificate::{Certificate, CertificateError, IssuedCertificate};
pub use options::{CriticalOptions, Extensions, OptionsError};
pub use public_key::{Curve, KeyKind, PublicKey, PublicKeyError};
pub use signature::{SignatureAlgorithm, SignatureError, signature_blob, verify};
pub use tbs::{CertificateFields, TbsCertificate};
pub use wire::{Reader, WireError, Writer};
