//! Rules about the lifetime of a wrapped response.

use std::time::Duration;

use super::syntax::Value;

/// The lifetimes that a rule demands of response wrapping; with either, a response that is not wrapped is refused.
///
/// Source: <https://developer.hashicorp.com/vault/docs/concepts/policies#required-response-wrapping-ttls>.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct WrappingTtls {
    pub(super) min: Option<Duration>,
    pub(super) max: Option<Duration>,
}

impl WrappingTtls {
    /// Bounds that leave no lifetime: refused in one rule, possible after merging, and then nothing passes.
    pub(super) fn is_inverted(self) -> bool {
        matches!((self.min, self.max), (Some(min), Some(max)) if max < min)
    }

    pub(super) fn permit(self, wrap_ttl: Option<Duration>) -> bool {
        let within = |ttl| self.min.is_none_or(|min| ttl >= min) && self.max.is_none_or(|max| ttl <= max);
        match wrap_ttl {
            Some(ttl) => within(ttl),
            None => self.min.is_none() && self.max.is_none(),
        }
    }

    /// The lower of two values wins, for both bounds.
    pub(super) fn merge(&mut self, other: Self) {
        self.min = lower(self.min, other.min);
        self.max = lower(self.max, other.max);
    }
}

fn lower(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Seconds as a number or a text, or a duration such as `90s`, `1h30m` or `2d`. The outer `None` is an error, the
/// inner one is zero: no bound.
///
/// Source: <https://developer.hashicorp.com/vault/docs/concepts/duration-format>.
pub(super) fn parse_ttl(value: &Value) -> Option<Option<Duration>> {
    let ttl = match value {
        Value::Number(number) => Duration::from_secs(number.as_u64()?),
        Value::Text(text) => parse_text(text.trim())?,
        _ => return None,
    };
    Some(Some(ttl).filter(|ttl| !ttl.is_zero()))
}

fn parse_text(text: &str) -> Option<Duration> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return if text.is_empty() {
            Some(Duration::ZERO)
        } else {
            Some(Duration::from_secs(text.parse().ok()?))
        };
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (term, after) = parse_term(rest)?;
        total = total.checked_add(term)?;
        rest = after;
    }
    Some(total)
}

/// One number with its unit, and what follows.
fn parse_term(text: &str) -> Option<(Duration, &str)> {
    let (number, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (unit, rest) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
    let count: u32 = number.parse().ok()?;
    Some((unit_duration(unit)?.checked_mul(count)?, rest))
}

fn unit_duration(unit: &str) -> Option<Duration> {
    match unit {
        "ms" => Some(Duration::from_millis(1)),
        "s" => Some(Duration::from_secs(1)),
        "m" => Some(Duration::from_secs(60)),
        "h" => Some(Duration::from_secs(60 * 60)),
        "d" => Some(Duration::from_secs(24 * 60 * 60)),
        _ => None,
    }
}
