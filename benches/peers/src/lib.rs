//! Code that the programs that compare leno with its peers share.

pub mod table;
