//! The decisions of leadstream, and the words they are made of.
//!
//! Pure: nothing in here knows of tokio, files, networks, clocks, randomness or logging. Time and
//! jitter come in as arguments; what should happen goes out as values. `tests/it/tidy.rs` holds
//! the module to that.

pub mod acts;
pub mod batching;
pub mod bulk;
pub mod change;
pub mod circuit;
pub mod coalescing;
pub mod describe;
pub mod entry;
pub mod file_mode;
pub mod letters;
pub mod mapping;
pub mod outcome;
pub mod pacing;
pub mod parking;
pub mod pipeline;
pub mod position;
pub mod reconcile;
pub mod report;
pub mod retry;
pub mod schema;
pub mod secret;
pub mod settlement;
pub mod snapshot;
pub mod source_row;
pub mod time;
pub mod value;
