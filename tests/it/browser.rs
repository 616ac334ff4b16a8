//! The console in a real browser: what a person sees and does there, with a mouse and without, on a phone and at a desk.
//!
//! A flow is a script in `tests/browser`, which drives Chromium by Playwright, and a test here, which starts MySQL, an
//! org and leadstream, runs the script against them, and then looks into the org itself. `make setup` provides browser
//! and packages; without them the tests fail, none is skipped.

mod crm;
mod ledger;
mod load;
mod morning;
mod pages;
mod script;
