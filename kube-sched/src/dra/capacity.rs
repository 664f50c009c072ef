//! Capacity of devices, and how much of it a request takes of a device that others may share (KEP-5075).

use super::Device;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Parts of a unit: amounts are exact to a billionth, as quantities of the API are.
const NANOS: i128 = 1_000_000_000;

/// An exact amount, in units of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount {
    nanos: i128,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0 };

    /// A whole number of units.
    pub const fn units(units: i64) -> Self {
        Self { nanos: units as i128 * NANOS }
    }

    /// A number of billionths.
    pub const fn nanos(nanos: i128) -> Self {
        Self { nanos }
    }

    /// The number of units, where it is a whole one that 64 bits hold.
    pub fn whole(self) -> Option<i64> {
        if self.nanos % NANOS == 0 { i64::try_from(self.nanos / NANOS).ok() } else { None }
    }

    /// The sum, within the bounds of what can be said.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_add(other.nanos) }
    }

    /// The difference, within the bounds of what can be said.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_sub(other.nanos) }
    }
}

impl From<i64> for Amount {
    fn from(units: i64) -> Self {
        Self::units(units)
    }
}

/// As a decimal: `80`, `0.5`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, nanos) = (if self.nanos < 0 { "-" } else { "" }, self.nanos.unsigned_abs());
        let (units, part) = (nanos / NANOS.unsigned_abs(), nanos % NANOS.unsigned_abs());
        if part == 0 {
            return write!(f, "{sign}{units}");
        }
        let part = format!("{part:09}");
        write!(f, "{sign}{units}.{}", part.trim_end_matches('0'))
    }
}

/// How much a device has of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// All of it.
    pub value: Amount,
    /// How requests take of it, where the device may be shared.
    pub policy: Option<RequestPolicy>,
}

impl From<i64> for Capacity {
    fn from(units: i64) -> Self {
        Self { value: units.into(), policy: None }
    }
}

/// How requests take of a capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPolicy {
    /// What a request takes that does not say; all of it where there is none.
    pub default: Option<Amount>,
    /// What may be taken.
    pub valid: ValidAmounts,
}

/// What may be taken of a capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidAmounts {
    /// Anything.
    Any,
    /// One of these, in ascending order: a request is rounded up to the next.
    Values(Vec<Amount>),
    /// Within bounds: a request is rounded up to `min`, and to it and a multiple of `step`.
    Range {
        /// The least.
        min: Amount,
        /// The most.
        max: Option<Amount>,
        /// The steps between.
        step: Option<Amount>,
    },
}

impl Capacity {
    /// What a request takes of the whole capacity; `None` where there is not so much, or the policy allows no such amount. It
    /// is never less than nothing: that would give others more than there is.
    pub fn consumed(&self, requested: Option<Amount>) -> Option<Amount> {
        let Some(policy) = &self.policy else {
            return Some(requested.unwrap_or(self.value)).filter(|amount| self.holds(*amount));
        };
        let amount = match requested {
            Some(requested) => policy.valid.round_up(requested),
            None => policy.default.unwrap_or(self.value),
        };
        let allowed = policy.default == Some(amount) || policy.valid.allow(amount);
        (allowed && self.holds(amount)).then_some(amount)
    }

    fn holds(&self, amount: Amount) -> bool {
        (Amount::ZERO..=self.value).contains(&amount)
    }
}

impl ValidAmounts {
    fn round_up(&self, requested: Amount) -> Amount {
        match self {
            Self::Any => requested,
            Self::Values(values) => values.iter().copied().find(|value| requested <= *value).unwrap_or(requested),
            Self::Range { min, .. } if requested < *min => *min,
            Self::Range { min, step, .. } => match step.filter(|step| *step > Amount::ZERO) {
                None => requested,
                Some(step) => {
                    let over = requested.minus(*min).nanos;
                    let steps = over / step.nanos + i128::from(over % step.nanos != 0);
                    Amount { nanos: min.nanos.saturating_add(step.nanos.saturating_mul(steps)) }
                }
            },
        }
    }

    /// Whether an amount that was rounded up may be taken.
    fn allow(&self, amount: Amount) -> bool {
        match self {
            Self::Any => true,
            Self::Values(values) => values.is_empty() || values.contains(&amount),
            Self::Range { min, max, step } => {
                let even = step.is_none_or(|step| step <= Amount::ZERO || amount.minus(*min).nanos % step.nanos == 0);
                even && max.is_none_or(|max| amount <= max)
            }
        }
    }
}

/// Amounts by the name of the capacity, with its domain.
pub type Amounts = BTreeMap<String, Amount>;

/// What a request takes of a device that is free; `None` where the device has not so much, or nothing of the kind.
pub(super) fn consumed(driver: &str, device: &Device, requests: &Amounts) -> Option<Amounts> {
    let requests: BTreeMap<Cow<'_, str>, Amount> =
        requests.iter().map(|(name, amount)| (qualified(driver, name), *amount)).collect();
    if requests.keys().any(|name| !device.capacity.contains_key(&**name)) {
        return None;
    }
    let taken = |(name, capacity): (&String, &Capacity)| {
        Some((name.clone(), capacity.consumed(requests.get(name.as_str()).copied())?))
    };
    device.capacity.iter().map(taken).collect()
}

/// Attributes and capacities without a domain are of the driver's.
pub(crate) fn qualified<'a>(driver: &str, name: &'a str) -> Cow<'a, str> {
    if name.contains('/') { name.into() } else { format!("{driver}/{name}").into() }
}

#[cfg(test)]
mod tests;
