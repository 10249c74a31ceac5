//! The one error of the domain, sorted by what its caller can do about it.

use crate::refusal::Refusal;
use std::{error::Error as StdError, fmt, time::Duration};

/// The cause behind an [`Error`], for the log alone.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Why a request did not succeed.
///
/// `Display` is safe to show to the caller. What only the operator may read is the [`source`](StdError::source)
/// of `Internal` and `Unavailable`.
#[derive(Debug)]
pub enum Error {
    /// What the caller wants exists already, or changed under its feet.
    Conflict(String),
    /// A defect, or data of ours that cannot be read. The caller learns nothing but that it happened.
    Internal(Cause),
    /// A field is malformed. The caller mends it and tries again.
    InvalidRequest {
        /// The field, as the core names it; a family translates it to its own spelling.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The thing that the request names is not there.
    NotFound(String),
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The role does not allow what was asked.
    Refused(Refusal),
    /// Too many requests; the same request may succeed later.
    Throttled {
        /// How long to wait, where it is known.
        retry_after: Option<Duration>,
    },
    /// Nobody that we know presented valid credentials.
    Unauthenticated,
    /// A store or a signer did not answer; the same request may succeed later.
    Unavailable(Cause),
}

impl Error {
    /// An [`Error::InvalidRequest`] about `field`.
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidRequest {
            field,
            reason: reason.into(),
        }
    }

    /// An [`Error::Internal`] whose `cause` goes to the log.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// An [`Error::Unavailable`] whose `cause` goes to the log.
    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// One word for logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "conflict",
            Self::Internal(_) => "internal",
            Self::InvalidRequest { .. } => "invalid_request",
            Self::NotFound(_) => "not_found",
            Self::PermissionDenied => "permission_denied",
            Self::Refused(_) => "refused",
            Self::Throttled { .. } => "throttled",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// This error and all its causes on one line, for the log.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// `error` and all its causes on one line, for the log.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(text) | Self::NotFound(text) => f.write_str(text),
            Self::Internal(_) => f.write_str("internal error"),
            Self::InvalidRequest { field, reason } => write!(f, "{field}: {reason}"),
            Self::PermissionDenied => f.write_str("permission denied"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Throttled { .. } => f.write_str("too many requests; try again later"),
            Self::Unauthenticated => f.write_str("authentication failed"),
            Self::Unavailable(_) => {
                f.write_str("a service that this request needs is unavailable; try again")
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Internal(cause) | Self::Unavailable(cause) => Some(&**cause),
            Self::Conflict(_)
            | Self::InvalidRequest { .. }
            | Self::NotFound(_)
            | Self::PermissionDenied
            | Self::Refused(_)
            | Self::Throttled { .. }
            | Self::Unauthenticated => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
