//! The object model: what a Kubernetes object *is*. No I/O, no async, no HTTP.
//!
//! Start at [`catalog`], which names every built-in kind and where its facts and rules are, then [`schema`], the table
//! of types that drives everything that works on any kind alike ([`decode`], [`patch`], [`apply`], [`protobuf`]), and
//! [`rules`], the seam that a kind's defaults, validation and update rules implement.

pub mod alloc;
pub mod apply;
pub mod catalog;
pub mod columns;
pub mod decode;
pub mod deletion;
pub mod encode;
pub mod environment;
pub mod field;
pub mod meta;
pub mod names;
pub mod patch;
pub mod protobuf;
pub mod quantity;
pub mod rules;
pub mod schema;
pub mod selector;
pub mod status;

#[cfg(test)]
mod test_data;
