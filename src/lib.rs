//! leadstream: MySQL leads in Salesforce within seconds, with a ledger that proves it.
//! ARCHITECTURE.md is the map; this file only lists the modules.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod capture;
pub mod cli;
pub mod config;
pub mod core;
pub mod delivery;
pub mod failpoint;
pub mod operator;
pub mod rehearsal;
pub mod runtime;
pub mod state;
pub mod telemetry;
