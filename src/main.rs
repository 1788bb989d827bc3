//! The `cryptodl` program.
fn main() {}
