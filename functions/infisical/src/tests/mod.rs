//! The whole dialect, called through its router, with the embedded DynamoDB and a clock that stands still. Every answer
//! is held against the OpenAPI document.

mod acceptance;
mod acceptance_templates;
mod apply;
mod authorities;
mod bodies;
mod faults;
mod fixture;
mod groups;
mod hosts;
mod openapi;
mod projects;
mod recorded;
mod routes;
mod templates;
mod tokens;

pub(crate) use fixture::Answer;
