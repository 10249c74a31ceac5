//! Roles as a mount keeps them: every field as it was written, for it must read back so.

use super::{host_keys::KnownHosts, key_lengths::KeyLengths, networks};
use crate::{
    api::{Call, Field, Fields, Kind, duration, flag, int, map, text},
    error::Failure,
    mounts::Mount,
};
use countersign::{
    Error,
    authority::KeySpec,
    store::{Key, Query, Table},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What stands before a role's name in the sort key.
pub(crate) const PREFIX: &str = "role/";

/// How far back a certificate begins unless the role says otherwise, in seconds.
const NOT_BEFORE_SECS: u64 = 30;

/// What puts a key on a host and takes it off again, where the role brings no script of its own.
const INSTALL_SCRIPT: &str = include_str!("install.sh");

/// The issuer that a role signs with unless it names one.
pub(crate) const DEFAULT_ISSUER: &str = "default";

/// The fields of `roles/:role`. Those of other role types are known, and dropped.
pub(crate) const FIELDS: &[Field] = &[
    text("key_type"),
    text("key"),
    text("admin_user"),
    text("default_user"),
    flag("default_user_template"),
    text("cidr_list"),
    text("exclude_cidr_list"),
    int("port"),
    int("key_bits"),
    text("install_script"),
    text("key_option_specs"),
    // These two are ours: the real product does not check whom it gives the new key to.
    text("host_key"),
    flag("accept_any_host_key"),
    text("allowed_users"),
    flag("allowed_users_template"),
    text("allowed_domains"),
    flag("allowed_domains_template"),
    duration("ttl"),
    duration("max_ttl"),
    text("allowed_critical_options"),
    text("allowed_extensions"),
    map("default_critical_options"),
    map("default_extensions"),
    flag("default_extensions_template"),
    flag("allow_user_certificates"),
    flag("allow_host_certificates"),
    flag("allow_bare_domains"),
    flag("allow_subdomains"),
    flag("allow_user_key_ids"),
    text("key_id_format"),
    Field::new("allowed_user_key_lengths", Kind::Object),
    text("algorithm_signer"),
    duration("not_before_duration"),
    flag("allow_empty_principals"),
    flag("allow_commas_in_identity_templates"),
    text("issuer_ref"),
];

/// How a role's certificates are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AlgorithmSigner {
    #[default]
    #[serde(rename = "default")]
    Default,
    #[serde(rename = "rsa-sha2-256")]
    RsaSha256,
    #[serde(rename = "rsa-sha2-512")]
    RsaSha512,
    /// RSA with SHA-1. A role may say so; nothing is signed so.
    #[serde(rename = "ssh-rsa")]
    SshRsa,
}

impl AlgorithmSigner {
    fn parse(name: &str) -> Result<Self, Failure> {
        Ok(match name {
            "" | "default" => Self::Default,
            "rsa-sha2-256" => Self::RsaSha256,
            "rsa-sha2-512" => Self::RsaSha512,
            "ssh-rsa" => Self::SshRsa,
            other => return Err(Failure::server(&format!("unknown algorithm signer \"{other}\""))),
        })
    }
}

/// A role, by its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "key_type", rename_all = "lowercase")]
pub(crate) enum VaultRole {
    Ca(CaRole),
    Dynamic(DynamicRole),
    Otp(OtpRole),
}

/// A role that lends one-time passwords. Serialised, it is what reading the role shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OtpRole {
    pub(crate) allowed_users: String,
    pub(crate) cidr_list: String,
    pub(crate) default_user: String,
    pub(crate) exclude_cidr_list: String,
    pub(crate) port: i64,
}

/// A role that lends keys, which it installs on hosts. Serialised, it is what reading the role shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DynamicRole {
    pub(crate) accept_any_host_key: bool,
    pub(crate) admin_user: String,
    pub(crate) allowed_users: String,
    pub(crate) cidr_list: String,
    pub(crate) default_user: String,
    pub(crate) exclude_cidr_list: String,
    pub(crate) host_key: String,
    pub(crate) install_script: String,
    pub(crate) key: String,
    pub(crate) key_bits: i64,
    pub(crate) key_option_specs: String,
    pub(crate) port: i64,
}

/// Whom, and for which hosts, a role lends to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lending<'r> {
    pub(crate) allowed_users: &'r str,
    pub(crate) cidr_list: &'r str,
    pub(crate) default_user: &'r str,
    pub(crate) exclude_cidr_list: &'r str,
}

/// A role that signs certificates. Serialised, it is what reading the role shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CaRole {
    pub(crate) algorithm_signer: AlgorithmSigner,
    pub(crate) allow_bare_domains: bool,
    pub(crate) allow_commas_in_identity_templates: bool,
    pub(crate) allow_empty_principals: bool,
    pub(crate) allow_host_certificates: bool,
    pub(crate) allow_subdomains: bool,
    pub(crate) allow_user_certificates: bool,
    pub(crate) allow_user_key_ids: bool,
    pub(crate) allowed_critical_options: String,
    pub(crate) allowed_domains: String,
    pub(crate) allowed_domains_template: bool,
    pub(crate) allowed_extensions: String,
    pub(crate) allowed_user_key_lengths: KeyLengths,
    pub(crate) allowed_users: String,
    pub(crate) allowed_users_template: bool,
    pub(crate) default_critical_options: BTreeMap<String, String>,
    pub(crate) default_extensions: BTreeMap<String, String>,
    pub(crate) default_extensions_template: bool,
    pub(crate) default_user: String,
    pub(crate) default_user_template: bool,
    pub(crate) issuer_ref: String,
    pub(crate) key_id_format: String,
    pub(crate) max_ttl: u64,
    pub(crate) not_before_duration: u64,
    pub(crate) ttl: u64,
}

impl VaultRole {
    /// Where the role `name` of `mount` is stored.
    pub(crate) fn key(mount: &Mount, name: &str) -> Key {
        Key::new(Table::Roles, mount.partition(), format!("{PREFIX}{name}"))
    }

    /// The role that `fields` describe; what was not sent has its default.
    ///
    /// # Errors
    /// The first check that fails, in the order of the real product.
    pub(crate) fn parse(fields: &Fields) -> Result<Self, Failure> {
        networks::check("failed to validate cidr_list", fields.text("cidr_list"))?;
        networks::check(
            "failed to validate exclude_cidr_list entry",
            fields.text("exclude_cidr_list"),
        )?;
        match fields.text("key_type").to_lowercase().as_str() {
            "" => Err(Failure::user("missing key type")),
            "ca" => Ok(Self::Ca(CaRole::parse(fields)?)),
            "dynamic" => Ok(Self::Dynamic(DynamicRole::parse(fields)?)),
            "otp" => Ok(Self::Otp(OtpRole::parse(fields)?)),
            _ => Err(Failure::user("invalid key type")),
        }
    }

    /// What it signs with, if it signs.
    pub(crate) fn issuer_ref(&self) -> Option<&str> {
        match self {
            Self::Ca(role) => Some(&role.issuer_ref),
            Self::Dynamic(_) | Self::Otp(_) => None,
        }
    }

    /// The type's name.
    pub(crate) fn key_type(&self) -> &'static str {
        match self {
            Self::Ca(_) => "ca",
            Self::Dynamic(_) => "dynamic",
            Self::Otp(_) => "otp",
        }
    }

    /// The role as one that signs. One of another type signs nothing: it allows no kind of certificate.
    pub(crate) fn into_signing(self) -> CaRole {
        match self {
            Self::Ca(role) => role,
            Self::Dynamic(_) | Self::Otp(_) => CaRole {
                issuer_ref: DEFAULT_ISSUER.to_owned(),
                ..CaRole::default()
            },
        }
    }

    /// Whom, and for which hosts, it lends to. A role that signs has no networks.
    pub(crate) fn lending(&self) -> Lending<'_> {
        match self {
            Self::Ca(role) => Lending {
                allowed_users: &role.allowed_users,
                default_user: &role.default_user,
                ..Lending::default()
            },
            Self::Dynamic(role) => Lending {
                allowed_users: &role.allowed_users,
                cidr_list: &role.cidr_list,
                default_user: &role.default_user,
                exclude_cidr_list: &role.exclude_cidr_list,
            },
            Self::Otp(role) => Lending {
                allowed_users: &role.allowed_users,
                cidr_list: &role.cidr_list,
                default_user: &role.default_user,
                exclude_cidr_list: &role.exclude_cidr_list,
            },
        }
    }
}

/// The roles of the mount that `call` is about; those that cannot be read are left out. One query.
pub(crate) async fn list(call: &Call) -> Result<Vec<VaultRole>, Failure> {
    let query = Query {
        prefix: PREFIX.into(),
        ..Query::partition(Table::Roles, call.mount()?.partition())
    };
    let records = call.services.store.query(&query).await.map_err(Error::from)?;
    Ok(records.iter().filter_map(|record| record.value().ok()).collect())
}

/// The port of the hosts' SSH servers.
fn port(fields: &Fields) -> i64 {
    match fields.int("port") {
        None | Some(0) => 22,
        Some(port) => port,
    }
}

fn default_user(fields: &Fields) -> Result<String, Failure> {
    match fields.text("default_user") {
        "" => Err(Failure::user("missing default user")),
        user => Ok(user.to_owned()),
    }
}

impl OtpRole {
    fn parse(fields: &Fields) -> Result<Self, Failure> {
        let default_user = default_user(fields)?;
        if !fields.text("admin_user").is_empty() {
            return Err(Failure::user("admin user not required for OTP type"));
        }
        Ok(Self {
            allowed_users: fields.text("allowed_users").to_owned(),
            cidr_list: fields.text("cidr_list").to_owned(),
            default_user,
            exclude_cidr_list: fields.text("exclude_cidr_list").to_owned(),
            port: port(fields),
        })
    }
}

/// The longest install script: it lies in every lease beside the role.
const MAX_SCRIPT_BYTES: usize = 32 * 1024;

impl DynamicRole {
    fn parse(fields: &Fields) -> Result<Self, Failure> {
        let text = |name| fields.text(name).to_owned();
        let role = Self {
            accept_any_host_key: fields.is_set("accept_any_host_key"),
            admin_user: text("admin_user"),
            allowed_users: text("allowed_users"),
            cidr_list: text("cidr_list"),
            default_user: default_user(fields)?,
            exclude_cidr_list: text("exclude_cidr_list"),
            host_key: text("host_key"),
            install_script: match fields.text("install_script") {
                "" => INSTALL_SCRIPT.to_owned(),
                script => script.to_owned(),
            },
            key: text("key"),
            key_bits: fields.int("key_bits").unwrap_or_default(),
            key_option_specs: text("key_option_specs"),
            port: port(fields),
        };
        if role.key.is_empty() {
            return Err(Failure::user("missing key name"));
        }
        Ok(role)
    }

    /// The checks that follow once it is known that the key of its name is there.
    ///
    /// # Errors
    /// The first one that fails, in the order of the real product; then our own.
    pub(crate) fn checked(mut self) -> Result<Self, Failure> {
        if self.admin_user.is_empty() {
            return Err(Failure::user("missing admin username"));
        }
        self.key_bits = match self.key_bits {
            // The real product still makes keys of 1024 bits, which nobody should trust.
            0 | 1024 | 2048 => 2048,
            bits @ (3072 | 4096) => bits,
            _ => return Err(Failure::user("invalid key_bits field")),
        };
        if self.install_script.len() > MAX_SCRIPT_BYTES {
            return Err(Failure::user(format!(
                "install_script: at most {MAX_SCRIPT_BYTES} bytes"
            )));
        }
        if self.key_option_specs.contains(char::is_control) {
            return Err(Failure::user(
                "key_option_specs: control characters are not allowed",
            ));
        }
        KnownHosts::parse(&self.host_key).map_err(Failure::user)?;
        Ok(self)
    }

    /// Which keys it makes.
    pub(crate) fn key_spec(&self) -> KeySpec {
        match self.key_bits {
            4096 => KeySpec::Rsa4096,
            3072 => KeySpec::Rsa3072,
            _ => KeySpec::Rsa2048,
        }
    }
}

impl CaRole {
    fn parse(fields: &Fields) -> Result<Self, Failure> {
        let text = |name| fields.text(name).to_owned();
        let map = |name| fields.map(name).cloned().unwrap_or_default();
        let secs = |name| fields.duration_secs(name);
        let role = Self {
            algorithm_signer: AlgorithmSigner::parse(fields.text("algorithm_signer"))?,
            allow_bare_domains: fields.is_set("allow_bare_domains"),
            allow_commas_in_identity_templates: fields.is_set("allow_commas_in_identity_templates"),
            allow_empty_principals: fields.is_set("allow_empty_principals"),
            allow_host_certificates: fields.is_set("allow_host_certificates"),
            allow_subdomains: fields.is_set("allow_subdomains"),
            allow_user_certificates: fields.is_set("allow_user_certificates"),
            allow_user_key_ids: fields.is_set("allow_user_key_ids"),
            allowed_critical_options: text("allowed_critical_options"),
            allowed_domains: text("allowed_domains"),
            allowed_domains_template: fields.is_set("allowed_domains_template"),
            allowed_extensions: text("allowed_extensions"),
            allowed_user_key_lengths: KeyLengths::default(),
            allowed_users: text("allowed_users"),
            allowed_users_template: fields.is_set("allowed_users_template"),
            default_critical_options: map("default_critical_options"),
            default_extensions: map("default_extensions"),
            default_extensions_template: fields.is_set("default_extensions_template"),
            default_user: text("default_user"),
            default_user_template: fields.is_set("default_user_template"),
            issuer_ref: match fields.text("issuer_ref") {
                "" => DEFAULT_ISSUER.to_owned(),
                reference => reference.to_owned(),
            },
            key_id_format: text("key_id_format"),
            max_ttl: secs("max_ttl").unwrap_or_default(),
            not_before_duration: secs("not_before_duration").unwrap_or(NOT_BEFORE_SECS),
            ttl: secs("ttl").unwrap_or_default(),
        };
        if !role.allow_user_certificates && !role.allow_host_certificates {
            return Err(Failure::user(
                "Either 'allow_user_certificates' or 'allow_host_certificates' must be set to 'true'",
            ));
        }
        let lengths = KeyLengths::parse(fields.object("allowed_user_key_lengths"))?;
        if role.ttl > role.max_ttl && role.max_ttl != 0 {
            return Err(Failure::user(
                "\"ttl\" value must be less than \"max_ttl\" when both are specified",
            ));
        }
        Ok(Self {
            allowed_user_key_lengths: lengths,
            ..role
        })
    }
}
