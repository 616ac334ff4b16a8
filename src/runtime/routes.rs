//! What a running service tells of its routes: each mapping with its types on both sides, and what
//! has changed in Salesforce since the start.

use serde::{Deserialize, Serialize};

use crate::core::mapping::Outline;
use crate::core::time::Micros;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteOutlines {
    /// In the order of the config.
    pub routes: Vec<Outline>,
    /// The newest first, and only the last few: the journal has them all.
    pub changes: Vec<ObjectChange>,
}

/// A description that was found to be another than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectChange {
    pub at: Micros,
    pub object: String,
    /// `Status (type, length or values), Old__c is gone`.
    pub what: String,
}
