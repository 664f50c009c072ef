//! Quantities: `500m`, `1Gi`, `1.5`: exact decimals with a canonical form.
//!
//! Source: `k8s.io/apimachinery/pkg/api/resource`.

use std::fmt;
use std::str::FromStr;

/// The family of suffixes in which a quantity is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `k`, `M`, `G`, …, `m`, `u`, `n`.
    DecimalSi,
    /// `Ki`, `Mi`, `Gi`, …
    BinarySi,
    /// `e3`, `E6`.
    DecimalExponent,
}

/// An exact amount, to a nano (smaller parts are rounded up, away from zero).
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// In units of 10⁻⁹.
    nanos: i128,
    format: Format,
}

/// Text that is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
pub struct ParseQuantityError;

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// A whole number of units.
    pub const fn from_units(units: i64, format: Format) -> Self {
        Self { nanos: units as i128 * 1_000_000_000, format }
    }

    /// A number of thousandths.
    pub const fn from_millis(millis: i64, format: Format) -> Self {
        Self { nanos: millis as i128 * 1_000_000, format }
    }

    /// The amount in units, rounded up (away from zero), within `i64`.
    pub fn value(&self) -> i64 {
        todo!()
    }

    /// The amount in thousandths, rounded up (away from zero), within `i64`.
    pub fn milli_value(&self) -> i64 {
        todo!()
    }

    /// The family of suffixes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// The sum, within bounds; a zero takes the other's format.
    #[must_use]
    pub fn add(self, other: Self) -> Self {
        let _ = other;
        todo!()
    }

    /// The difference, within bounds; a zero takes the other's format.
    #[must_use]
    pub fn sub(self, other: Self) -> Self {
        let _ = other;
        todo!()
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        let _ = text;
        todo!()
    }
}

impl fmt::Display for Quantity {
    /// The canonical form.
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
