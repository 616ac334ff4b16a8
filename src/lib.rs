//! The map of the modules; nothing else is here.

pub mod rehearsal;
