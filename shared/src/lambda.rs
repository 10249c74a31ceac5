//! What the functions have in common as AWS Lambda functions.

use crate::client::ClientAddress;
use lambda_http::{Request, RequestExt, request::RequestContext};

/// Notes the client's address in `request`, as API Gateway saw it. Headers such as `X-Forwarded-For` are the client's
/// own words and not looked at.
pub fn with_client_address(mut request: Request) -> Request {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_gateways_and_no_header_is() {
        let event = r#"{
            "version": "2.0", "routeKey": "$default", "rawPath": "/v1/sys/health", "rawQueryString": "",
            "headers": { "x-forwarded-for": "192.0.2.66" }, "isBase64Encoded": false,
            "requestContext": {
                "accountId": "1", "apiId": "a", "requestId": "r", "stage": "$default", "timeEpoch": 1,
                "http": {
                    "method": "GET", "path": "/v1/sys/health", "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7"
                }
            }
        }"#;
        let request = with_client_address(lambda_http::request::from_str(event).unwrap());
        let expected = ClientAddress(Some("198.51.100.7".parse().unwrap()));
        assert_eq!(request.extensions().get(), Some(&expected));
    }
}
