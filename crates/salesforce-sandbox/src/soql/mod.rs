//! SOQL: what a query says, whether it may, and which rows answer it.
//!
//! The way of a query: [`token`] splits the text, [`parse`](parse::parse) gives it its shape ([`ast`]), [`bind`](bind::bind)
//! looks its names up in the org's objects and checks types ([`plan`]), [`filter`], [`order`] and [`group`] judge
//! rows. All of it is pure: objects, rows and today's date come in as arguments. Fetching rows is
//! done by `org::query`.
//!
//! Invariants: every function is total for every text; length, depth and thereby memory are bounded.
pub(crate) mod ast;
mod bind;
mod budget;
mod fault;
mod filter;
mod group;
mod literal;
mod order;
mod parse;
mod plan;
mod token;

pub(crate) use bind::{Context, bind};
pub(crate) use budget::{Budget, Metered};
pub(crate) use fault::SoqlError;
pub(crate) use group::Groups;
pub(crate) use order::{Key, compare};
pub(crate) use parse::parse;
pub(crate) use plan::{Access, Aggregate, Column, Grouping, Output, Path, Plan, Row, Slot, Via};

#[cfg(test)]
mod tests;
