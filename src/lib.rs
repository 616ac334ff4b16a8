//! leadstream: MySQL leads in Salesforce within seconds, with a ledger that proves it.
//! ARCHITECTURE.md is the map; this file only lists the modules.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod capture;
pub mod core;
