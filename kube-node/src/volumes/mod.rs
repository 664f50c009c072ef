//! A pod's volumes: what is in them ([`projection`], pure), how they come to the node's disk ([`disk`]), where containers
//! see them ([`mounts`], pure), and which part ([`sub_path`]).

#[cfg(unix)]
pub mod disk;
pub mod mounts;
pub mod projection;
pub mod sub_path;
