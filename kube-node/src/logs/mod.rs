//! Log files of containers: the format that container runtimes write ([`mod@format`]) and reading it ([`mod@file`]).

pub mod file;
pub mod format;
