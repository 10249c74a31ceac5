//! Every path of this family, one file for each resource. A path that is not in [`TABLE`] does not exist.

mod authorities;
mod certificates;
mod config_ca;
mod issue;
mod public_key;
mod roles;
mod sign;

use crate::api::Route;

/// All rows. Where several fit, the first one answers.
pub(crate) const TABLE: &[&[Route]] = &[
    authorities::ROUTES,
    certificates::ROUTES,
    config_ca::ROUTES,
    issue::ROUTES,
    public_key::ROUTES,
    roles::ROUTES,
    sign::ROUTES,
];
