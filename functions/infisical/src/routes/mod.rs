//! All routes, in one table: by it a request finds its handler, and from it come the OpenAPI document and the tests that
//! call each one without credentials.
//!
//! The table is a constant, and a request goes through it from the top. A router built from it at the start took a
//! million instructions of every cold start (`docs/performance.md`), for a function that may have one request to answer.

mod apply;
mod cas;
mod certificates;
mod host_certificates;
mod host_groups;
mod hosts;
mod login;
mod projects;
mod templates;

#[cfg(any(test, feature = "openapi"))]
use crate::input;
use crate::{
    App,
    algorithm::{KeyAlgorithm, file_line},
    error::Problem,
    issuing,
    records::Kept,
    request::{self, Call},
    wire,
};
use axum::{
    Json, Router,
    response::{IntoResponse, Response},
    routing::any,
};
use countersign::{
    Error,
    authority::{Authority, AuthorityId},
    issue::Issued,
    signer::private_key::GeneratedKey,
};
use http::Method;
use std::{future::Future, pin::Pin};

/// What a handler gives.
type Answer<T> = Result<Json<T>, Problem>;

/// Who may call a route.
#[cfg(any(test, feature = "openapi"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Holders of a token of the account alone.
    Account,
    /// Whoever has a token.
    Any,
    /// Everybody.
    Public,
    /// Users alone.
    User,
}

/// What answers a call.
type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Response> + Send>>;

/// One row of the table.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// The path, with `{name}` where any one segment stands. It is found with or without a slash at its end.
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
    #[cfg(any(test, feature = "openapi"))]
    pub(crate) access: Access,
    #[cfg(any(test, feature = "openapi"))]
    pub(crate) summary: &'static str,
    #[cfg(any(test, feature = "openapi"))]
    pub(crate) schemas: crate::openapi::Schemas,
}

macro_rules! method {
    (delete) => {
        Method::DELETE
    };
    (get) => {
        Method::GET
    };
    (patch) => {
        Method::PATCH
    };
    (post) => {
        Method::POST
    };
}

macro_rules! routes {
    ($($verb:ident $path:literal $handler:path, $access:ident, $body:ty => $answer:ty, $summary:literal;)*) => {
        /// The table.
        pub(crate) const TABLE: &[Route] = &[$(Route {
            method: method!($verb),
            path: $path,
            handler: |call| Box::pin(async { $handler(call).await.into_response() }),
            #[cfg(any(test, feature = "openapi"))]
            access: Access::$access,
            #[cfg(any(test, feature = "openapi"))]
            summary: $summary,
            #[cfg(any(test, feature = "openapi"))]
            schemas: crate::openapi::Schemas::of::<$body, $answer>(),
        },)*];
    };
}

/// Stands in the table where a request has no body.
#[cfg(any(test, feature = "openapi"))]
pub(crate) struct NoBody;
/// Stands in the table where an answer is plain text.
#[cfg(any(test, feature = "openapi"))]
pub(crate) struct Text;

routes! {
    get "/api/status" login::status, Public, NoBody => wire::Message, "Whether the server is there";

    post "/api/v1/auth/universal-auth/login" login::universal_auth, Public, input::UniversalLogin => wire::IdentityToken,
        "Log in with universal auth";
    post "/api/v1/auth/token/renew" login::renew, Public, input::PresentedToken => wire::IdentityToken,
        "Renew an access token";
    post "/api/v1/auth/token/revoke" login::revoke, Public, input::PresentedToken => wire::Message,
        "Revoke an access token";
    post "/api/v1/auth/checkAuth" login::check, Any, NoBody => wire::Message, "Check an access token";
    post "/api/v3/auth/login" login::user, Public, input::UserLogin => wire::UserLogin, "Log in with a password";
    post "/api/v3/auth/select-organization" login::select_organization, User,
        input::SelectOrganization => wire::SelectedOrganization, "Choose an organization";

    get "/api/v1/ssh/hosts" hosts::mine, User, NoBody => Vec<wire::Host>, "List the hosts open to the caller";
    post "/api/v1/ssh/hosts" hosts::create, Any, input::CreateHost => wire::Host, "Register a host";
    get "/api/v1/ssh/hosts/{id}" hosts::get, Any, NoBody => wire::Host, "Get a host";
    patch "/api/v1/ssh/hosts/{id}" hosts::update, Any, input::UpdateHost => wire::Host, "Change a host";
    delete "/api/v1/ssh/hosts/{id}" hosts::delete, Any, NoBody => wire::Host, "Remove a host";
    post "/api/v1/ssh/hosts/{id}/issue-user-cert" host_certificates::issue_user, User,
        input::IssueUserCert => wire::IssuedCredentials, "Issue SSH certificate for user";
    post "/api/v1/ssh/hosts/{id}/issue-host-cert" host_certificates::issue_host, Any,
        input::IssueHostCert => wire::SignedKey, "Issue SSH certificate for host";
    get "/api/v1/ssh/hosts/{id}/user-ca-public-key" host_certificates::user_ca_public_key, Public, NoBody => Text,
        "Get the public key of a host's user CA";
    get "/api/v1/ssh/hosts/{id}/host-ca-public-key" host_certificates::host_ca_public_key, Public, NoBody => Text,
        "Get the public key of a host's host CA";

    post "/api/v1/ssh/ca" cas::create, Any, input::CreateCa => wire::CaAnswer, "Make a CA";
    get "/api/v1/ssh/ca/{id}" cas::get, Any, NoBody => wire::CaAnswer, "Get a CA";
    patch "/api/v1/ssh/ca/{id}" cas::update, Any, input::UpdateCa => wire::CaAnswer, "Change a CA";
    delete "/api/v1/ssh/ca/{id}" cas::delete, Any, NoBody => wire::CaAnswer, "Remove a CA";
    get "/api/v1/ssh/ca/{id}/public-key" cas::public_key, Public, NoBody => Text, "Get the public key of a CA";
    get "/api/v1/ssh/ca/{id}/certificate-templates" templates::of_ca, Any, NoBody => wire::CertificateTemplates,
        "List the certificate templates of a CA";

    post "/api/v1/ssh/certificate-templates" templates::create, Any, input::CreateTemplate => wire::CertificateTemplate,
        "Make a certificate template";
    get "/api/v1/ssh/certificate-templates/{id}" templates::get, Any, NoBody => wire::CertificateTemplate,
        "Get a certificate template";
    patch "/api/v1/ssh/certificate-templates/{id}" templates::update, Any,
        input::UpdateTemplate => wire::CertificateTemplate, "Change a certificate template";
    delete "/api/v1/ssh/certificate-templates/{id}" templates::delete, Any, NoBody => wire::CertificateTemplate,
        "Remove a certificate template";
    post "/api/v1/ssh/certificates/sign" certificates::sign, Any, input::SignKey => wire::SignedKey,
        "Sign an SSH public key";
    post "/api/v1/ssh/certificates/issue" certificates::issue_credentials, Any,
        input::IssueCredentials => wire::IssuedCredentials, "Issue SSH credentials";

    post "/api/v1/ssh/host-groups" host_groups::create, Any, input::CreateHostGroup => wire::HostGroup,
        "Make a host group";
    get "/api/v1/ssh/host-groups/{id}" host_groups::get, Any, NoBody => wire::HostGroup, "Get a host group";
    patch "/api/v1/ssh/host-groups/{id}" host_groups::update, Any, input::UpdateHostGroup => wire::HostGroup,
        "Change a host group";
    delete "/api/v1/ssh/host-groups/{id}" host_groups::delete, Any, NoBody => wire::HostGroup, "Remove a host group";
    get "/api/v1/ssh/host-groups/{id}/hosts" host_groups::hosts, Any, NoBody => wire::GroupHosts,
        "List hosts as a group sees them";
    post "/api/v1/ssh/host-groups/{id}/hosts/{hostId}" host_groups::add_host, Any, NoBody => wire::Host,
        "Add a host to a group";
    delete "/api/v1/ssh/host-groups/{id}/hosts/{hostId}" host_groups::remove_host, Any, NoBody => wire::Host,
        "Take a host out of a group";

    post "/api/v1/countersign/apply" apply::apply, Account, input::Document => wire::Applied,
        "Bring projects, people, machines and hosts into the state of a document";

    get "/api/v1/organization" projects::organizations, Any, NoBody => wire::Organizations, "List organizations";
    get "/api/v1/projects" projects::list, Any, NoBody => wire::Projects, "List projects";
    post "/api/v1/projects" projects::create, Any, input::CreateProject => wire::ProjectAnswer, "Make a project";
    get "/api/v1/projects/{projectId}" projects::get, Any, NoBody => wire::ProjectAnswer, "Get a project";
    get "/api/v1/projects/{projectId}/ssh-config" projects::get_ssh_config, Any, NoBody => wire::SshConfig,
        "Get the SSH settings of a project";
    patch "/api/v1/projects/{projectId}/ssh-config" projects::update_ssh_config, Any,
        input::UpdateSshConfig => wire::SshConfig, "Change the SSH settings of a project";
    get "/api/v1/projects/{projectId}/ssh-hosts" hosts::list, Any, NoBody => wire::Hosts, "List the hosts of a project";
    get "/api/v1/projects/{projectId}/ssh-host-groups" host_groups::list, Any, NoBody => wire::HostGroups,
        "List the host groups of a project";
    get "/api/v1/projects/{projectId}/ssh-cas" cas::list, Any, NoBody => wire::Cas, "List the CAs of a project";
    get "/api/v1/projects/{projectId}/ssh-certificate-templates" templates::list, Any,
        NoBody => wire::CertificateTemplates, "List the certificate templates of a project";
    get "/api/v1/projects/{projectId}/ssh-certificates" certificates::list, Any, NoBody => wire::Certificates,
        "List the certificates of a project";

    get "/api/v1/workspace" projects::list_workspaces, Any, NoBody => wire::Workspaces, "List projects, as before";
    get "/api/v1/workspace/{projectId}" projects::get_workspace, Any, NoBody => wire::WorkspaceAnswer,
        "Get a project, as before";
    get "/api/v1/workspace/{projectId}/ssh-config" projects::get_ssh_config, Any, NoBody => wire::SshConfig,
        "Get the SSH settings of a project, as before";
    patch "/api/v1/workspace/{projectId}/ssh-config" projects::update_ssh_config, Any,
        input::UpdateSshConfig => wire::SshConfig, "Change the SSH settings of a project, as before";
    post "/api/v2/workspace" projects::create, Any, input::CreateProject => wire::ProjectAnswer,
        "Make a project, as before";
    get "/api/v2/workspace/{projectId}/ssh-hosts" hosts::list, Any, NoBody => wire::Hosts,
        "List the hosts of a project, as before";
    get "/api/v2/workspace/{projectId}/ssh-host-groups" host_groups::list, Any, NoBody => wire::HostGroups,
        "List the host groups of a project, as before";
    get "/api/v2/workspace/{projectId}/ssh-cas" cas::list, Any, NoBody => wire::Cas,
        "List the CAs of a project, as before";
    get "/api/v2/workspace/{projectId}/ssh-certificate-templates" templates::list, Any,
        NoBody => wire::CertificateTemplates, "List the certificate templates of a project, as before";
    get "/api/v2/workspace/{projectId}/ssh-certificates" certificates::list, Any, NoBody => wire::Certificates,
        "List the certificates of a project, as before";
}

/// What stands in the places of a path's names, as it was sent.
pub(crate) type Captures<'p> = Vec<(&'static str, &'p str)>;

/// The row for `method` at `path`, if there is one. Methods are told apart by case, as `auth.rs` tells them.
pub(crate) fn find<'p>(method: &Method, path: &'p str) -> Option<(&'static Route, Captures<'p>)> {
    let is_wanted = |route: &&Route| match *method {
        // Who asks for the head of an answer gets that of the whole one.
        Method::HEAD => route.method == Method::GET,
        _ => route.method == *method,
    };
    let mut routes = TABLE.iter().filter(is_wanted);
    routes.find_map(|route| Some((route, captures(route.path, path)?)))
}

/// The path in the table that `path` is, whatever the method.
pub(crate) fn pattern(path: &str) -> Option<&'static str> {
    TABLE
        .iter()
        .map(|route| route.path)
        .find(|pattern| captures(pattern, path).is_some())
}

fn captures<'p>(pattern: &'static str, path: &'p str) -> Option<Captures<'p>> {
    let mut captures = Vec::new();
    let mut segments = path.strip_suffix('/').unwrap_or(path).split('/');
    for part in pattern.split('/') {
        let segment = segments.next()?;
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => captures.push((name, segment)),
            None if part == segment => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(captures)
}

/// The router of everything below `/api`.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/api", any(request::serve))
        .route("/api/", any(request::serve))
        .route("/api/{*path}", any(request::serve))
        .with_state(app)
}

/// The public key of an authority, as a bare line.
async fn public_key(call: &mut Call, authority: &AuthorityId) -> Result<String, Problem> {
    let authority: Option<Kept<Authority>> = call.records.find(&Authority::key(authority)).await?;
    let authority = authority.ok_or_else(|| Error::internal("a CA's authority is not there"))?;
    Ok(authority.value.public_key)
}

/// A certificate and the key pair that was made for it, whose files get `comment`.
fn credentials(
    issued: &Issued,
    pair: &GeneratedKey,
    comment: &str,
    key_algorithm: KeyAlgorithm,
) -> wire::IssuedCredentials {
    wire::IssuedCredentials {
        serial_number: issuing::serial_text(issued.certificate.fields().serial),
        signed_key: file_line(&issued.certificate.to_line(), comment),
        private_key: pair.to_openssh(comment).to_string(),
        public_key: file_line(&pair.public_key().to_line(), comment),
        key_algorithm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'p>(method: &str, path: &'p str) -> Option<(&'static str, Captures<'p>)> {
        let (route, captures) = find(&Method::try_from(method).unwrap(), path)?;
        Some((route.path, captures))
    }

    #[test]
    fn a_path_is_found_with_or_without_one_slash_at_its_end() {
        let status = Some(("/api/status", Vec::new()));
        assert_eq!(found("GET", "/api/status"), status);
        assert_eq!(found("GET", "/api/status/"), status);
        for path in [
            "",
            "/",
            "/api",
            "/api/",
            "/api/status//",
            "/api//status",
            "/api/status/x",
            "/API/status",
        ] {
            assert_eq!(found("GET", path), None, "{path}");
        }
    }

    #[test]
    fn a_name_stands_for_one_segment_that_is_not_empty() {
        let ca = |id| Some(("/api/v1/ssh/ca/{id}", vec![("id", id)]));
        assert_eq!(found("GET", "/api/v1/ssh/ca/x"), ca("x"));
        assert_eq!(found("GET", "/api/v1/ssh/ca/a%2Fb/"), ca("a%2Fb"));
        assert_eq!(found("GET", "/api/v1/ssh/ca//"), None);
        assert_eq!(found("GET", "/api/v1/ssh/ca/a/b"), None);
        assert_eq!(
            found("DELETE", "/api/v1/ssh/host-groups/g/hosts/h"),
            Some((
                "/api/v1/ssh/host-groups/{id}/hosts/{hostId}",
                vec![("id", "g"), ("hostId", "h")]
            ))
        );
    }

    #[test]
    fn a_method_is_itself_and_the_head_of_get() {
        assert!(found("HEAD", "/api/status").is_some());
        for method in ["get", "head", "Get", "POST", "PUT", "OPTIONS"] {
            assert_eq!(found(method, "/api/status"), None, "{method}");
        }
        assert_eq!(found("HEAD", "/api/v3/auth/login"), None);
        assert_eq!(pattern("/api/v1/ssh/ca/x"), Some("/api/v1/ssh/ca/{id}"));
        assert_eq!(pattern("/api/v1/nothing"), None);
    }

    /// So the order of the rows means nothing.
    #[test]
    fn no_path_is_that_of_two_rows() {
        for route in TABLE {
            let path = route.path.replace(['{', '}'], "");
            let (found, _) = find(&route.method, &path).unwrap();
            assert_eq!((&found.method, found.path), (&route.method, route.path));
        }
    }
}
