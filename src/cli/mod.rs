//! The command line.

pub mod printer;
