//! A Salesforce org in one process: OAuth, describe, lead upserts, limits, and faults on demand.
//!
//! The map:
//! - `sandbox`: life cycle of one org and its listeners (start, stop, refuse connections, resume).
//! - `serving`: where an org listens, and what its clients may hold on to.
//! - `tls`: its certificate, from files or made at the start.
//! - `config`: what the org is made of (apps, fields, limits), as TOML or as Rust values.
//! - `edition`: what was bought, and the limits that come with it.
//! - `logins`: the apps and users of the configuration.
//! - `schema`: the objects: their fields, what describe says of them.
//! - `soql`: queries: what they say, whether they may, which rows answer them.
//! - `value`: field values: from JSON literals, through validation, into packed storage.
//! - `rules`: what an administrator has set up for leads: validation, duplicates, assignment, triggers.
//! - `org`: the state of the org: leads, sessions, API usage, and the upsert rules.
//! - `bulk`: Bulk API 2.0: jobs, their CSV, and working on them.
//! - `oauth`: who may log in, and with which proof: grants, approvals, passwords.
//! - `faults`: what shall go wrong, how often, and for whom.
//! - `watch`: the request log, counters, and waiting for a condition on them.
//! - `shape`: reading JSON objects with a word on each wrong key.
//! - `json`: JSON bodies of requests: what is wrong with them, lists that stay bounded.
//! - `http`: requests in, replies out; the only module that knows the wire.
//! - `command`: the command line of the `salesforce-sandbox` binary.
//!
//! This crate states what Salesforce does on its own authority. It shares no code with any client of it.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bulk;
mod clock;
pub mod command;
pub mod config;
mod edition;
mod error;
pub mod faults;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod json;
mod logins;
mod oauth;
mod org;
pub mod rules;
pub mod sandbox;
pub mod schema;
pub mod serving;
mod shape;
mod soql;
mod tls;
mod value;
pub mod watch;

pub use bulk::{JobSnapshot, JobState};
pub use command::serve_until_signal;
pub use config::{AppConfig, CustomField, OrgConfig, QuotaMode, UserConfig};
pub use edition::Edition;
pub use error::Error;
pub use faults::{
    Action, Endpoint, Fault, FaultId, FaultState, FaultStatus, Faults, HeldId, HeldRequest, Outage,
    Preset, RecordError,
};
pub use org::{
    Administrator, Allowance, LeadSnapshot, OrgSnapshot, Overview, Refused, UsageReport,
};
pub use sandbox::Sandbox;
pub use schema::FieldType;
pub use serving::{Listen, ServingConfig};
pub use tls::Tls;
pub use watch::{RequestRecord, Stats};
