//! Text into quantities.

use super::{Format, LARGEST, NANOS, Quantity, round_away};
use std::str::FromStr;

/// Text that is no quantity, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseQuantityError {
    /// It has not the form of one.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// It ends in something that is no suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// Its number is none.
    #[error("unable to parse numeric part of quantity")]
    Number,
}

/// Digits that always fit into 64 bits.
const SHORT_DIGITS: usize = 19;

/// The powers of ten that fit into 128 bits.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// What a suffix multiplies by.
enum Scale {
    Ten(i32),
    Two(u32),
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) => (false, text),
            None => return Err(ParseQuantityError::Format),
        };
        let (whole, rest) = split_digits(rest);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        let meaning = interpret(suffix);
        if meaning.is_none() {
            check_form(suffix)?;
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(ParseQuantityError::Number);
        }
        let (scale, format) = meaning.ok_or(ParseQuantityError::Suffix)?;
        let nanos = amount(whole, fraction, &scale);
        // Less than one in a binary suffix cannot be written in one, and is kept as a decimal.
        let format = if format == Format::BinarySi && nanos < NANOS { Format::DecimalSi } else { format };
        Ok(Self { nanos: if negative { -nanos } else { nanos }, format })
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// A suffix is letters, then an optional sign and digits; every one that means something is.
fn check_form(suffix: &str) -> Result<(), ParseQuantityError> {
    let rest = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let digits = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    if digits.bytes().all(|c| c.is_ascii_digit()) { Ok(()) } else { Err(ParseQuantityError::Format) }
}

fn interpret(suffix: &str) -> Option<(Scale, Format)> {
    let decimal = |exponent| Some((Scale::Ten(exponent), Format::DecimalSi));
    let binary = |exponent| Some((Scale::Two(exponent), Format::BinarySi));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
            Some((Scale::Ten(exponent), Format::DecimalExponent))
        }
    }
}

/// The amount in nanos, rounded up, at most [`LARGEST`].
fn amount(whole: &str, fraction: &str, scale: &Scale) -> i128 {
    let fraction = fraction.trim_end_matches('0');
    if whole.len() + fraction.len() <= SHORT_DIGITS {
        let number = whole.bytes().chain(fraction.bytes()).fold(0, |n, c| n * 10 + u64::from(c - b'0'));
        return scaled(number.into(), 9 - i64::try_from(fraction.len()).unwrap_or(i64::MAX), scale);
    }
    let digits = || whole.bytes().chain(fraction.bytes()).skip_while(|&c| c == b'0');
    // Amounts are at most 19 digits, nanos 9 more: beyond 37 digits only whether anything is left matters.
    const DIGITS_MAX: usize = 37;
    let significant = digits().count();
    let mut number: i128 = digits().take(DIGITS_MAX).fold(0, |n, c| n * 10 + i128::from(c - b'0'));
    let dropped = significant.saturating_sub(DIGITS_MAX);
    if dropped > 0 && digits().skip(DIGITS_MAX).any(|c| c != b'0') {
        number += 1;
    }
    let fraction_digits = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let exponent = 9_i64.saturating_sub(fraction_digits).saturating_add(i64::try_from(dropped).unwrap_or(i64::MAX));
    scaled(number, exponent, scale)
}

/// `number` × 10^`exponent` × `scale`, rounded up, at most [`LARGEST`].
fn scaled(mut number: i128, mut exponent: i64, scale: &Scale) -> i128 {
    if number == 0 {
        return 0;
    }
    match scale {
        Scale::Ten(by) => exponent = exponent.saturating_add(i64::from(*by)),
        Scale::Two(by) => {
            // 2⁶⁰ times a number of 37 digits would overflow: give up precision far below a nano first.
            while number > i128::MAX >> by {
                number = round_away(number, 10) / 10;
                exponent += 1;
            }
            number <<= by;
        }
    }
    shift(number, exponent).min(LARGEST)
}

/// `number` × 10^`exponent`, rounded up; [`LARGEST`] or more where it is beyond that. The number is not 0.
fn shift(number: i128, exponent: i64) -> i128 {
    let power = usize::try_from(exponent.unsigned_abs()).ok().and_then(|places| POWERS.get(places));
    match (exponent >= 0, power) {
        (true, Some(power)) => number.saturating_mul(*power),
        (true, None) => LARGEST,
        (false, Some(power)) => number / power + i128::from(number % power != 0),
        (false, None) => 1,
    }
}
