//! JSON values as bytes, as compact as `serde_json` writes them and byte for byte the same.
//!
//! Every write of an object ends here once, and most of what is written is text: whole words are looked at for what must
//! be escaped, and what needs no escape is copied in one piece.

use serde_json::{Number, Value};

/// Appends a value.
pub fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => self::number(number, out),
        Value::String(string) => text(string, out),
        Value::Array(list) => {
            out.push(b'[');
            for (i, element) in list.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                self::value(element, out);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            out.push(b'{');
            for (i, (name, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                field(name, value, out);
            }
            out.push(b'}');
        }
    }
}

/// Appends a member of an object, without a comma.
pub fn field(name: &str, value: &Value, out: &mut Vec<u8>) {
    text(name, out);
    out.push(b':');
    self::value(value, out);
}

/// Appends a string in quotes.
pub fn text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    // The quotes, and what follows a string: a colon or comma.
    out.reserve(bytes.len() + 3);
    out.push(b'"');
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        escape_all(bytes, out);
    }
    out.push(b'"');
}

/// Appends what stands between the quotes of a string.
pub fn append_escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        escape_all(bytes, out);
    }
}

fn escape_all(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| must_escape(*byte)) {
        out.extend_from_slice(&rest[..at]);
        escape(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn number(number: &Number, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    if let Some(integer) = number.as_i64() {
        out.extend_from_slice(digits.format(integer).as_bytes());
    } else if let Some(integer) = number.as_u64() {
        out.extend_from_slice(digits.format(integer).as_bytes());
    } else {
        serde_json::to_writer(out, number).expect("a number encodes");
    }
}

/// Whether no byte must be escaped: eight at a time, the last eight again where that is no multiple. Most strings are
/// names of fields, which are a word or two.
fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        let last = u64::from_ne_bytes(*last);
        return words.iter().fold(escapes(last), |found, word| found | escapes(u64::from_ne_bytes(*word))) == 0;
    }
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_ne_bytes(*first), u32::from_ne_bytes(*last));
            escapes(u64::from(first) << 32 | u64::from(last)) == 0
        }
        _ => !bytes.iter().any(|byte| must_escape(*byte)),
    }
}

/// Not zero where one of eight bytes must be escaped.
fn escapes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & HIGHS
}

fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests;
