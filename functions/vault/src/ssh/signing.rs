//! What `sign` and `issue` have in common: from their fields to the core's request, and from the certificate to the
//! answer.

use super::{
    compile,
    issuers::Issuers,
    key_id::KeyIdParts,
    role::{CaRole, DEFAULT_ISSUER, VaultRole},
    templates,
};
use crate::{
    api::{Call, Field, Kind, map, text},
    error::Failure,
    mounts::Mount,
};
use countersign::{
    access::Caller,
    decide::{Request, RequestedKeyId, RequestedValidity, decide},
    issue::Issuance,
    refusal::Refusal,
    role::Role,
    ssh::PublicKey,
    types::CertType,
};
use std::collections::BTreeMap;

/// The fields that both paths know.
pub(crate) const TTL: Field = Field::new("ttl", Kind::OptionalDuration);
pub(crate) const VALID_PRINCIPALS: Field = text("valid_principals");
pub(crate) const CERT_TYPE: Field = text("cert_type");
pub(crate) const KEY_ID: Field = text("key_id");
pub(crate) const CRITICAL_OPTIONS: Field = map("critical_options");
/// The singular is how the documentation of early releases spells it.
pub(crate) const EXTENSIONS: Field = Field::aliased("extensions", "extension", Kind::Map);

/// A role that is about to sign, and what it signs with.
pub(crate) struct Signing {
    pub(crate) name: String,
    /// The type of the role: only one of type `ca` can sign.
    pub(crate) key_type: &'static str,
    pub(crate) role: CaRole,
    issuers: Issuers,
}

/// What was signed.
pub(crate) struct Signed {
    /// The serial in lower-case hex, without leading zeros.
    pub(crate) serial_number: String,
    /// One line, with its newline.
    pub(crate) signed_key: String,
    pub(crate) warnings: Vec<String>,
}

impl Signing {
    /// Reads the role and the mount's CA keys; `None` where there is no such role.
    pub(crate) async fn read(call: &Call) -> Result<Option<Self>, Failure> {
        let name = call.captured("role");
        let mount = call.mount()?;
        let records = call
            .read(&[VaultRole::key(mount, name), Issuers::key(mount)])
            .await?;
        let [Some(role), issuers] = records.as_slice() else {
            return Ok(None);
        };
        let role: VaultRole = role.value()?;
        let key_type = role.key_type();
        let issuers = Issuers::from_record(issuers.as_ref())?;
        Ok(Some(Self {
            name: name.to_owned(),
            key_type,
            role: role.into_signing(),
            issuers,
        }))
    }

    /// The role for this caller and this request.
    ///
    /// # Errors
    /// As [`CaRole::for_caller`].
    pub(crate) fn role_for_caller(&self, call: &Call) -> Result<CaRole, Failure> {
        let fields = &call.fields;
        let cert_type = match fields.text("cert_type") {
            "host" => CertType::Host,
            _ => CertType::User,
        };
        let asks_principals = !compile::names(fields.text("valid_principals")).is_empty();
        let asks_extensions = fields.map("extensions").is_some_and(|asked| !asked.is_empty());
        let (caller, now) = (call.caller.as_ref(), call.services.clock.now());
        self.role
            .for_caller(caller, cert_type, asks_principals, asks_extensions, now)
    }

    /// Certifies `subject_key` as the fields ask. `rules` are those of the role, perhaps with a word changed.
    pub(crate) async fn sign(
        &self,
        call: &Call,
        mut rules: Role,
        subject_key: PublicKey,
    ) -> Result<Signed, Failure> {
        let request = self.request(call, &rules, subject_key)?;
        let Some(issuer) = self.issuers.find(&self.role.issuer_ref) else {
            // What the role refuses comes first.
            decide(&rules, &request, call.services.clock.now()).map_err(countersign::Error::from)?;
            return Err(self.no_issuer());
        };
        let (authority, _) = issuer.authority(call).await?;
        rules.signature_algorithm = self.role.signature_algorithm(authority.algorithm()?);
        if rules.signature_algorithm.is_none() {
            decide(&rules, &request, call.services.clock.now()).map_err(countersign::Error::from)?;
            return Err(Failure::user(
                "failed to generate signed SSH key: sign error: ssh-rsa signatures use SHA-1 and are not made; set \
                 the role's algorithm_signer to default, rsa-sha2-256 or rsa-sha2-512",
            ));
        }
        let issuance = Issuance {
            authority: &authority,
            role: &rules,
            request: &request,
            origin: &call.origin(format!("{}/{}", call.mount()?.path, self.name)),
            id: None,
            keep_signature: false,
            in_service: None,
            details: BTreeMap::new(),
        };
        let issued = call.issue(issuance).await?;
        Ok(Signed {
            serial_number: format!("{:x}", issued.certificate.fields().serial.value()),
            signed_key: format!("{}\n", issued.certificate.to_line()),
            warnings: self.warnings(call, &request),
        })
    }

    fn request(&self, call: &Call, rules: &Role, subject_key: PublicKey) -> Result<Request, Failure> {
        let fields = &call.fields;
        let asked = |name| fields.map(name).filter(|options| !options.is_empty()).cloned();
        let principals = compile::names(fields.text("valid_principals"));
        let cert_type = match fields.text("cert_type") {
            "host" => Some(CertType::Host),
            "user" => Some(CertType::User),
            _ => (!fields.was_sent("cert_type")).then_some(CertType::User),
        };
        let request = Request {
            key_id: self.key_id(call, &subject_key),
            subject_key,
            cert_type: cert_type.unwrap_or(CertType::User),
            principals: (!principals.is_empty()).then_some(principals),
            validity: validity(fields.duration_secs("ttl"), call.mount()?),
            critical_options: asked("critical_options"),
            extensions: asked("extensions"),
        };
        match cert_type {
            Some(_) => Ok(request),
            None => Err(wrong_cert_type(rules, &request, call.services.clock.now())),
        }
    }

    fn key_id(&self, call: &Call, subject_key: &PublicKey) -> RequestedKeyId {
        let chosen = call.fields.text("key_id");
        if !chosen.is_empty() {
            return RequestedKeyId::Chosen(chosen.to_owned());
        }
        let parts = KeyIdParts {
            display_name: call.caller.as_ref().map_or("", Caller::display_name),
            role_name: &self.name,
            public_key_hash: &subject_key.sha256_hex(),
        };
        RequestedKeyId::Default(parts.render(&self.role.key_id_format))
    }

    fn no_issuer(&self) -> Failure {
        match self.role.issuer_ref.as_str() {
            DEFAULT_ISSUER => Failure::server("error creating signer: no keys configured"),
            reference => Failure::user(format!("unable to find issuer for reference: {reference}")),
        }
    }

    fn warnings(&self, call: &Call, request: &Request) -> Vec<String> {
        let mut defaults = self.role.default_extensions.values();
        let lacks_entity = call.caller.as_ref().and_then(Caller::entity).is_none()
            && request.extensions.is_none()
            && self.role.default_extensions_template
            && defaults.any(|value| templates::is_template(value));
        let text = "default_extension templating enabled with at least one extension requiring identity templating, \
                    but the caller has no identity: extensions that need one are left out";
        lacks_entity.then(|| text.to_owned()).into_iter().collect()
    }
}

fn validity(ttl_secs: Option<u64>, mount: &Mount) -> RequestedValidity {
    match ttl_secs {
        None => RequestedValidity::RoleDefault,
        Some(0) => RequestedValidity::Ttl(compile::default_ttl_secs(mount)),
        Some(secs) => RequestedValidity::Ttl(secs),
    }
}

/// What is said about an unknown `cert_type`, unless something before it in the order of checks is refused.
fn wrong_cert_type(rules: &Role, request: &Request, now: u64) -> Failure {
    match decide(rules, request, now) {
        Err(
            refusal @ (Refusal::KeyId(_)
            | Refusal::KeyIdNotAllowed
            | Refusal::SubjectKeyKind(_)
            | Refusal::SubjectKeySize(..)),
        ) => countersign::Error::from(refusal).into(),
        _ => Failure::user("cert_type must be either 'user' or 'host'"),
    }
}
