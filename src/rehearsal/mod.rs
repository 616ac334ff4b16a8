//! What a demo or a test starts beside the product.
//!
//! Owns the processes that stand in for the outside world: a MySQL server of our own. The Salesforce side is the crate
//! `salesforce-sandbox`. Nothing of the product is imported here and the product's service never calls this module: a
//! rehearsal looks at the product from the outside, as an operator would.

pub mod leads;
pub mod mysql;
mod process;
pub mod replication;
pub mod service;

#[doc(inline)]
pub use mysql::{MysqlInstall, MysqlOptions, MysqlServer};
#[doc(inline)]
pub use service::ServiceProcess;
