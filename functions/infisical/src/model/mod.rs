//! What this family keeps: projects and who is in them, hosts, host groups, CAs, certificate templates.
//!
//! Everything that the API addresses by its id lies under that id. Small directories beside it make names unique and
//! list what a project has; they hold ids, never a second copy.

mod ca;
mod group;
mod host;
mod mapping;
mod member;
mod project;
mod template;

pub(crate) use ca::{Ca, KeySource, Status};
pub(crate) use group::{HostGroup, HostGroupName};
pub(crate) use host::{AliasEntry, CaRef, GroupMembership, Host, HostnameEntry};
pub(crate) use mapping::{Effective, LoginMapping, Source, effective};
pub(crate) use member::{ActorKind, Membership};
pub(crate) use project::{Project, ProjectName, ProjectSlug, SshSettings};
pub(crate) use template::{Template, TemplateName};
