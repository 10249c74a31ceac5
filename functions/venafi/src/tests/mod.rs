//! The family against the reference: its acceptance cases by number, recorded requests, faults, and the table of
//! routes.

mod acceptance;
mod acceptance_keys;
mod acceptance_objects;
mod acceptance_policy;
mod faults;
mod fixture;
mod openapi;
mod pending;
mod recorded;
mod rights;
mod routes;
mod templates;
mod tokens;
