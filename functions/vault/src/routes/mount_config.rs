//! What can be tuned of a mount, as clients write and read it.

use crate::{
    api::{Field, Fields, Kind, flag, map, text},
    error::Failure,
    mounts::Mount,
};
use countersign::{access::DEFAULT_TTL_SECS, types::parse_duration};
use serde_json::{Value, json};

/// The members of `config` of a new mount.
pub(super) const CONFIG_FIELDS: &[Field] = &[
    Field::new("allowed_response_headers", Kind::CommaList),
    Field::new("audit_non_hmac_request_keys", Kind::CommaList),
    Field::new("audit_non_hmac_response_keys", Kind::CommaList),
    text("default_lease_ttl"),
    flag("force_no_cache"),
    text("listing_visibility"),
    text("max_lease_ttl"),
    Field::new("passthrough_request_headers", Kind::CommaList),
    text("token_type"),
];

/// What can be tuned later.
pub(super) const TUNE_FIELDS: &[Field] = &[
    Field::new("allowed_response_headers", Kind::CommaList),
    Field::new("audit_non_hmac_request_keys", Kind::CommaList),
    Field::new("audit_non_hmac_response_keys", Kind::CommaList),
    text("default_lease_ttl"),
    text("description"),
    flag("force_no_cache"),
    text("listing_visibility"),
    text("max_lease_ttl"),
    map("options"),
    Field::new("passthrough_request_headers", Kind::CommaList),
    text("token_type"),
];

/// Takes over what `fields` say.
pub(super) fn apply(mount: &mut Mount, fields: &Fields) -> Result<(), Failure> {
    let config = &mut mount.config;
    config.default_lease_ttl = ttl(fields, "default_lease_ttl", "default", config.default_lease_ttl)?;
    config.max_lease_ttl = ttl(fields, "max_lease_ttl", "max", config.max_lease_ttl)?;
    if config.max_lease_ttl > 0 && config.default_lease_ttl > config.max_lease_ttl {
        return Err(Failure::user(
            "given default lease TTL greater than given max lease TTL",
        ));
    }
    if config.max_lease_ttl == 0 && config.default_lease_ttl > DEFAULT_TTL_SECS {
        let text = format!("given default lease TTL greater than system max lease TTL of {DEFAULT_TTL_SECS}");
        return Err(Failure::user(text));
    }
    if fields.was_sent("force_no_cache") {
        config.force_no_cache = fields.is_set("force_no_cache");
    }
    if fields.was_sent("listing_visibility") {
        let visibility = fields.text("listing_visibility");
        if !matches!(visibility, "" | "hidden" | "unauth") {
            return Err(Failure::user(format!("invalid listing_visibility {visibility}")));
        }
        config.listing_visibility = visibility.into();
    }
    let lists = [
        ("allowed_response_headers", &mut config.allowed_response_headers),
        (
            "audit_non_hmac_request_keys",
            &mut config.audit_non_hmac_request_keys,
        ),
        (
            "audit_non_hmac_response_keys",
            &mut config.audit_non_hmac_response_keys,
        ),
        (
            "passthrough_request_headers",
            &mut config.passthrough_request_headers,
        ),
    ];
    for (name, list) in lists {
        if let Some(items) = fields.list(name) {
            *list = items.to_vec();
        }
    }
    token_type(mount, fields.text("token_type"))
}

/// A lifetime: nothing leaves it as it is, `system` gives it back to the system.
fn ttl(fields: &Fields, name: &str, what: &str, old: u64) -> Result<u64, Failure> {
    match fields.text(name) {
        "" => Ok(old),
        "system" => Ok(0),
        text => parse_duration(text)
            .map_err(|error| Failure::user(format!("unable to parse {what} TTL of {text}: {error}"))),
    }
}

fn token_type(mount: &mut Mount, asked: &str) -> Result<(), Failure> {
    if !mount.is_auth() {
        return Ok(());
    }
    let token_type = &mut mount.config.token_type;
    match asked {
        "" if token_type.is_empty() => *token_type = "default-service".into(),
        "" => {}
        "default-batch" | "default-service" | "batch" | "service" => *token_type = asked.into(),
        _ => return Err(Failure::user("invalid value for 'token_type'")),
    }
    Ok(())
}

/// The member `config` of a mount.
pub(super) fn shown(mount: &Mount) -> Value {
    let config = &mount.config;
    let shown = json!({
        "default_lease_ttl": config.default_lease_ttl,
        "force_no_cache": config.force_no_cache,
        "max_lease_ttl": config.max_lease_ttl,
    });
    with_rest(mount, shown)
}

/// The answer to how a mount is tuned: with the lifetimes that count, the system's included.
pub(super) fn tuning(mount: &Mount) -> Value {
    let limits = mount.ttl_limits();
    let mut shown = json!({
        "default_lease_ttl": limits.default_ttl,
        "description": mount.description,
        "force_no_cache": mount.config.force_no_cache,
        "max_lease_ttl": limits.max_ttl,
    });
    if let Some(options) = &mount.options {
        shown["options"] = json!(options);
    }
    with_rest(mount, shown)
}

fn with_rest(mount: &Mount, mut shown: Value) -> Value {
    let config = &mount.config;
    let lists = [
        ("allowed_response_headers", &config.allowed_response_headers),
        ("audit_non_hmac_request_keys", &config.audit_non_hmac_request_keys),
        (
            "audit_non_hmac_response_keys",
            &config.audit_non_hmac_response_keys,
        ),
        ("passthrough_request_headers", &config.passthrough_request_headers),
    ];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        shown[name] = json!(list);
    }
    for (name, text) in [
        ("listing_visibility", &config.listing_visibility),
        ("token_type", &config.token_type),
    ] {
        if !text.is_empty() {
            shown[name] = text.as_str().into();
        }
    }
    shown
}
