//! Vault's HTTP conventions, as far as they hold for every path: how a request is read, who may make it, and how an
//! answer looks. The paths themselves are in [`crate::routes`].
//!
//! The order of the steps is the real product's, because clients and attackers see it: the body is parsed before the
//! token is looked at; authentication and policies come before routing, so a stranger learns nothing about which
//! mounts exist; fields are validated after the policies and before the handler.

mod answer;
mod call;
mod decode;
mod dispatch;
mod fields;
mod hints;
mod json;
mod request;
mod route;

pub(crate) use answer::{Answer, Lease, respond};
pub(crate) use call::{Call, MAX_RECORD_BYTES};
pub(crate) use dispatch::{Vault, outside, serve};
pub(crate) use fields::{ANY, Field, Fields, Kind, duration, flag, int, map, parse_int, text};
pub(crate) use json::Json;
pub(crate) use request::Operation;
pub(crate) use route::{Access, Handler, Method, Route, Scope, handler, is_name};
