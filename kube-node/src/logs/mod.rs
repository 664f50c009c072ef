//! Log files of containers: the format that container runtimes write ([`format`]) and reading it ([`file`]).

pub mod file;
pub mod format;
