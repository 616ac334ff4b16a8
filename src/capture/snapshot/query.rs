//! The statement that reads a chunk: the rows behind a bound, in the order of the key, through the
//! key's index.

use super::key::{Key, quoted, quoted_table};
use crate::core::schema::TableName;
use crate::core::snapshot::KeyBound;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Rising,
    Falling,
}

/// A table as it is read.
pub(super) struct Query<'q> {
    pub(super) table: &'q TableName,
    pub(super) key: &'q Key,
    pub(super) columns: &'q [String],
    /// SQL of the person who asked for the snapshot.
    pub(super) condition: Option<&'q str>,
}

impl Query<'_> {
    /// Selects the wanted columns, then the key's, then what its bound is made of.
    pub(super) fn sql(&self, bounded: bool, limit: u64) -> String {
        self.sql_in_order(bounded, false, Order::Rising, limit)
    }

    /// The same, with a second bound that no row is behind; its parameters follow those of the first.
    pub(super) fn sql_in_order(
        &self,
        bounded: bool,
        up_to_last: bool,
        order: Order,
        limit: u64,
    ) -> String {
        let mut selected: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
        let key = &self.key.columns;
        selected.extend(key.iter().map(|column| quoted(&column.name)));
        selected.extend(key.iter().map(|column| column.selected()));
        let mut clauses = Vec::new();
        if bounded {
            clauses.push(behind(self.key, 0));
        }
        if up_to_last {
            clauses.push(up_to(self.key, 0));
        }
        let direction = match order {
            Order::Rising => "",
            Order::Falling => " DESC",
        };
        let order = key.iter();
        let order = order.map(|column| format!("{}{direction}", quoted(&column.name)));
        let order: Vec<String> = order.collect();
        // The line break ends a comment that the condition may end with.
        clauses.extend(self.condition.map(|condition| format!("({condition}\n)")));
        let filter = if clauses.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", clauses.join(" AND "))
        };
        format!(
            "SELECT {} FROM {} FORCE INDEX ({}){filter} ORDER BY {} LIMIT {limit}",
            selected.join(", "),
            quoted_table(self.table),
            quoted(&self.key.index),
            order.join(", "),
        )
    }

    /// The parameters for a bound; `None` when it does not fit the key.
    pub(super) fn parameters(&self, bound: &KeyBound) -> Option<Vec<mysql_async::Value>> {
        let columns = &self.key.columns;
        // A journal of before names none.
        let is_of_key = bound.columns.is_empty() || bound.columns == self.key.names();
        if !is_of_key || bound.values.len() != columns.len() {
            return None;
        }
        let mut parameters = Vec::new();
        for (index, (column, part)) in columns.iter().zip(&bound.values).enumerate() {
            let value = column.parameter(part)?;
            let times = if index + 1 == columns.len() { 1 } else { 3 };
            parameters.extend(std::iter::repeat_n(value, times));
        }
        Some(parameters)
    }
}

/// `(a, b) <= (?, ?)`, as [`behind`].
fn up_to(key: &Key, index: usize) -> String {
    let column = &key.columns[index];
    let (name, value) = (quoted(&column.name), column.placeholder());
    if index + 1 == key.columns.len() {
        return format!("{name} <= {value}");
    }
    let rest = up_to(key, index + 1);
    format!("{name} <= {value} AND ({name} < {value} OR ({name} = {value} AND {rest}))")
}

/// `(a, b) > (?, ?)` in the form of which the optimizer makes a range: it reads a row constructor
/// as a filter only.
fn behind(key: &Key, index: usize) -> String {
    let column = &key.columns[index];
    let (name, value) = (quoted(&column.name), column.placeholder());
    if index + 1 == key.columns.len() {
        return format!("{name} > {value}");
    }
    let rest = behind(key, index + 1);
    format!("{name} >= {value} AND ({name} > {value} OR ({name} = {value} AND {rest}))")
}

#[cfg(test)]
mod tests {
    use super::super::key::{Compared, KeyColumn};
    use super::*;
    use crate::core::snapshot::KeyPart;

    fn key(columns: &[(&str, Compared)]) -> Key {
        Key {
            index: "PRIMARY".to_owned(),
            columns: columns
                .iter()
                .map(|(name, compared)| KeyColumn {
                    name: (*name).to_owned(),
                    compared: compared.clone(),
                })
                .collect(),
        }
    }

    fn bound(columns: &[&str], values: Vec<KeyPart>) -> KeyBound {
        KeyBound {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            values,
        }
    }

    fn table() -> TableName {
        TableName {
            schema: "shop".to_owned(),
            table: "odd`name".to_owned(),
        }
    }

    #[test]
    fn a_composite_bound_is_written_out() {
        let key = key(&[("a", Compared::Integer), ("b", Compared::Text)]);
        let columns = ["email".to_owned()];
        let query = Query {
            table: &table(),
            key: &key,
            columns: &columns,
            condition: Some("country = 'DE' -- only there"),
        };
        assert_eq!(
            query.sql(true, 10),
            "SELECT `email`, `a`, `b`, `a`, `b` FROM `shop`.`odd``name` FORCE INDEX (`PRIMARY`) \
             WHERE `a` >= ? AND (`a` > ? OR (`a` = ? AND `b` > ?)) \
             AND (country = 'DE' -- only there\n) ORDER BY `a`, `b` LIMIT 10"
        );
        let bound = bound(
            &["a", "b"],
            vec![KeyPart::Int(7), KeyPart::Text("x".to_owned())],
        );
        let parameters = query.parameters(&bound).unwrap();
        assert_eq!(parameters.len(), 4);
        assert!(
            query
                .sql_in_order(true, true, Order::Rising, 10)
                .contains("AND `a` <= ? AND (`a` < ? OR (`a` = ? AND `b` <= ?)) AND (country"),
        );
        let last = query.sql_in_order(false, false, Order::Falling, 1);
        assert!(last.ends_with("ORDER BY `a` DESC, `b` DESC LIMIT 1"));
        assert!(!query.sql(false, 10).contains('?'));
    }

    #[test]
    fn a_bound_of_another_key_is_refused() {
        let key = key(&[("a", Compared::Integer)]);
        let query = Query {
            table: &table(),
            key: &key,
            columns: &[],
            condition: None,
        };
        let text = KeyPart::Text("x".to_owned());
        assert_eq!(query.parameters(&bound(&["a"], vec![text.clone()])), None);
        let two = bound(&["a", "b"], vec![KeyPart::Int(1), text]);
        assert_eq!(query.parameters(&two), None);
        // The values would fit; they are those of another column.
        let one = || vec![KeyPart::Int(1)];
        assert_eq!(query.parameters(&bound(&["b"], one())), None);
        assert!(query.parameters(&bound(&["a"], one())).is_some());
        assert!(query.parameters(&bound(&[], one())).is_some());
    }
}
