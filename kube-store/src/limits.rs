//! The limits of the contract, the same for every backend.

use crate::{Error, Result, Txn};
use crate::{Op, request::Precondition};

/// Bytes of a key at most. The longest key of Kubernetes has a CRD's group (253) and plural (63), a namespace (63) and a
/// name (253), with separators and a root.
pub const KEY_BYTES_MAX: usize = 1024;

/// Bytes of a value at most. A request body of Kubernetes has at most 3 MiB; defaulting, managed fields and a change of
/// encoding may make the stored form larger than what was sent.
pub const VALUE_BYTES_MAX: usize = 4 << 20;

/// Bytes of all attribute names and values of one object at most.
pub const ATTRIBUTE_BYTES_MAX: usize = 1 << 20;

/// Checks what can be checked of a transaction without looking at the store.
pub(crate) fn check(txn: &Txn) -> Result<()> {
    let invalid = |text: String| Err(Error::Invalid(text));
    if txn.key.is_empty() {
        return invalid("the key is empty".to_owned());
    }
    if txn.key.len() > KEY_BYTES_MAX {
        let start: String = txn.key.chars().take(64).collect();
        return invalid(format!("key {start:?}… has {} bytes; the limit is {KEY_BYTES_MAX}", txn.key.len()));
    }
    if txn.key.contains('\0') {
        return invalid(format!("key {:?} contains a NUL", txn.key));
    }
    if txn.precondition == Precondition::Revision(0) {
        return invalid(format!("precondition on {:?}: 0 is no revision; use Precondition::Absent", txn.key));
    }
    let Op::Put { value, ttl_seconds, .. } = &txn.op else { return Ok(()) };
    if value.bytes.len() > VALUE_BYTES_MAX {
        return invalid(format!(
            "the value for {:?} has {} bytes; the limit is {VALUE_BYTES_MAX}",
            txn.key,
            value.bytes.len()
        ));
    }
    if value.splice as usize > value.bytes.len() {
        return invalid(format!("the splice offset for {:?} lies behind the end of the value", txn.key));
    }
    if *ttl_seconds == Some(0) {
        return invalid(format!("the time to live for {:?} is 0; it must be at least 1 s", txn.key));
    }
    Ok(())
}
