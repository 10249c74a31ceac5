//! `{{ … }}` in a role's users, domains and extensions, filled in from the identity of the caller's token.
//!
//! What is filled in must not change what the role means: a value with a comma would add a principal to a list, and one
//! with `*` or `?` would match more than itself. Neither is ever filled in, but for commas where the role says so.

use super::role::CaRole;
use crate::error::Failure;
use countersign::{
    access::{Caller, Entity},
    types::{CertType, parse_duration},
};
use std::collections::BTreeMap;

/// Why a template could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplateError {
    Forbidden(char),
    NoValue,
}

impl TemplateError {
    fn failure(&self, template: &str) -> Failure {
        let reason = match self {
            Self::Forbidden(c) => {
                format!(
                    "template substitution contains forbidden value {:?}",
                    c.to_string()
                )
            }
            Self::NoValue => "no value could be found for one of the template directives".to_owned(),
        };
        Failure::user(format!("template '{template}' could not be rendered -> {reason}"))
    }
}

/// Whose values are filled in, and when.
#[derive(Clone, Copy)]
struct Values<'e> {
    entity: &'e Entity,
    now: u64,
    allow_commas: bool,
}

impl CaRole {
    /// This role for `caller`, who asks for a certificate of `cert_type`: with its templates filled in where the
    /// certificate needs them. `asks_principals` and `asks_extensions`: whether the caller names them, so that the
    /// role's defaults do not count.
    ///
    /// A caller without an entity meets the texts as they are; of the default extensions those that need one are left
    /// out.
    ///
    /// # Errors
    /// 400 where a template asks for something that the caller does not have, or that may not be filled in.
    pub(crate) fn for_caller(
        &self,
        caller: Option<&Caller>,
        cert_type: CertType,
        asks_principals: bool,
        asks_extensions: bool,
        now: u64,
    ) -> Result<Self, Failure> {
        let mut role = self.clone();
        let Some(entity) = caller.and_then(Caller::entity) else {
            if self.default_extensions_template {
                role.default_extensions.retain(|_, value| !is_template(value));
            }
            return Ok(role);
        };
        let values = Values {
            entity,
            now,
            allow_commas: self.allow_commas_in_identity_templates,
        };
        let fill = |text: &mut String, is_templated: bool| -> Result<(), Failure> {
            if is_templated {
                *text = render(text, values).map_err(|error| error.failure(text))?;
            }
            Ok(())
        };
        match cert_type {
            CertType::Host => fill(&mut role.allowed_domains, self.allowed_domains_template)?,
            CertType::User => {
                fill(&mut role.allowed_users, self.allowed_users_template)?;
                if !asks_principals {
                    fill(&mut role.default_user, self.default_user_template)?;
                }
            }
        }
        if !asks_extensions {
            // The text around them may have commas; what is filled in may not.
            let values = Values {
                allow_commas: false,
                ..values
            };
            let mut filled = BTreeMap::new();
            for (name, value) in &self.default_extensions {
                let value = if self.default_extensions_template {
                    render(value, values).map_err(|error| error.failure(value))?
                } else {
                    value.clone()
                };
                filled.insert(name.clone(), value);
            }
            role.default_extensions = filled;
        }
        Ok(role)
    }
}

/// Whether `text` holds a complete `{{ … }}`.
pub(crate) fn is_template(text: &str) -> bool {
    next_directive(text).is_some()
}

/// The text before the first complete `{{ … }}`, what stands in it, and the text after it.
fn next_directive(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("{{")?;
        let inner = &text[start + 2..];
        let end = inner.find("}}")?;
        if !inner[..end].trim().is_empty() {
            return Some((&text[..start], inner[..end].trim(), &inner[end + 2..]));
        }
        from = start + 2 + end + 2;
    }
}

/// Fills in every directive once; what was filled in is not looked at again.
fn render(text: &str, values: Values<'_>) -> Result<String, TemplateError> {
    let mut rendered = String::new();
    let mut rest = text;
    while let Some((before, directive, after)) = next_directive(rest) {
        let value = value(directive, values).ok_or(TemplateError::NoValue)?;
        check(&value, values.allow_commas)?;
        rendered.push_str(before);
        rendered.push_str(&value);
        rest = after;
    }
    Ok(rendered + rest)
}

/// Whether `value` stands for itself alone, wherever it is filled in.
fn check(value: &str, allow_commas: bool) -> Result<(), TemplateError> {
    let is_forbidden = |c: &char| match c {
        ',' => !allow_commas,
        '*' | '?' => true,
        c => c.is_control(),
    };
    match value.chars().find(is_forbidden) {
        Some(c) => Err(TemplateError::Forbidden(c)),
        None if value.trim().is_empty() => Err(TemplateError::NoValue),
        None => Ok(()),
    }
}

/// What `directive` stands for, if the caller has it. There are no groups.
fn value(directive: &str, values: Values<'_>) -> Option<String> {
    let Values { entity, now, .. } = values;
    if let Some(rest) = directive.strip_prefix("identity.entity.") {
        return match rest {
            "id" => Some(entity.id.clone()),
            "name" => Some(entity.name.clone()),
            _ => match rest.strip_prefix("metadata.") {
                Some(name) => entity.metadata.get(name).cloned(),
                None => of_alias(entity, rest.strip_prefix("aliases.")?),
            },
        };
    }
    let time = directive.strip_prefix("time.now")?;
    let shifted = match time.strip_prefix(".plus.") {
        Some(duration) => now.checked_add(parse_duration(duration).ok()?)?,
        None => match time.strip_prefix(".minus.") {
            Some(duration) => now.checked_sub(parse_duration(duration).ok()?)?,
            None => time.is_empty().then_some(now)?,
        },
    };
    Some(shifted.to_string())
}

/// `<mount accessor>.<what>`.
fn of_alias(entity: &Entity, rest: &str) -> Option<String> {
    let (accessor, what) = rest.split_once('.')?;
    let alias = entity.alias_at(accessor)?;
    match what {
        "id" => Some(alias.id.clone()),
        "name" => Some(alias.name.clone()),
        _ => match what.strip_prefix("custom_metadata.") {
            Some(name) => alias.custom_metadata.get(name).cloned(),
            None => alias.metadata.get(what.strip_prefix("metadata.")?).cloned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign::access::Alias;

    fn entity() -> Entity {
        let pairs = |pairs: &[(&str, &str)]| {
            let owned = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            owned.collect::<BTreeMap<_, _>>()
        };
        Entity {
            id: "e-1".into(),
            name: "bob".into(),
            metadata: pairs(&[
                ("user", "bobby"),
                ("list", "a,b"),
                ("star", "*"),
                ("mark", "a?"),
                ("line", "a\nb"),
                ("braces", "{{identity.entity.name}}"),
                ("dot.ted", "d"),
                ("empty", ""),
                ("blank", " "),
            ]),
            aliases: vec![Alias {
                id: "a-1".into(),
                name: "bob@corp".into(),
                mount_accessor: "auth_userpass_1".into(),
                metadata: pairs(&[("team", "ops")]),
                custom_metadata: pairs(&[("unit", "7")]),
                ..Alias::default()
            }],
            ..Entity::default()
        }
    }

    fn rendered(text: &str, allow_commas: bool) -> Result<String, TemplateError> {
        let entity = entity();
        let values = Values {
            entity: &entity,
            now: 1_800_000_000,
            allow_commas,
        };
        render(text, values)
    }

    #[test]
    fn every_directive_is_filled_in() {
        for (text, expected) in [
            ("{{identity.entity.id}}", "e-1"),
            ("{{ identity.entity.name }}", "bob"),
            (
                "ssh-{{identity.entity.metadata.user}}-{{identity.entity.name}}!",
                "ssh-bobby-bob!",
            ),
            ("{{identity.entity.metadata.dot.ted}}", "d"),
            ("{{identity.entity.aliases.auth_userpass_1.name}}", "bob@corp"),
            ("{{identity.entity.aliases.auth_userpass_1.id}}", "a-1"),
            ("{{identity.entity.aliases.auth_userpass_1.metadata.team}}", "ops"),
            (
                "{{identity.entity.aliases.auth_userpass_1.custom_metadata.unit}}",
                "7",
            ),
            ("{{time.now}}", "1800000000"),
            ("{{time.now.plus.1h}}", "1800003600"),
            ("{{time.now.minus.60}}", "1799999940"),
            // Not rendered again, and not a directive at all.
            ("{{identity.entity.metadata.braces}}", "{{identity.entity.name}}"),
            ("{{x", "{{x"),
            ("{{}}", "{{}}"),
            ("{{ }}a}}", "{{ }}a}}"),
            ("}}{{", "}}{{"),
            ("a,b", "a,b"),
            ("*", "*"),
        ] {
            assert_eq!(rendered(text, false).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_a_caller_does_not_have_is_not_filled_in() {
        for text in [
            "{{identity.entity.metadata.none}}",
            "{{identity.entity.metadata.empty}}",
            "{{identity.entity.metadata.blank}}",
            "{{identity.entity.aliases.auth_other.name}}",
            "{{identity.entity.aliases.auth_userpass_1}}",
            "{{identity.groups.names.admins.id}}",
            "{{identity.entity}}",
            "{{time.now.plus.x}}",
            "{{time.now.minus.99999999999}}",
            "{{time.noon}}",
            "{{x}}",
            "a,{{identity.entity.name}},{{x}}",
        ] {
            assert_eq!(rendered(text, true), Err(TemplateError::NoValue), "{text}");
        }
    }

    #[test]
    fn what_would_be_more_than_one_name_is_not_filled_in() {
        for (name, c) in [("list", ','), ("star", '*'), ("mark", '?'), ("line", '\n')] {
            let text = format!("x-{{{{identity.entity.metadata.{name}}}}}");
            assert_eq!(rendered(&text, false), Err(TemplateError::Forbidden(c)), "{name}");
        }
        assert_eq!(
            rendered("{{identity.entity.metadata.list}}", true).as_deref(),
            Ok("a,b")
        );
        assert!(rendered("{{identity.entity.metadata.star}}", true).is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_template_is_filled_in_or_refused_and_never_widened(
            template in r"([{}]{1,3}|identity\.entity\.metadata\.(user|list|star|mark)|time\.now(\.plus\.)?|[a-z0-9 ]{0,4}){0,12}",
        ) {
            if let Ok(filled) = rendered(&template, false) {
                // The template itself has none of these.
                proptest::prop_assert!(!filled.contains([',', '*', '?']), "{filled}");
                if !is_template(&template) {
                    proptest::prop_assert_eq!(filled, template);
                }
            }
        }
    }
}
