//! Conditions as DynamoDB expressions.

use super::super::{Condition, PARTITION};
use super::item::VERSION;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;

/// A condition expression with what its placeholders stand for. Attribute names are always placeholders: many
/// plain words are reserved.
#[derive(Default)]
pub(super) struct Expression {
    pub(super) text: Option<&'static str>,
    pub(super) names: Option<HashMap<String, String>>,
    pub(super) values: Option<HashMap<String, AttributeValue>>,
}

impl From<Condition> for Expression {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Absent => Self::about("attribute_not_exists(#a)", PARTITION),
            Condition::Always => Self::default(),
            Condition::Present => Self::about("attribute_exists(#a)", PARTITION),
            Condition::Version(version) => Self {
                values: Some(HashMap::from([(
                    ":v".into(),
                    AttributeValue::N(version.to_string()),
                )])),
                ..Self::about("#a = :v", VERSION)
            },
        }
    }
}

impl Expression {
    fn about(text: &'static str, attribute: &str) -> Self {
        Self {
            text: Some(text),
            names: Some(HashMap::from([("#a".into(), attribute.into())])),
            values: None,
        }
    }
}
