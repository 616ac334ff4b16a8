//! A query with its names looked up and its types checked, ready to be run over rows.
use super::ast::Function;
use super::filter::Filter;
use super::order::Sort;
use crate::schema::{FieldType, ObjectKind};
use crate::value::Value;

/// A field of a row, or of the row that one of its references points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) via: Option<Via>,
    /// Number in the schema of the row's object, or of the parent's.
    pub(crate) field: u16,
}

/// The step from a row to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Via {
    /// The field that holds the parent's id.
    pub(crate) reference: u16,
    pub(crate) target: ObjectKind,
}

/// Something that fields can be read from.
pub(crate) trait Row {
    /// Null for a field without a value, and for any field of a parent that is not there.
    fn value(&self, path: Path) -> Value<'_>;
}

/// One element of the SELECT list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) path: Path,
    /// Canonical spelling, `Owner.Name`.
    pub(crate) name: String,
    pub(crate) kind: FieldType,
}

impl Column {
    /// An object of several values, such as `Address`.
    pub(crate) fn is_compound(&self) -> bool {
        self.kind == FieldType::Address
    }
}

/// Place of a value in a group: grouped fields first, then the aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) usize);

/// A field that rows are grouped by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupKey {
    pub(crate) path: Path,
    pub(crate) case_sensitive: bool,
}

/// A value computed over the rows of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aggregate {
    pub(crate) function: Function,
    /// Absent in `COUNT()`, which counts rows.
    pub(crate) path: Option<Path>,
    pub(crate) case_sensitive: bool,
}

/// What an aggregate query computes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grouping {
    /// None: all rows are one group, which is there even without rows.
    pub(crate) keys: Vec<GroupKey>,
    pub(crate) aggregates: Vec<Aggregate>,
    /// Names of the result's values, in SELECT order.
    pub(crate) columns: Vec<(String, Slot)>,
    pub(crate) having: Filter<Slot>,
    pub(crate) order: Vec<Sort<Slot>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Output {
    /// `COUNT()`: the number of rows and no rows.
    Count,
    Rows(Vec<Column>),
    Groups(Box<Grouping>),
}

/// Which rows have to be looked at; the filter still decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    All,
    /// Those with one of these ids (15 or 18 characters).
    Ids(Vec<String>),
    /// Those whose key field holds one of these values.
    Keys {
        field: u16,
        keys: Vec<String>,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) object: ObjectKind,
    pub(crate) output: Output,
    pub(crate) filter: Filter<Path>,
    /// Of rows; groups have their own.
    pub(crate) order: Vec<Sort<Path>>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: u64,
    pub(crate) access: Access,
}

impl Plan {
    /// Names of the values of a result row, in SELECT order; none for `COUNT()`.
    pub(crate) fn column_names(&self) -> Vec<&str> {
        match &self.output {
            Output::Count => Vec::new(),
            Output::Rows(columns) => columns.iter().map(|column| column.name.as_str()).collect(),
            Output::Groups(grouping) => {
                let names = grouping.columns.iter();
                names.map(|(name, _)| name.as_str()).collect()
            }
        }
    }

    /// Rows beyond this number, in the order of the result, are never looked at; absent without `LIMIT`.
    pub(crate) fn last_wanted(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_add(self.offset))
    }

    /// The part of a result that `OFFSET` and `LIMIT` leave.
    pub(crate) fn cut<T>(&self, rows: Vec<T>) -> Vec<T> {
        let count = |wanted: u64| usize::try_from(wanted).unwrap_or(usize::MAX);
        rows.into_iter()
            .skip(count(self.offset))
            .take(count(self.limit.unwrap_or(u64::MAX)))
            .collect()
    }
}
