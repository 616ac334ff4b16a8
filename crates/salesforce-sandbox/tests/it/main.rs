//! The sandbox over real HTTP on loopback.
#![allow(clippy::disallowed_methods, reason = "a test may read the clock")]
#![allow(clippy::unwrap_used)]
mod binary;
mod collections;
mod describe;
mod faults;
mod harness;
mod lifecycle;
mod limits;
mod oauth;
mod org_rules;
mod rest;
mod single;
mod speed;
