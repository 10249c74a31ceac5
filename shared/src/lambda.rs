//! What the functions have in common as AWS Lambda functions.

use crate::{
    access,
    request_context::{ClientAddress, GatewayIdentity},
    services::Services,
};
use lambda_http::{
    Body, IntoResponse, Request, RequestExt, Response, Service,
    http::{HeaderValue, StatusCode, header},
    request::RequestContext,
};
use std::{future::Future, pin::Pin};

/// What API Gateway itself answers where it reaches no function.
const UNAVAILABLE: &str = r#"{"message":"Service Unavailable"}"#;

/// Notes the client's address in `request`, as API Gateway saw it. Headers such as `X-Forwarded-For` are the client's
/// own words and not looked at.
fn with_client_address(mut request: Request) -> Request {
    let address = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        // Which other kinds there are depends on features that other crates may turn on.
        #[allow(unreachable_patterns)]
        Some(_) | None => None,
    };
    let address = ClientAddress(address.and_then(|address| address.parse().ok()));
    request.extensions_mut().insert(address);
    request
}

/// Who the caller is, where API Gateway has found that out: by its IAM or its JWT authoriser.
fn gateway_identity(request: &Request) -> Option<GatewayIdentity> {
    let authorizer = match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context.authorizer.as_ref()?,
        #[allow(unreachable_patterns)]
        _ => return None,
    };
    if let Some(jwt) = &authorizer.jwt {
        let claims = jwt.claims.clone().into_iter().collect();
        return Some(GatewayIdentity::Jwt { claims });
    }
    let arn = authorizer.iam.as_ref()?.user_arn.clone()?;
    Some(GatewayIdentity::Iam { arn })
}

/// Runs the function of a family, whose router is `service`, until Lambda ends the process.
///
/// A caller whom API Gateway has authenticated needs no token of ours: the token that [`access::admit`] makes for it
/// takes the place of what the gateway has looked at, in the header that every family reads.
///
/// # Errors
/// The runtime of Lambda cannot be reached.
pub async fn run<S>(services: Services, service: S) -> Result<(), lambda_http::Error>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Response: IntoResponse + Send + 'static,
    S::Error: std::fmt::Debug + Into<lambda_http::Error> + Send,
    S::Future: Send,
{
    lambda_http::run(lambda_http::service_fn(move |request| {
        serve(services.clone(), service.clone(), request)
    }))
    .await
}

/// Answers one request, as [`run`] does.
///
/// # Errors
/// As `service`'s.
pub async fn serve<S>(
    services: Services,
    mut service: S,
    request: Request,
) -> Result<Served<S::Response>, lambda_http::Error>
where
    S: Service<Request>,
    S::Error: Into<lambda_http::Error>,
{
    match admitted(&services, with_client_address(request)).await {
        Ok(request) => service.call(request).await.map(Served::Here).map_err(Into::into),
        Err(response) => Ok(Served::NotReached(response)),
    }
}

/// The request with a token of ours in it, where the gateway knows the caller and nobody needs to look further.
async fn admitted(services: &Services, mut request: Request) -> Result<Request, Response<Body>> {
    let Some(identity) = gateway_identity(&request) else {
        return Ok(request);
    };
    // A signature or a JWT, which was meant for the gateway.
    request.headers_mut().remove(header::AUTHORIZATION);
    // Vault's clients can bring a token beside it.
    if request.headers().contains_key("x-vault-token") {
        return Ok(request);
    }
    let token = access::admit(services, &identity).await.map_err(|error| {
        lambda_http::tracing::error!("{}", error.chain());
        unavailable()
    })?;
    // Without one, the family says in its own words that nobody is known.
    if let Some(token) = token
        && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
    {
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    Ok(request)
}

fn unavailable() -> Response<Body> {
    let mut response = Response::new(Body::from(UNAVAILABLE));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The answer of a family, or one in its stead.
#[derive(Debug)]
pub enum Served<R> {
    /// The family's own.
    Here(R),
    /// What its caller may do could not be found out.
    NotReached(Response<Body>),
}

impl<R: IntoResponse> IntoResponse for Served<R> {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        match self {
            Self::Here(response) => response.into_response(),
            Self::NotReached(response) => Box::pin(std::future::ready(response)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request with these headers and this authoriser in its context.
    fn event(headers: &str, authorizer: &str) -> Request {
        let event = format!(
            r#"{{
            "version": "2.0", "routeKey": "$default", "rawPath": "/v1/sys/health", "rawQueryString": "",
            "headers": {headers}, "isBase64Encoded": false,
            "requestContext": {{
                "accountId": "1", "apiId": "a", "requestId": "r", "stage": "$default", "timeEpoch": 1,
                {authorizer}
                "http": {{
                    "method": "GET", "path": "/v1/sys/health", "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7"
                }}
            }}
        }}"#
        );
        lambda_http::request::from_str(&event).unwrap()
    }

    #[test]
    fn the_address_is_the_gateways_and_no_header_is() {
        let request = with_client_address(event(r#"{ "x-forwarded-for": "192.0.2.66" }"#, ""));
        let expected = ClientAddress(Some("198.51.100.7".parse().unwrap()));
        assert_eq!(request.extensions().get(), Some(&expected));
    }

    #[test]
    fn the_caller_is_who_the_gateway_says_and_no_header_is() {
        let iam = r#""authorizer": {"iam": {"accessKey": "AKIA", "accountId": "1", "callerId": "c",
            "userArn": "arn:aws:sts::123456789012:assumed-role/ci/s", "userId": "u"}},"#;
        assert_eq!(
            gateway_identity(&event("{}", iam)),
            Some(GatewayIdentity::Iam {
                arn: "arn:aws:sts::123456789012:assumed-role/ci/s".into()
            })
        );
        let jwt = r#""authorizer": {"jwt": {"claims": {"iss": "https://issuer", "sub": "alice"}, "scopes": null}},"#;
        let claims = [("iss", "https://issuer"), ("sub", "alice")];
        let claims = claims.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            gateway_identity(&event("{}", jwt)),
            Some(GatewayIdentity::Jwt {
                claims: claims.into()
            })
        );
        let forged = r#"{ "x-amzn-iam-arn": "arn:aws:iam::123456789012:role/ci", "authorization": "Bearer a.b.c",
            "x-apigateway-authorizer": "{}" }"#;
        assert_eq!(gateway_identity(&event(forged, "")), None);
        for nobody in [
            r#""authorizer": {},"#,
            r#""authorizer": {"lambda": {"userArn": "x"}},"#,
        ] {
            assert_eq!(gateway_identity(&event("{}", nobody)), None, "{nobody}");
        }
    }
}
