//! Placeholder of the assembly.
fn main() {}
