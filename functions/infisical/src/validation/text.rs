//! The rules of text fields.

use super::Issue;
use crate::{
    duration::{self, DurationError},
    error::Problem,
    names,
};
use serde_json::{Value, json};

/// What a text must be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    trim: bool,
    minimum: Option<(usize, Option<String>)>,
    maximum: Option<(usize, Option<String>)>,
    rule: Option<Rule>,
}

/// A rule beyond length, and the words in which its breach is reported.
#[derive(Clone, Debug)]
enum Rule {
    Duration(&'static str),
    Predicate(fn(&str) -> bool, String),
}

/// What is wrong with a text.
pub(super) enum Fault {
    Issues(Vec<Issue>),
    Fatal(Box<Problem>),
}

impl Text {
    /// Any text.
    pub(crate) fn any() -> Self {
        Self::default()
    }

    /// Any text, whose outer blanks are dropped.
    pub(crate) fn trimmed() -> Self {
        Self {
            trim: true,
            ..Self::default()
        }
    }

    /// A lifetime. `subject` begins the sentence that refuses it.
    pub(crate) fn duration(subject: &'static str) -> Self {
        Self {
            rule: Some(Rule::Duration(subject)),
            ..Self::default()
        }
    }

    /// A slug of `minimum` to 64 characters; `field` begins the sentences that refuse it.
    pub(crate) fn slug(field: &str, minimum: usize) -> Self {
        let at_least = format!("{field} field must be at least 1 lowercase character");
        let at_most = format!("{field} field must be at most 64 lowercase characters");
        let rule = format!("{field} field can only contain lowercase letters, numbers, and hyphens");
        Self {
            trim: true,
            minimum: Some((minimum, Some(at_least))),
            maximum: Some((64, Some(at_most))),
            rule: Some(Rule::Predicate(names::is_slug, rule)),
        }
    }

    /// A host name.
    pub(crate) fn hostname() -> Self {
        Self::trimmed()
            .at_least(1)
            .matching(names::is_hostname, "Hostname must be a valid hostname")
    }

    pub(crate) fn at_least(mut self, characters: usize) -> Self {
        self.minimum = Some((characters, None));
        self
    }

    pub(crate) fn at_most(mut self, characters: usize) -> Self {
        self.maximum = Some((characters, None));
        self
    }

    pub(crate) fn matching(mut self, rule: fn(&str) -> bool, message: impl Into<String>) -> Self {
        self.rule = Some(Rule::Predicate(rule, message.into()));
        self
    }

    /// The part of it that a JSON schema can say.
    pub(super) fn schema(&self) -> Value {
        let mut schema = json!({"type": "string"});
        if let Some((minimum, _)) = self.minimum {
            schema["minLength"] = minimum.into();
        }
        if let Some((maximum, _)) = self.maximum {
            schema["maxLength"] = maximum.into();
        }
        schema
    }

    pub(super) fn check(&self, path: &[Value], text: &str) -> Result<String, Fault> {
        let text = if self.trim { text.trim() } else { text };
        let mut issues = Vec::new();
        // As the original counts: UTF-16 units.
        let length = text.encode_utf16().count();
        if let Some((minimum, message)) = &self.minimum
            && length < *minimum
        {
            let usual = format!("String must contain at least {minimum} character(s)");
            let message = message.clone().unwrap_or(usual);
            issues.push(Issue::too_small(path, "string", *minimum, message));
        }
        if let Some((maximum, message)) = &self.maximum
            && length > *maximum
        {
            let usual = format!("String must contain at most {maximum} character(s)");
            let message = message.clone().unwrap_or(usual);
            issues.push(Issue::too_big(path, "string", *maximum, message));
        }
        match &self.rule {
            Some(Rule::Predicate(holds, message)) if !holds(text) => {
                issues.push(Issue::custom(path, message));
            }
            Some(Rule::Duration(subject)) => check_duration(path, text, subject, &mut issues)?,
            Some(Rule::Predicate(..)) | None => {}
        }
        if issues.is_empty() {
            Ok(text.to_owned())
        } else {
            Err(Fault::Issues(issues))
        }
    }
}

fn check_duration(path: &[Value], text: &str, subject: &str, issues: &mut Vec<Issue>) -> Result<(), Fault> {
    match duration::parse(text) {
        Ok(_) => Ok(()),
        Err(DurationError::NotPositive) => {
            issues.push(Issue::custom(
                path,
                format!("{subject} must be a positive number"),
            ));
            Ok(())
        }
        Err(DurationError::Length) => {
            let problem = Problem::bad_request(format!("Invalid date format string: {text}"));
            Err(Fault::Fatal(Box::new(problem)))
        }
    }
}
