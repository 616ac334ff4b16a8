//! The one integration binary: one link instead of many, and one harness.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test may fail by panicking, speak on the terminal, read the clock and its environment"
)]

mod access;
mod acts;
mod alerts;
mod api;
mod audit;
mod browser;
mod budget;
mod bulk;
mod bulk_api;
mod cli;
mod connection;
mod crash;
mod dashboard;
mod dead_letters;
mod described;
mod disk;
mod documents;
mod failover;
mod failpoints;
mod harness;
mod init;
mod large_packets;
mod logs;
mod mapping;
mod mariadb;
mod matrix;
mod mysql_alone;
mod names;
mod outage;
mod packaging;
mod personal;
mod positions;
mod powerloss;
mod preview;
mod reconcile;
mod reconcile_keys;
mod rehearsal;
mod schema_changes;
mod second_opinion;
mod shell;
mod snapshot;
mod snapshot_commands;
mod snapshot_reader;
mod stall;
mod startup;
mod state_at_rest;
mod statements;
mod storm;
mod supply_chain;
mod tidy;
mod transactions;
mod updates;
