//! The types that expressions know, and which of them a column has.

use std::fmt;

use crate::core::schema::ColumnKind;

/// A type of an expression, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core::mapping) enum Type {
    Bool,
    Int,
    Uint,
    Double,
    /// Compared digit by digit.
    Decimal,
    Text,
    /// A point in time; a DATE is its midnight, a DATETIME is taken for UTC.
    Moment,
    List(Box<Type>),
    Null,
    /// Not known: a column that is assumed, or a part that has a mistake already.
    Any,
}

impl Type {
    /// The type of a column's values, or why they have none.
    pub(in crate::core::mapping) fn of_column(kind: &ColumnKind) -> Result<Self, &'static str> {
        Ok(match kind {
            ColumnKind::Integer {
                bytes: 8,
                unsigned: true,
            } => Type::Uint,
            ColumnKind::Integer { .. } | ColumnKind::Year => Type::Int,
            // 64 bits do not fit an int.
            ColumnKind::Bit { bits } if *bits > 63 => Type::Uint,
            ColumnKind::Bit { .. } => Type::Int,
            ColumnKind::Decimal { .. } => Type::Decimal,
            ColumnKind::Float | ColumnKind::Double => Type::Double,
            ColumnKind::Text { .. }
            | ColumnKind::Enum { .. }
            | ColumnKind::Uuid
            | ColumnKind::Json
            | ColumnKind::Time => Type::Text,
            ColumnKind::Date | ColumnKind::DateTime | ColumnKind::Timestamp => Type::Moment,
            ColumnKind::Set => Type::List(Box::new(Type::Text)),
            ColumnKind::Bytes => return Err("holds bytes, which expressions do not know"),
            ColumnKind::Other(_) => return Err("has a type that expressions do not know"),
        })
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(
            self,
            Type::Int | Type::Uint | Type::Double | Type::Decimal | Type::Any
        )
    }

    /// Whether `==` between them can be true.
    pub(super) fn is_comparable(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Any | Type::Null, _) | (_, Type::Any | Type::Null) => true,
            (Type::List(_), _) | (_, Type::List(_)) => false,
            // A text beside a moment is read as one.
            (Type::Moment, Type::Text) | (Type::Text, Type::Moment) => true,
            _ => self == other || self.is_number() && other.is_number(),
        }
    }

    /// The type of a value that is the one or the other.
    pub(super) fn or(&self, other: &Type) -> Option<Type> {
        match (self, other) {
            (Type::Null | Type::Any, kind) | (kind, Type::Null | Type::Any) => Some(kind.clone()),
            _ => (self == other).then(|| self.clone()),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Bool => "true or false",
            Type::Int => "a whole number",
            Type::Uint => "an unsigned whole number",
            Type::Double => "a floating number",
            Type::Decimal => "a DECIMAL",
            Type::Text => "text",
            Type::Moment => "a date or time",
            Type::List(_) => "a list",
            Type::Null => "null",
            Type::Any => "a value",
        })
    }
}
