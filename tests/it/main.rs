//! The one integration binary: one link instead of many, and one harness.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test may fail by panicking, speak on the terminal, read the clock and its environment"
)]

mod alerts;
mod budget;
mod bulk_api;
mod cli;
mod connection;
mod crash;
mod failover;
mod failpoints;
mod harness;
mod large_packets;
mod mapping;
mod mariadb;
mod matrix;
mod mysql_alone;
mod names;
mod outage;
mod positions;
mod preview;
mod rehearsal;
mod schema_changes;
mod second_opinion;
mod snapshot;
mod snapshot_commands;
mod snapshot_reader;
mod stall;
mod startup;
mod statements;
mod storm;
mod tidy;
mod transactions;
mod updates;
