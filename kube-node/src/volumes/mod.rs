//! A pod's volumes: what is in them ([`projection`], pure), how they come to the node's disk ([`disk`]), and where
//! containers see them ([`mounts`], pure).

#[cfg(unix)]
pub mod disk;
pub mod mounts;
pub mod projection;
