//! Strings and numbers that stand for something: quantities, times, bytes.

use crate::quantity::Quantity;
use crate::schema::Shape;
use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::Value;

/// Whether strings of this shape are taken as they come.
pub(super) fn is_plain(shape: Shape) -> bool {
    matches!(shape, Shape::String | Shape::IntOrString | Shape::Json | Shape::RawExtension | Shape::FieldsV1)
}

/// A string in the form of its shape; `None` where strings of that shape do not exist.
///
/// # Errors
/// The message of Kubernetes' decoder of that type.
pub(super) fn string(shape: Shape, text: &str) -> Option<Result<Value, String>> {
    Some(match shape {
        _ if is_plain(shape) => Ok(text.into()),
        Shape::Quantity => quantity(text),
        Shape::Time => time(text),
        Shape::MicroTime => micro_time(text),
        Shape::Bytes => bytes(text),
        Shape::Duration => crate::protobuf::duration::parse(text)
            .map(|_| text.into())
            .ok_or_else(|| format!("time: invalid duration {text:?}")),
        _ => return None,
    })
}

/// A quantity in canonical form.
pub(crate) fn quantity(text: &str) -> Result<Value, String> {
    // Go reads an empty string as zero here, and only here.
    if text.is_empty() {
        return Ok("0".into());
    }
    match text.parse::<Quantity>() {
        Ok(quantity) => Ok(quantity.to_string().into()),
        Err(error) => Err(error.to_string()),
    }
}

fn bytes(text: &str) -> Result<Value, String> {
    let is_data = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/');
    // Go skips line ends.
    let cleaned: String;
    let text = if text.contains(['\n', '\r']) {
        cleaned = text.replace(['\n', '\r'], "");
        &cleaned
    } else {
        text
    };
    let data = text.bytes().take_while(|&c| is_data(c)).count();
    let padding = &text[data..];
    let wanted = match data % 4 {
        0 => "",
        2 => "==",
        3 => "=",
        _ => return Err(format!("illegal base64 data at input byte {}", text.len().max(1) - 1)),
    };
    if padding == wanted {
        return Ok(text.into());
    }
    Err(format!("illegal base64 data at input byte {data}"))
}

fn time(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let parsed = parse_time(text, "2006-01-02T15:04:05Z07:00")?;
    Ok(format_time(parsed).into())
}

fn micro_time(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let parsed = parse_time(text, "2006-01-02T15:04:05.000000Z07:00")?;
    Ok(format_micro_time(parsed).into())
}

/// A time as `metav1.Time` writes it: `2024-01-31T09:30:00Z`.
pub fn format_time(time: Timestamp) -> String {
    let mut text = seconds(time);
    text.push('Z');
    text
}

/// A time as `metav1.MicroTime` writes it: `2024-01-31T09:30:00.000000Z`.
pub fn format_micro_time(time: Timestamp) -> String {
    let mut text = seconds(time);
    let micros = Offset::UTC.to_datetime(time).subsec_nanosecond() / 1000;
    text.push('.');
    push_digits(&mut text, micros, 100_000);
    text.push('Z');
    text
}

/// `2024-01-31T09:30:00`. Every write tells its time twice, and a general formatter takes longer than all of these digits.
fn seconds(time: Timestamp) -> String {
    let time = Offset::UTC.to_datetime(time);
    let mut text = String::with_capacity("2024-01-31T09:30:00.000000Z".len());
    if time.year() < 0 {
        text.push('-');
    }
    push_digits(&mut text, time.year().into(), 1000);
    let parts =
        [('-', time.month()), ('-', time.day()), ('T', time.hour()), (':', time.minute()), (':', time.second())];
    for (before, number) in parts {
        text.push(before);
        push_digits(&mut text, number.into(), 10);
    }
    text
}

/// Appends a number with leading zeros; `highest` is the weight of its first digit.
fn push_digits(text: &mut String, number: i32, highest: u32) {
    let (number, mut weight) = (number.unsigned_abs(), highest);
    while weight > 0 {
        let digit = u8::try_from(number / weight % 10).unwrap_or_default();
        text.push(char::from(b'0' + digit));
        weight /= 10;
    }
}

/// RFC 3339, as Go's layout reads it: a `T`, and `Z` or an offset.
fn parse_time(text: &str, layout: &str) -> Result<Timestamp, String> {
    let form = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| form.get(range).is_some_and(|d| d.iter().all(u8::is_ascii_digit));
    let refuse = |from: usize, wanted: &str| {
        let rest = text.get(from..).unwrap_or_default();
        Err(format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {wanted:?}"))
    };
    let parts =
        [(0..4, "2006", b'-'), (5..7, "01", b'-'), (8..10, "02", b'T'), (11..13, "15", b':'), (14..16, "04", b':')];
    for (range, wanted, after) in parts {
        let end = range.end;
        if !digits(range.clone()) {
            return refuse(range.start, wanted);
        }
        if form.get(end) != Some(&after) {
            return refuse(end, &char::from(after).to_string());
        }
    }
    if !digits(17..19) {
        return refuse(17, "05");
    }
    text.parse().or_else(|_| match form.get(19) {
        None => refuse(19, "Z07:00"),
        Some(_) => Err(format!("parsing time {text:?}: out of range")),
    })
}
