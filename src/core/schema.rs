//! What a MySQL table looks like, as far as mapping needs to know.

use serde::{Deserialize, Serialize};

/// A table, by schema and name. Prints as `schema.table`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    pub schema: String,
    pub table: String,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A table's columns in their order on the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    pub name: TableName,
    pub columns: Vec<Column>,
}

impl TableSchema {
    /// The column of that name; MySQL compares column names without case.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    pub nullable: bool,
    pub primary_key: bool,
    #[serde(default)]
    pub default: ColumnDefault,
}

/// What a column gets from an INSERT that does not name it; a row image that is not FULL leaves it
/// out then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnDefault {
    /// None is declared and NULL is not allowed: outside strict mode it is the type's own
    /// (MySQL manual, "Data Type Default Values").
    None,
    Null,
    /// A constant, in the form of [`Value::from_select`](super::value::Value::from_select).
    Literal(String),
    /// Worked out row by row, or not known: no schema can tell the value.
    #[default]
    Expression,
}

/// Families of column types, by what a value of theirs can be turned into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Width in bytes: 1, 2, 3, 4 or 8.
    Integer {
        bytes: u8,
        unsigned: bool,
    },
    Decimal {
        precision: u8,
        scale: u8,
    },
    Float,
    Double,
    /// CHAR, VARCHAR, TEXT in any charset; length in characters.
    Text {
        max_chars: u64,
    },
    /// BINARY, VARBINARY, BLOB.
    Bytes,
    /// BINARY(16), which is taken for a UUID; its values are bytes.
    Uuid,
    Date,
    DateTime,
    Timestamp,
    Time,
    Year,
    Enum {
        labels: Vec<String>,
    },
    Set,
    /// Number of bits.
    Bit {
        bits: u8,
    },
    Json,
    /// GEOMETRY, VECTOR and the like; the type's own name.
    Other(String),
}
