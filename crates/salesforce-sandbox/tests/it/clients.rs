//! The sandbox held against clients that others wrote, unchanged: jsforce (Node.js) and simple-salesforce (Python).
//!
//! A flow is a script in `tests/clients` and a test here, which starts an org, runs the script against it, and then
//! looks into the org itself: a client that believes it was served proves half only. `make setup` installs the
//! clients; without them the tests fail, none is skipped.
mod client_org;
mod jsforce;
mod simple_salesforce;
