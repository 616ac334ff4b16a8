//! Where the areas meet: settings become parts, parts become a running service.
//!
//! The only select loop is in `driver`; it owns no decision, those are `core::pipeline`'s. Order is
//! law: run the step, make its commit durable, only then publish.

pub mod checkpoint;
pub mod clock;
pub mod commands;
mod driver;
mod errors;
pub mod fields;
pub mod first_start;
mod first_status;
pub mod letters;
pub mod moments;
mod observing;
pub mod period;
pub mod preview;
pub mod reconcile;
pub mod route_acts;
pub mod routes;
mod schemas;
pub mod service;
pub mod shutdown;
pub mod status;
mod store_status;
mod waits;
pub mod wiring;

pub use errors::{Error, with_causes};
