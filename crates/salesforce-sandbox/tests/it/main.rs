//! The sandbox over real HTTP on loopback.
#![allow(clippy::disallowed_methods, reason = "a test may read the clock")]
#![allow(clippy::unwrap_used)]
mod binary;
mod collections;
mod control;
mod describe;
mod faults;
mod harness;
mod lifecycle;
mod limits;
mod mishaps;
mod oauth;
mod page;
mod rest;
mod single;
mod speed;
mod stepping;
