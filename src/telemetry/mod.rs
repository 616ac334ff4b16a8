//! What the process says of itself while it runs: log lines on stderr, and metrics.
//!
//! A leaf: it takes its own small settings and knows no other area. Row values and secrets are never
//! handed to it. Lines lost because stderr is gone are lost; logging never stops the pipeline.

mod log;
pub mod metrics;

pub use log::{LogLevel, LogLevelFault, LogSettings, are_directives, change_level, init, level};
