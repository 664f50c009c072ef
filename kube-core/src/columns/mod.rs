//! The columns with which a kind is shown as a Table.

use crate::catalog::Column;

/// The columns of a built-in kind; empty for Name and Age alone.
pub fn of(_group: &str, _kind: &str) -> &'static [Column] {
    &[]
}
