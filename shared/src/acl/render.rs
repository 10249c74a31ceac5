//! A policy as HCL text.

use std::{fmt, time::Duration};

use serde_json::Value;

use super::{
    Policy,
    parameters::ValuesByName,
    policy::{Grants, PathRule},
};

/// The rules in canonical form: capabilities sorted, old-style words spelled out, comments gone. Reading it gives the
/// same rules again. The root policy has no rules and renders as nothing.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.grants {
            Grants::Everything => Ok(()),
            Grants::Rules(rules) => rules.iter().try_for_each(|rule| write_rule(f, rule)),
        }
    }
}

fn write_rule(f: &mut fmt::Formatter<'_>, rule: &PathRule) -> fmt::Result {
    let permissions = &rule.permissions;
    writeln!(f, "path {} {{", Quoted(&rule.pattern.to_string()))?;
    let capabilities = permissions
        .capabilities
        .iter()
        .map(|capability| capability.as_str());
    write_texts(f, "capabilities", capabilities)?;
    write_values(f, "allowed_parameters", &permissions.parameters.allowed)?;
    write_values(f, "denied_parameters", &permissions.parameters.denied)?;
    if !permissions.parameters.required.is_empty() {
        write_texts(
            f,
            "required_parameters",
            permissions.parameters.required.iter().map(String::as_str),
        )?;
    }
    write_ttl(f, "min_wrapping_ttl", permissions.wrapping.min)?;
    write_ttl(f, "max_wrapping_ttl", permissions.wrapping.max)?;
    writeln!(f, "}}")
}

fn write_texts<'t>(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    mut texts: impl Iterator<Item = &'t str>,
) -> fmt::Result {
    write!(f, "  {key} = [")?;
    if let Some(first) = texts.next() {
        write!(f, "{}", Quoted(first))?;
    }
    texts.try_for_each(|text| write!(f, ", {}", Quoted(text)))?;
    writeln!(f, "]")
}

fn write_values(f: &mut fmt::Formatter<'_>, key: &str, values: &ValuesByName) -> fmt::Result {
    if values.is_empty() {
        return Ok(());
    }
    writeln!(f, "  {key} = {{")?;
    for (name, listed) in values {
        write!(f, "    {} = ", Quoted(name))?;
        write_list(f, listed)?;
        writeln!(f)?;
    }
    writeln!(f, "  }}")
}

fn write_list(f: &mut fmt::Formatter<'_>, values: &[Value]) -> fmt::Result {
    f.write_str("[")?;
    for (index, value) in values.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        write_value(f, value)?;
    }
    f.write_str("]")
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Array(values) => write_list(f, values),
        Value::Object(entries) => {
            f.write_str("{")?;
            for (key, value) in entries {
                write!(f, " {} = ", Quoted(key))?;
                write_value(f, value)?;
            }
            f.write_str(" }")
        }
        Value::String(text) => write!(f, "{}", Quoted(text)),
        Value::Bool(_) | Value::Null | Value::Number(_) => write!(f, "{value}"),
    }
}

/// In milliseconds, the finest unit that is read.
fn write_ttl(f: &mut fmt::Formatter<'_>, key: &str, ttl: Option<Duration>) -> fmt::Result {
    let Some(ttl) = ttl else { return Ok(()) };
    match ttl.subsec_millis() {
        0 => writeln!(f, "  {key} = {}", ttl.as_secs()),
        millis => writeln!(f, "  {key} = \"{}s{millis}ms\"", ttl.as_secs()),
    }
}

/// A text in quotes. A `$` is escaped, because HCL gives `${` a meaning.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '$' => f.write_str("\\x24")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}
