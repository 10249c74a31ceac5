//! Every path of this family, one file for each resource. A path that is not in [`TABLE`] does not exist.

mod admissions;
mod approle;
mod approle_secrets;
mod auth_block;
mod auth_methods;
mod authorities;
mod capabilities;
mod certificates;
mod config_ca;
mod creds;
mod entities;
mod entity_aliases;
mod issue;
mod issuers;
mod keys;
mod leases;
mod lookup;
mod mount_config;
mod mounts;
mod policies;
mod public_key;
mod roles;
mod sign;
mod status;
mod token;
mod token_settings;
mod ui_mounts;
mod userpass;
mod verify;
mod wrapping;
mod zero_address;

use crate::api::{Access, Field, Handler, Method, Operation, Route, Scope};

/// All rows. Where several fit, the first one answers.
pub(crate) const TABLE: &[&[Route]] = &[
    admissions::ROUTES,
    approle::ROUTES,
    approle_secrets::ROUTES,
    auth_methods::ROUTES,
    authorities::ROUTES,
    capabilities::ROUTES,
    certificates::ROUTES,
    config_ca::ROUTES,
    creds::ROUTES,
    entities::ROUTES,
    entity_aliases::ROUTES,
    issue::ROUTES,
    issuers::ROUTES,
    keys::ROUTES,
    leases::ROUTES,
    lookup::ROUTES,
    mounts::ROUTES,
    policies::ROUTES,
    public_key::ROUTES,
    roles::ROUTES,
    sign::ROUTES,
    status::ROUTES,
    token::ROUTES,
    ui_mounts::ROUTES,
    verify::ROUTES,
    userpass::ROUTES,
    wrapping::ROUTES,
    zero_address::ROUTES,
];

/// One operation of a row.
const fn on(operation: Operation, access: Access, handler: Handler) -> Method {
    Method {
        operation,
        access,
        handler,
    }
}

/// One row at `/v1/`.
const fn at_root(pattern: &'static str, fields: &'static [Field], methods: &'static [Method]) -> Route {
    Route {
        scope: Scope::Root,
        pattern,
        fields,
        methods,
    }
}
