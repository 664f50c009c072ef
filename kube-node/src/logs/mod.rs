//! Log files of containers: the format that container runtimes write ([`mod@format`]), reading it ([`mod@file`]), and
//! setting aside what has grown too long ([`rotation`]).

pub mod file;
pub mod format;
pub mod rotation;
