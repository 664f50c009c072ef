//! The canonical form: no fraction, the largest suffix that leaves none.

use super::{Format, NANOS, Quantity, round_away};
use std::fmt;

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        match self.format {
            Format::BinarySi if self.nanos.abs() >= 1024 * NANOS => binary(self.nanos, f),
            Format::BinarySi | Format::DecimalSi => {
                let (number, exponent) = decimal(self.nanos);
                write!(f, "{number}{}", decimal_suffix(exponent))
            }
            Format::DecimalExponent => match decimal(self.nanos) {
                (number, 0) => write!(f, "{number}"),
                (number, exponent) => write!(f, "{number}e{exponent}"),
            },
        }
    }
}

/// A number and a power of ten, a multiple of three and as large as possible.
fn decimal(nanos: i128) -> (i128, i32) {
    if nanos % NANOS != 0 {
        let (mut number, mut exponent) = (nanos, -9);
        while number % 1000 == 0 {
            number /= 1000;
            exponent += 3;
        }
        return (number, exponent);
    }
    let (mut number, mut exponent) = (units(nanos), 0);
    while number % 1000 == 0 && exponent < 18 {
        number /= 1000;
        exponent += 3;
    }
    (number.into(), exponent)
}

/// Whole units, which fit into 64 bits; division of 128 bits is slow.
fn units(nanos: i128) -> i64 {
    i64::try_from(nanos / NANOS).expect("a quantity is within 2⁶³ - 1 units")
}

fn decimal_suffix(exponent: i32) -> &'static str {
    match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        _ => "",
    }
}

fn binary(nanos: i128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut number = units(round_away(nanos, NANOS));
    let mut suffixes = SUFFIXES.iter();
    let mut suffix = suffixes.next().unwrap_or(&"");
    while number % 1024 == 0 {
        let Some(next) = suffixes.next() else { break };
        number /= 1024;
        suffix = next;
    }
    write!(f, "{number}{suffix}")
}
