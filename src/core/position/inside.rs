//! Transactions that are partly behind a checkpoint.
//!
//! Nearly always none or one. Another server of the same history may send its transactions in another
//! order: then one that was begun stays half done while others pass it, and each is kept until the
//! position covers it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Position, TransactionId};

/// A transaction of which the first rows are behind us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    pub transaction: TransactionId,
    /// By table (`schema.table`): how many of its rows, from the first.
    pub rows: BTreeMap<String, u64>,
}

/// At most one of each transaction, in the order in which they were begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct InsideList(Vec<Inside>);

impl InsideList {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Inside> {
        self.0.iter()
    }

    /// How far this transaction is behind us, if it is so in part.
    #[must_use]
    pub fn of(&self, transaction: &TransactionId) -> Option<&Inside> {
        self.0.iter().find(|it| it.transaction == *transaction)
    }

    /// The rows of this transaction that are behind us, to be moved on; none at first.
    pub fn rows_mut(&mut self, transaction: &TransactionId) -> &mut BTreeMap<String, u64> {
        let known = self.0.iter();
        let known = known.rev().position(|it| it.transaction == *transaction);
        let place = match known {
            Some(from_the_end) => self.0.len() - 1 - from_the_end,
            None => {
                self.0.push(Inside {
                    transaction: transaction.clone(),
                    rows: BTreeMap::new(),
                });
                self.0.len() - 1
            }
        };
        &mut self.0[place].rows
    }

    /// Puts it in the place of an older one of its transaction.
    pub fn set(&mut self, inside: Inside) {
        self.forget(&inside.transaction);
        self.0.push(inside);
    }

    pub fn forget(&mut self, transaction: &TransactionId) {
        self.0.retain(|it| it.transaction != *transaction);
    }

    /// Drops those that are wholly behind this position.
    pub fn forget_covered(&mut self, position: &Position) {
        self.0.retain(|it| !position.covers(&it.transaction));
    }
}

impl From<Inside> for InsideList {
    fn from(inside: Inside) -> Self {
        Self(vec![inside])
    }
}

impl<'de> Deserialize<'de> for InsideList {
    /// Reads the list, and the single one that journals had before there could be several.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            List(Vec<Inside>),
            One(Inside),
        }
        // `null` was never written, but it was read.
        let form = Option::<Form>::deserialize(deserializer)?;
        Ok(match form {
            Some(Form::List(all)) => Self(all),
            Some(Form::One(inside)) => Self::from(inside),
            None => Self::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::position::Checkpoint;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn read(inside: &str) -> Checkpoint {
        let text = format!(
            r#"{{"server_uuid":"{UUID}","position":"{UUID}:1-5","end":"binlog.000001:4"{inside}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn one(number: u64) -> String {
        format!(r#"{{"transaction":"{UUID}:{number}","rows":{{"shop.leads":2}}}}"#)
    }

    #[test]
    fn the_single_form_of_older_journals_is_read_and_the_list_is_written() {
        let old = read(&format!(r#","inside":{}"#, one(6)));
        let id: TransactionId = format!("{UUID}:6").parse().unwrap();
        assert_eq!(old.inside.of(&id).unwrap().rows["shop.leads"], 2);
        let text = serde_json::to_string(&old).unwrap();
        assert!(text.contains(r#""inside":[{"#), "{text}");
        assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), old);
        let several = read(&format!(r#","inside":[{},{}]"#, one(6), one(9)));
        assert_eq!(several.inside.iter().count(), 2);
        for nothing in ["", r#","inside":null"#, r#","inside":[]"#] {
            let text = serde_json::to_string(&read(nothing)).unwrap();
            assert!(!text.contains("inside"), "{text}");
        }
        let broken = format!(r#"[{{"transaction":"{UUID}:6"}}]"#);
        assert!(serde_json::from_str::<InsideList>(&broken).is_err());
    }
}
