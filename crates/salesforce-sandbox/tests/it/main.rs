//! The sandbox over real HTTP on loopback.
#![allow(clippy::disallowed_methods, reason = "a test may read the clock")]
#![allow(clippy::unwrap_used)]
mod binary;
mod collection_verbs;
mod collections;
mod composite;
mod composite_batch;
mod composite_faults;
mod composite_graph;
mod composite_tree;
mod describe;
mod faults;
mod harness;
mod lifecycle;
mod limits;
mod oauth;
mod rest;
mod single;
mod speed;
