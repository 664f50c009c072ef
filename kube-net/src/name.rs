//! Short stable names: rule sets bound the length of a chain's name, and Kubernetes' names can be longer.

/// Eight characters of a hash of `text` (FNV-1a, base 32): names a chain so that a change of another Service leaves it alone.
pub(crate) fn hash(text: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (0..8).map(|i| char::from(ALPHABET[usize::from((hash >> (24 + 5 * i)).to_le_bytes()[0] % 32)])).collect()
}
