//! What the programs that compare leno with its peers have in common.

pub mod table;
