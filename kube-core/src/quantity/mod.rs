//! Quantities: `500m`, `1Gi`, `1.5`: exact decimals with a canonical form.
//!
//! Source: `k8s.io/apimachinery/pkg/api/resource`.

mod canonical;
mod parse;

pub use parse::ParseQuantityError;

use std::cmp::Ordering;
use std::ops::{Add, Sub};

/// Parts of a unit: quantities are exact to a nano.
const NANOS: i128 = 1_000_000_000;
/// The largest amount, in nanos: 2⁶³ - 1 units, as in Kubernetes.
const LARGEST: i128 = (i64::MAX as i128) * NANOS;

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
///
/// ```
/// use kubekit_core::quantity::Quantity;
/// let cpu: Quantity = "0.5".parse()?;
/// assert_eq!(cpu.to_string(), "500m");
/// assert_eq!(cpu.milli_value(), 500);
/// # Ok::<(), kubekit_core::quantity::ParseQuantityError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// In units of 10⁻⁹, within ±[`LARGEST`].
    nanos: i128,
    format: Format,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// A whole number of units.
    pub const fn from_units(units: i64, format: Format) -> Self {
        Self { nanos: units as i128 * NANOS, format }
    }

    /// A number of thousandths.
    pub const fn from_millis(millis: i64, format: Format) -> Self {
        Self { nanos: millis as i128 * (NANOS / 1000), format }
    }

    /// The amount in units, rounded up (away from zero).
    pub fn value(&self) -> i64 {
        self.scaled(NANOS)
    }

    /// The amount in thousandths, rounded up (away from zero), within the bounds of `i64`.
    pub fn milli_value(&self) -> i64 {
        self.scaled(NANOS / 1000)
    }

    fn scaled(&self, unit: i128) -> i64 {
        let rounded = round_away(self.nanos, unit) / unit;
        i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
    }

    /// The amount in billionths of a unit, exact.
    pub fn nanos(&self) -> i128 {
        self.nanos
    }

    /// The amount in units, to the precision of a double.
    pub fn to_f64(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an approximation is what is asked for")]
        let nanos = self.nanos as f64;
        nanos / 1e9
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

    fn combined(self, other: Self, nanos: i128) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: nanos.clamp(-LARGEST, LARGEST), format }
    }
}

impl Add for Quantity {
    type Output = Self;

    /// The sum, within ±(2⁶³ - 1) units; a zero takes the other's format.
    fn add(self, other: Self) -> Self {
        self.combined(other, self.nanos + other.nanos)
    }
}

impl Sub for Quantity {
    type Output = Self;

    /// The difference, within ±(2⁶³ - 1) units; a zero takes the other's format.
    fn sub(self, other: Self) -> Self {
        self.combined(other, self.nanos - other.nanos)
    }
}

/// The multiple of `unit` at or next to `nanos`, away from zero.
fn round_away(nanos: i128, unit: i128) -> i128 {
    match nanos % unit {
        0 => nanos,
        rest => nanos - rest + unit * nanos.signum(),
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

#[cfg(test)]
mod tests;
