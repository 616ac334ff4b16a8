//! The sandbox over real HTTP on loopback.
#![allow(clippy::disallowed_methods, reason = "a test may read the clock")]
#![allow(clippy::unwrap_used)]
mod binary;
mod bulk;
mod collection_verbs;
mod collections;
mod composite;
mod composite_all_or_none;
mod composite_batch;
mod composite_faults;
mod composite_graph;
mod composite_refusals;
mod composite_tree;
mod control;
mod describe;
mod faults;
mod harness;
mod identity;
mod lifecycle;
mod limits;
mod mishaps;
mod oauth;
mod objects;
mod org_rules;
mod page;
mod passwords;
mod query;
mod rest;
mod sessions;
mod single;
mod soap;
mod speed;
mod spoilt;
mod stepping;
mod token_requests;
mod web_login;
