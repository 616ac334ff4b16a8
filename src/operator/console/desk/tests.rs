//! The desk's pages over a real store, with a driver that edits, sends and discards as the real
//! one does, as far as pages can see.

pub mod bench;
mod changing;
mod looking;
mod unmapped;
