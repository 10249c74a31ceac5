//! The template as data.

use anyhow::Result;
use countersign_tests::run_python;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/template.yaml");

pub(crate) struct Template(pub(crate) Value);

impl Template {
    pub(crate) fn read() -> Result<Self> {
        let printed = run_python("contract/infra/template.py", &[TEMPLATE], &[])?.stdout;
        Ok(Self(serde_json::from_str(&printed)?))
    }

    /// The resources of a type, by their logical names.
    pub(crate) fn all(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.0["Resources"].as_object().unwrap().iter();
        resources
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(name, resource)| (name.as_str(), resource))
            .collect()
    }

    /// The functions: their logical names without `Function`, and their properties.
    pub(crate) fn functions(&self) -> BTreeMap<&str, &Value> {
        let functions = self.all("AWS::Serverless::Function").into_iter();
        functions
            .map(|(name, resource)| (name.strip_suffix("Function").unwrap(), &resource["Properties"]))
            .collect()
    }

    /// The names of the functions. All of them sign.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.functions().into_keys().collect()
    }

    /// Every statement about who may do what, with the logical name of what it stands at.
    pub(crate) fn statements(&self) -> Vec<(&str, &Value)> {
        let mut statements = Vec::new();
        for (name, role) in self.all("AWS::IAM::Role") {
            for policy in role["Properties"]["Policies"].as_array().unwrap() {
                statements.extend(of_document(&policy["PolicyDocument"]).map(|statement| (name, statement)));
            }
        }
        for kind in ["AWS::KMS::Key", "AWS::SNS::TopicPolicy"] {
            for (name, resource) in self.all(kind) {
                let properties = &resource["Properties"];
                let document = ["KeyPolicy", "PolicyDocument"]
                    .iter()
                    .find_map(|member| properties.get(member))
                    .unwrap();
                statements.extend(of_document(document).map(|statement| (name, statement)));
            }
        }
        statements
    }

    /// The statement `sid` of the role of a function.
    pub(crate) fn of_role(&self, function: &str) -> Vec<&Value> {
        let role = format!("{function}Role");
        let statements = self.statements().into_iter();
        statements
            .filter(|(name, _)| *name == role)
            .map(|(_, statement)| statement)
            .collect()
    }

    /// The actions of a service that a function's role may take.
    pub(crate) fn actions(&self, function: &str, service: &str) -> BTreeSet<String> {
        let statements = self.of_role(function).into_iter();
        statements
            .flat_map(|statement| texts(&statement["Action"]))
            .filter(|action| action.starts_with(service))
            .collect()
    }
}

/// The statements of a policy; those that stand under a condition of the template too.
pub(crate) fn of_document(document: &Value) -> impl Iterator<Item = &Value> {
    let statements = document["Statement"].as_array().unwrap().iter();
    statements.map(|statement| statement.get("Fn::If").map_or(statement, |choice| &choice[1]))
}

/// One text, or a list of them.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}
