//! `Template/Retrieve/PublicKeyData`: the key that hosts and users must trust, for everybody.

use super::templates::authority;
use crate::{
    call::{Call, Reply},
    dn::Dn,
    error::Failure,
    guid::Guid,
    template::{self, Template},
};
use http::StatusCode;
use std::sync::Arc;

pub(super) async fn read(call: Arc<Call>) -> Result<Reply, Failure> {
    let required = || Failure::text(StatusCode::BAD_REQUEST, "Guid or DN is required");
    let absent = || Failure::text(StatusCode::NOT_FOUND, "Template was not found");
    let parameter = |wanted: &str| {
        call.query.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (decoded(name)?.eq_ignore_ascii_case(wanted) && !value.is_empty()).then(|| value.to_owned())
        })
    };
    let found = match (parameter("dn"), parameter("guid")) {
        (Some(dn), _) => by_dn(&call, &dn).await?,
        (None, Some(guid)) => {
            let guid = decoded(&guid)
                .and_then(|guid| Guid::parse(&guid))
                .ok_or_else(absent)?;
            template::by_guid(&*call.services.store, &guid)
                .await?
                .map(|(template, _)| template)
        }
        (None, None) => return Err(required()),
    };
    let template = found.ok_or_else(absent)?;
    let authority = authority(&call, &template).await?;
    Ok(Reply::text(format!(
        "{} {}",
        authority.public_key, template.ca_key_pair.name
    )))
}

/// The Go client leaves a plus in a name as it is, where it stands for itself; other clients mean a blank.
async fn by_dn(call: &Call, value: &str) -> Result<Option<Template>, Failure> {
    let readings = if value.contains('+') {
        vec![value.to_owned(), value.replace('+', "%20")]
    } else {
        vec![value.to_owned()]
    };
    for reading in readings {
        let dn = decoded(&reading).and_then(|text| Dn::template(&text).ok());
        if let Some(dn) = dn
            && let Some((template, _)) = template::by_dn(&*call.services.store, &dn).await?
        {
            return Ok(Some(template));
        }
    }
    Ok(None)
}

/// `text` with its percent signs read; `None` where that is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' && after.len() >= 2 {
            let digits = std::str::from_utf8(&after[..2]).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percent_signs_are_read() {
        assert_eq!(
            decoded("%5CVED%5Ca+b%20&%C3%A9%").as_deref(),
            Some("\\VED\\a+b &é%")
        );
        assert_eq!(decoded("%zz"), None);
        assert_eq!(decoded("%ff"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*", digits in "[%0-9a-f]{0,20}") {
            let _ = (decoded(&text), decoded(&digits));
        }
    }
}
