use super::{
    create::{NewToken, grant},
    lookup::read_all,
    policies::sanitize_policies,
};
use crate::{
    acl::ROOT_POLICY_NAME,
    error::Error,
    request_context::GatewayIdentity,
    services::Services,
    store::{Condition, Key, Query, Record, Store, StoreError, Table, Write, contended, read_one},
    types::{SecretToken, sha256_hex},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The partition of all admissions.
const PARTITION: &str = "admission";
/// The claims by which an admission can be found. Others can only narrow it: each of these is one more item to read.
pub const SUBJECT_CLAIMS: [&str; 4] = ["azp", "client_id", "repository", "sub"];
/// How long a token of an admitted caller lives, unless the admission says otherwise.
const TTL_SECS: u64 = 900;
/// A token that ends sooner than this is not used again.
const LEAST_REST_SECS: u64 = 30;
/// How many bytes each text of an admission may have. Ours.
const MAX_TEXT_BYTES: usize = 1024;
const MAX_NAME_CHARS: usize = 200;

/// Whom an admission is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Subject {
    /// An IAM role or user.
    Iam {
        /// Its ARN; a role's without its path, which sessions do not show.
        arn: String,
    },
    /// Whoever has a JSON web token with this claim.
    Jwt {
        /// The token's issuer.
        issuer: String,
        /// One of [`SUBJECT_CLAIMS`].
        claim: String,
        /// The claim's value.
        value: String,
    },
}

impl Subject {
    /// The role or user with this ARN. The ARN of a session is that of its role.
    ///
    /// # Errors
    /// `InvalidRequest` where it is none.
    pub fn iam(arn: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, region, account, resource] = parts[..] else {
            return Err(no_principal());
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_text = arn.len() <= MAX_TEXT_BYTES && arn.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_account || !is_text || partition.is_empty() || !region.is_empty() {
            return Err(no_principal());
        }
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let arn = match (service, resource.split_once('/')) {
            ("iam", Some(("role", path))) if !name(path).is_empty() => {
                format!("arn:{partition}:iam::{account}:role/{}", name(path))
            }
            ("sts", Some(("assumed-role", session))) => {
                let role = session.split_once('/').map(|(role, _)| role);
                let role = role.filter(|role| !role.is_empty()).ok_or_else(no_principal)?;
                format!("arn:{partition}:iam::{account}:role/{role}")
            }
            ("iam", Some(("user", path))) if !name(path).is_empty() => arn.to_owned(),
            _ => return Err(no_principal()),
        };
        Ok(Self::Iam { arn })
    }

    /// Holders of tokens of `issuer` whose `claim` is `value`.
    ///
    /// # Errors
    /// `InvalidRequest` where a text is unusable, or the claim is none of [`SUBJECT_CLAIMS`].
    pub fn jwt(issuer: &str, claim: &str, value: &str) -> Result<Self, Error> {
        if !SUBJECT_CLAIMS.contains(&claim) {
            let reason = format!("one of {}", SUBJECT_CLAIMS.join(", "));
            return Err(Error::invalid("claim", reason));
        }
        for (field, text) in [("issuer", issuer), ("value", value)] {
            check_text(field, text)?;
        }
        Ok(Self::Jwt {
            issuer: issuer.into(),
            claim: claim.into(),
            value: value.into(),
        })
    }

    /// By what the admission of this subject is addressed.
    pub fn id(&self) -> String {
        let mut hash = sha256_hex(self.to_string().as_bytes());
        // 128 bits are enough.
        hash.truncate(32);
        hash
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iam { arn } => f.write_str(arn),
            // Lengths first: no two subjects have the same text.
            Self::Jwt { issuer, claim, value } => {
                write!(f, "jwt {}:{issuer} {claim}={value}", issuer.len())
            }
        }
    }
}

fn no_principal() -> Error {
    Error::invalid(
        "arn",
        "the ARN of an IAM role or user, such as arn:aws:iam::123456789012:role/deployer",
    )
}

fn check_text(field: &'static str, text: &str) -> Result<(), Error> {
    if text.is_empty() || text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control) {
        let reason = format!("1 to {MAX_TEXT_BYTES} bytes without control characters");
        return Err(Error::invalid(field, reason));
    }
    Ok(())
}

/// What callers whom the gateway knows may do here: they need no token of ours.
///
/// Who can write one can give every policy but root to anybody whom the gateway lets through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Whom it is for.
    pub subject: Subject,
    /// Claims that a token must have besides, each with exactly this value.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// The names of its policies, sorted.
    pub policies: Vec<String>,
    /// How long the token lives that stands for such a caller, in seconds.
    pub ttl_secs: u64,
    /// When it was written, in Unix seconds.
    pub created_at: u64,
}

impl Admission {
    /// Writes the admission of `subject`, in place of an older one. One write.
    ///
    /// # Errors
    /// `InvalidRequest` where the policies are none, or root, or claims stand beside an IAM subject; as
    /// [`Store::write`].
    pub async fn put(
        services: &Services,
        subject: Subject,
        claims: BTreeMap<String, String>,
        policies: &[String],
        ttl_secs: u64,
    ) -> Result<Self, Error> {
        let policies = sanitize_policies(policies, false);
        if policies.is_empty() || policies.iter().any(|name| name == ROOT_POLICY_NAME) {
            return Err(Error::invalid("policies", "at least one, and not root"));
        }
        if !claims.is_empty() && matches!(subject, Subject::Iam { .. }) {
            return Err(Error::invalid("claims", "only JSON web tokens have claims"));
        }
        for (name, value) in &claims {
            check_text("claims", name)?;
            check_text("claims", value)?;
        }
        let admission = Self {
            subject,
            claims,
            policies,
            ttl_secs: if ttl_secs == 0 { TTL_SECS } else { ttl_secs },
            created_at: services.clock.now(),
        };
        let key = key(&admission.subject.id());
        let write = match read_one(&*services.store, &key).await? {
            Some(old) => Write::Put(old.replaced(&admission)?, Condition::Version(old.version)),
            None => Write::Put(Record::new(key, &admission)?, Condition::Absent),
        };
        match services.store.write(&[write]).await {
            Ok(()) => Ok(admission),
            Err(StoreError::ConditionFailed(_)) => Err(contended("the admission")),
            Err(error) => Err(error.into()),
        }
    }

    /// The admission with this id. One read.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read(store: &dyn Store, id: &str) -> Result<Option<Self>, Error> {
        let record = read_one(store, &key(id)).await?;
        record.map(|record| record.value()).transpose()
    }

    /// All admissions. One query.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub async fn list(store: &dyn Store) -> Result<Vec<Self>, Error> {
        let records = store.query(&Query::partition(Table::Access, PARTITION)).await?;
        records.iter().map(|record| record.value()).collect()
    }

    /// Removes the admission with this id; one that is not there is removed already. Tokens that stand for its callers
    /// are not found any more from then on. One write.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn delete(store: &dyn Store, id: &str) -> Result<(), Error> {
        Ok(store.write(&[Write::Delete(key(id), Condition::Always)]).await?)
    }

    fn fits(&self, identity: &GatewayIdentity) -> bool {
        let GatewayIdentity::Jwt { claims } = identity else {
            return true;
        };
        self.claims
            .iter()
            .all(|(name, value)| claims.get(name) == Some(value))
    }
}

fn key(id: &str) -> Key {
    Key::new(Table::Access, PARTITION, id)
}

/// Whom an identity can be admitted as.
fn subjects(identity: &GatewayIdentity) -> Vec<Subject> {
    match identity {
        GatewayIdentity::Iam { arn } => Subject::iam(arn).into_iter().collect(),
        GatewayIdentity::Jwt { claims } => {
            let issuer = claims.get("iss").map(String::as_str).unwrap_or_default();
            SUBJECT_CLAIMS
                .iter()
                .filter_map(|name| Subject::jwt(issuer, name, claims.get(*name)?).ok())
                .collect()
        }
    }
}

/// A name for people and for the log.
fn display_name(identity: &GatewayIdentity) -> String {
    let name = match identity {
        GatewayIdentity::Iam { arn } => arn.as_str(),
        GatewayIdentity::Jwt { claims } => SUBJECT_CLAIMS
            .iter()
            .rev()
            .find_map(|name| claims.get(*name))
            .map(String::as_str)
            .unwrap_or_default(),
    };
    let name = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    name.take(MAX_NAME_CHARS).collect()
}

/// A token that this process made for an identity.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    token: SecretToken,
    expires_at: u64,
    /// The admissions that it was made by, as they were.
    by: String,
}

/// The token that stands for `identity`, whom the gateway knows: with the policies of every admission that fits,
/// short-lived, and recorded like any other. `None` where nobody admitted it.
///
/// One read on every request, so that what is removed or changed counts at once; one write more for an identity that
/// this process has not seen for some minutes.
///
/// # Errors
/// As [`Store::read`] and [`Store::write`].
pub async fn admit(services: &Services, identity: &GatewayIdentity) -> Result<Option<SecretToken>, Error> {
    let keys: Vec<Key> = subjects(identity)
        .iter()
        .map(|subject| key(&subject.id()))
        .collect();
    let mut admissions = Vec::new();
    let mut by = String::new();
    for record in read_all(&*services.store, &keys).await?.into_iter().flatten() {
        let admission: Admission = record.value()?;
        if admission.fits(identity) {
            by.push_str(&format!("{}@{} ", record.key.sort, record.version));
            admissions.push(admission);
        }
    }
    let Some(ttl) = admissions.iter().map(|admission| admission.ttl_secs).min() else {
        return Ok(None);
    };
    let now = services.clock.now();
    let who = identity.to_string();
    if let Some(known) = services.access().admitted(&who)
        && known.by == by
        && known.expires_at > now + LEAST_REST_SECS
    {
        return Ok(Some(known.token));
    }
    let policies: BTreeSet<String> = admissions
        .into_iter()
        .flat_map(|admission| admission.policies)
        .collect();
    let created = grant(
        services,
        NewToken {
            policies: policies.into_iter().collect(),
            display_name: display_name(identity),
            path: "gateway".into(),
            ttl,
            explicit_max_ttl: ttl,
            renewable: false,
            ..NewToken::default()
        },
    )
    .await?;
    let admitted = Admitted {
        token: created.secret.clone(),
        expires_at: created.token.expires_at.unwrap_or(now),
        by,
    };
    services.access().remember_admitted(&who, admitted);
    Ok(Some(created.secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iam(arn: &str) -> Option<String> {
        Subject::iam(arn).ok().map(|subject| subject.to_string())
    }

    #[test]
    fn a_session_is_its_role_and_a_roles_path_does_not_count() {
        let role = "arn:aws:iam::123456789012:role/deployer";
        for arn in [
            role,
            "arn:aws:iam::123456789012:role/team/ops/deployer",
            "arn:aws:sts::123456789012:assumed-role/deployer/i-0abc",
            "arn:aws:sts::123456789012:assumed-role/deployer/a/b",
        ] {
            assert_eq!(iam(arn).as_deref(), Some(role), "{arn}");
        }
        let user = "arn:aws:iam::123456789012:user/people/alice";
        assert_eq!(iam(user).as_deref(), Some(user));
        let elsewhere = "arn:aws-cn:sts::123456789012:assumed-role/deployer/x";
        assert_eq!(
            iam(elsewhere).as_deref(),
            Some("arn:aws-cn:iam::123456789012:role/deployer")
        );
    }

    #[test]
    fn what_is_no_principal_is_refused() {
        for arn in [
            "",
            "deployer",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role",
            "arn:aws:iam::*:role/deployer",
            "arn:aws:iam::12345:role/deployer",
            "arn:aws:iam:eu-west-1:123456789012:role/deployer",
            "arn:aws:sts::123456789012:assumed-role/deployer",
            "arn:aws:sts::123456789012:assumed-role//session",
            "arn:aws:sts::123456789012:federated-user/alice",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam::123456789012:user/",
            &format!("arn:aws:iam::123456789012:role/{}", "x".repeat(1024)),
        ] {
            assert_eq!(iam(arn), None, "{arn}");
        }
    }

    #[test]
    fn no_two_subjects_have_the_same_text() {
        let one = Subject::jwt("https://a", "sub", "b").unwrap();
        let other = Subject::jwt("https://a sub=b", "sub", "b").unwrap();
        assert_ne!(one.id(), other.id());
        assert!(Subject::jwt("https://a", "email", "b").is_err());
        assert!(Subject::jwt("", "sub", "b").is_err());
    }
}
