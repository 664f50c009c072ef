//! The Container Network Interface: a configuration for the bridge plugin ([`config`], pure), and calls of plugins as the
//! specification has them ([`plugin`]).
//!
//! Container runtimes call the plugins themselves and need only the configuration; [`plugin`] is for those who have none.

pub mod config;
pub mod plugin;

pub use config::{Bridge, write};
pub use plugin::{Attachment, Error, Plugins};
