//! The table of routes, and their handlers: one file for each resource.

mod answer;
mod identity;
mod public_key;
mod request;
mod retrieve;
mod template_changes;
mod templates;
mod tokens;

use crate::{
    body::Shape,
    call::{Call, Reply},
    error::Failure,
    wire,
};
use std::{future::Future, pin::Pin, sync::Arc};

/// What a handler returns.
pub(crate) type Handled = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// Which callers a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Public,
    /// Holders of a token for SSH whose policies allow it.
    Ssh,
    /// Holders of any token.
    Token,
}

/// One route.
pub(crate) struct Route {
    /// The method, in lower case.
    pub(crate) method: &'static str,
    /// The path as it is documented. It is found in any case, with or without a slash at its end.
    pub(crate) path: &'static str,
    /// For the log and the documents: each handler asks by itself.
    pub(crate) access: Access,
    /// What its body may have.
    pub(crate) shape: &'static Shape,
    pub(crate) handler: fn(Arc<Call>) -> Handled,
}

macro_rules! route {
    ($method:literal $path:literal, $access:ident, $body:ident, $module:ident :: $handler:ident) => {
        Route {
            method: $method,
            path: $path,
            access: Access::$access,
            shape: &wire::$body::SHAPE,
            handler: |call| Box::pin($module::$handler(call)),
        }
    };
}

/// All routes.
#[rustfmt::skip]
pub(crate) const TABLE: &[Route] = &[
    route!("get" "/vedauth/authorize/isAuthServer", Public, Nothing, tokens::is_auth_server),
    route!("get" "/vedauth/authorize/verify", Token, Nothing, tokens::verify),
    route!("get" "/vedauth/revoke/token", Token, Nothing, tokens::revoke),
    route!("get" "/vedsdk", Public, Nothing, identity::ping),
    route!("get" "/vedsdk/Identity/Self", Token, Nothing, identity::own),
    route!("get" "/vedsdk/SSHCertificates/Template/Available", Ssh, Nothing, templates::available),
    route!("get" "/vedsdk/SSHCertificates/Template/Retrieve/PublicKeyData", Public, Nothing, public_key::read),
    route!("post" "/vedauth/authorize/certificate", Public, Nothing, tokens::certificate),
    route!("post" "/vedauth/authorize/oauth", Public, OauthRequest, tokens::oauth),
    route!("post" "/vedauth/authorize/token", Public, RefreshRequest, tokens::refresh),
    route!("post" "/vedsdk/SSHCertificates/Request", Ssh, CertificateRequest, request::request),
    route!("post" "/vedsdk/SSHCertificates/Retrieve", Ssh, Retrieval, retrieve::retrieve),
    route!("post" "/vedsdk/SSHCertificates/Template/Create", Ssh, TemplateCreation, template_changes::create),
    route!("post" "/vedsdk/SSHCertificates/Template/Delete", Ssh, TemplateDeletion, template_changes::delete),
    route!("post" "/vedsdk/SSHCertificates/Template/Retrieve", Ssh, TemplateRetrieval, templates::retrieve),
    route!("post" "/vedsdk/SSHCertificates/Template/Update", Ssh, TemplateUpdate, template_changes::update),
    route!("post" "/vedsdk/authorize", Public, ApiKeyRequest, tokens::api_key),
];
