//! The acceptance cases of the family, in process through the router. Their numbers are those of the contract that the
//! family was built to; every answer is held against `openapi.json`.

#![allow(clippy::unwrap_used)]

mod authorities;
mod certificates;
mod faults;
mod lists;
mod policies;
mod races;
mod refusals;
mod sharing;
mod support;
