//! Generated names: `generateName` and a random suffix.

use crate::environment::Random;

/// A name that begins with `base`, cut so that it stays a label of 63 bytes, and ends in five random characters.
/// Source: `k8s.io/apiserver/pkg/storage/names`.
pub fn generate(base: &str, random: &dyn Random) -> String {
    // Vowels and look-alikes are left out, so that no words come up.
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    const SUFFIX: usize = 5;
    const BASE_MAX: usize = 63 - SUFFIX;
    let mut end = base.len().min(BASE_MAX);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = String::with_capacity(end + SUFFIX);
    name.push_str(&base[..end]);
    for _ in 0..SUFFIX {
        let pick = usize::try_from(random.next_u64() % 27).unwrap_or_default();
        name.push(char::from(ALPHABET[pick]));
    }
    name
}

/// A random (version 4) UUID: the uid of a new object.
pub fn uid(random: &dyn Random) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let (high, low) = (random.next_u64(), random.next_u64());
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    let bits = u128::from(high) << 64 | u128::from(low);
    let mut uid = String::with_capacity(36);
    for (place, byte) in bits.to_be_bytes().into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            uid.push('-');
        }
        uid.push(char::from(HEX[usize::from(byte >> 4)]));
        uid.push(char::from(HEX[usize::from(byte & 0xf)]));
    }
    uid
}

#[cfg(test)]
mod tests;
