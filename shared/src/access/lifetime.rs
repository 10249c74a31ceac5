use crate::error::Error;

/// How long a token lives where nobody says, and at most: 32 days, as in the real product.
pub const DEFAULT_TTL_SECS: u64 = 768 * 3600;

/// The lifetimes that apply where a token is made: the system's, or what its mount was tuned to. In seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlLimits {
    /// Where nobody says.
    pub default_ttl: u64,
    /// At most.
    pub max_ttl: u64,
}

impl Default for TtlLimits {
    fn default() -> Self {
        Self {
            default_ttl: DEFAULT_TTL_SECS,
            max_ttl: DEFAULT_TTL_SECS,
        }
    }
}

impl TtlLimits {
    /// The system's limits with those of a mount over them; 0 leaves the system's.
    pub fn tuned(default_ttl: u64, max_ttl: u64) -> Self {
        let or = |tuned: u64, system: u64| if tuned == 0 { system } else { tuned };
        Self {
            default_ttl: or(default_ttl, DEFAULT_TTL_SECS),
            max_ttl: or(max_ttl, DEFAULT_TTL_SECS),
        }
    }
}

/// What decides how long a token lives from now on. In seconds; 0 stands for nothing said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// What the renewal asks for.
    pub(super) increment: u64,
    /// What the token was made with.
    pub(super) ttl: u64,
    pub(super) period: u64,
    /// The role's maximum.
    pub(super) max_ttl: u64,
    pub(super) explicit_max_ttl: u64,
    /// When the token was made, in Unix seconds.
    pub(super) start: u64,
}

/// How long a token lives from `now`, and warnings about what was cut.
///
/// Source: the order of precedence of
/// <https://developer.hashicorp.com/vault/docs/concepts/tokens#token-time-to-live-periodic-tokens-and-explicit-max-ttls>.
pub(super) fn lifetime(asked: &Asked, limits: TtlLimits, now: u64) -> Result<(u64, Vec<String>), Error> {
    let mut warnings = Vec::new();
    let caps = [asked.max_ttl, asked.explicit_max_ttl]
        .into_iter()
        .filter(|cap| *cap > 0);
    let max_ttl = caps.fold(limits.max_ttl, u64::min);
    let (mut ttl, end) = if asked.period > 0 {
        if asked.period > max_ttl {
            warnings.push(cut("period", "period", asked.period, max_ttl));
        }
        let end = (asked.explicit_max_ttl > 0).then(|| asked.start.saturating_add(asked.explicit_max_ttl));
        (asked.period.min(max_ttl), end)
    } else {
        let said = [asked.increment, asked.ttl, limits.default_ttl]
            .into_iter()
            .find(|ttl| *ttl > 0);
        (
            said.unwrap_or(DEFAULT_TTL_SECS),
            Some(asked.start.saturating_add(max_ttl)),
        )
    };
    if let Some(left) = end.map(|end| end.saturating_sub(now)) {
        if left == 0 {
            return Err(Error::invalid("increment", "past the max TTL, cannot renew"));
        }
        if ttl > left {
            warnings.push(cut("TTL", "TTL", ttl, left));
            ttl = left;
        }
    }
    Ok((ttl, warnings))
}

fn cut(what: &str, value: &str, asked: u64, max: u64) -> String {
    format!(
        "{what} of \"{}\" exceeded the effective max_ttl of \"{}\"; {value} value is capped accordingly",
        go_duration(asked),
        go_duration(max)
    )
}

/// Seconds as the real product shows them to people: `1h`, `1h30m`, `90m5s` is `1h30m5s`.
fn go_duration(secs: u64) -> String {
    let (hours, minutes, rest) = (secs / 3600, secs / 60 % 60, secs % 60);
    let mut text = String::new();
    for (count, unit) in [(hours, "h"), (minutes, "m"), (rest, "s")] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: u64 = 3600;

    fn at(now: u64, asked: Asked) -> Option<(u64, usize)> {
        let outcome = lifetime(&asked, TtlLimits::default(), now).ok();
        outcome.map(|(ttl, warnings)| (ttl, warnings.len()))
    }

    #[test]
    fn a_mounts_limits_take_the_place_of_the_systems_where_it_has_any() {
        for (tuned, limits) in [
            ((0, 0), (2_764_800, 2_764_800)),
            ((60, 0), (60, 2_764_800)),
            ((0, HOUR), (2_764_800, HOUR)),
            ((60, HOUR), (60, HOUR)),
        ] {
            let of_mount = TtlLimits::tuned(tuned.0, tuned.1);
            assert_eq!((of_mount.default_ttl, of_mount.max_ttl), limits, "{tuned:?}");
        }
        assert_eq!(TtlLimits::default(), TtlLimits::tuned(0, 0));
    }

    #[test]
    fn the_shortest_maximum_wins() {
        let some = |asked| at(1000, Asked { start: 1000, ..asked });
        assert_eq!(some(Asked::default()), Some((DEFAULT_TTL_SECS, 0)));
        assert_eq!(
            some(Asked {
                ttl: HOUR,
                ..Asked::default()
            }),
            Some((HOUR, 0))
        );
        assert_eq!(
            some(Asked {
                ttl: HOUR,
                increment: 5,
                ..Asked::default()
            }),
            Some((5, 0))
        );
        assert_eq!(
            some(Asked {
                ttl: HOUR,
                explicit_max_ttl: 60,
                ..Asked::default()
            }),
            Some((60, 1))
        );
        assert_eq!(
            some(Asked {
                ttl: HOUR,
                max_ttl: 60,
                ..Asked::default()
            }),
            Some((60, 1))
        );
        assert_eq!(
            some(Asked {
                ttl: 2 * DEFAULT_TTL_SECS,
                ..Asked::default()
            }),
            Some((DEFAULT_TTL_SECS, 1))
        );
        assert_eq!(
            some(Asked {
                period: HOUR,
                ttl: 5,
                ..Asked::default()
            }),
            Some((HOUR, 0))
        );
        assert_eq!(
            some(Asked {
                period: HOUR,
                max_ttl: 5,
                ..Asked::default()
            }),
            Some((5, 1))
        );
        assert_eq!(
            some(Asked {
                period: HOUR,
                max_ttl: HOUR,
                ..Asked::default()
            }),
            Some((HOUR, 0)),
            "nothing was cut"
        );
    }

    #[test]
    fn only_a_period_goes_past_the_maximum() {
        let late = 1000 + DEFAULT_TTL_SECS;
        assert_eq!(
            at(
                late,
                Asked {
                    start: 1000,
                    ..Asked::default()
                }
            ),
            None
        );
        assert_eq!(
            at(
                late - 1,
                Asked {
                    start: 1000,
                    ..Asked::default()
                }
            ),
            Some((1, 1))
        );
        assert_eq!(
            at(
                late,
                Asked {
                    start: 1000,
                    period: HOUR,
                    ..Asked::default()
                }
            ),
            Some((HOUR, 0))
        );
        let explicit = Asked {
            start: 1000,
            period: HOUR,
            explicit_max_ttl: 2 * HOUR,
            ..Asked::default()
        };
        assert_eq!(at(1000 + HOUR + 600, explicit), Some((HOUR - 600, 1)));
        assert_eq!(at(1000 + 2 * HOUR, explicit), None);
    }

    #[test]
    fn durations_are_shown_as_the_real_product_shows_them() {
        for (secs, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3600, "1h"),
            (5405, "1h30m5s"),
            (2_764_800, "768h"),
        ] {
            assert_eq!(go_duration(secs), text);
        }
        assert_eq!(
            cut("TTL", "TTL", 7200, 1800),
            "TTL of \"2h\" exceeded the effective max_ttl of \"30m\"; TTL value is capped accordingly"
        );
    }

    proptest! {
        #[test]
        fn no_life_outlasts_any_maximum(
            increment in 0u64..1_000_000_000, ttl in 0u64..10_000_000, period in 0u64..10_000_000,
            max_ttl in 0u64..10_000_000, explicit_max_ttl in 0u64..10_000_000, age in 0u64..10_000_000,
        ) {
            let asked = Asked { increment, ttl, period, max_ttl, explicit_max_ttl, start: 1000 };
            let Ok((life, _)) = lifetime(&asked, TtlLimits::default(), 1000 + age) else { return Ok(()) };
            prop_assert!(life > 0);
            if explicit_max_ttl > 0 {
                prop_assert!(age + life <= explicit_max_ttl);
            }
            prop_assert!(life <= DEFAULT_TTL_SECS && (max_ttl == 0 || life <= max_ttl));
            prop_assert!(period > 0 || age + life <= DEFAULT_TTL_SECS);
        }
    }
}
