//! Bulk API 2.0 over HTTP (facts 5).
mod adoption;
mod client;
mod endings;
mod faults;
mod life;
mod limits;
mod mishaps;
mod queries;
mod results;
mod rows;
mod speed;
mod storm;
