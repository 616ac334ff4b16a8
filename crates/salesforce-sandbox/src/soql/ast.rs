//! A query as it was written: syntax only, names not yet looked up.
//!
//! Invariant: conditions nest no deeper than the parser allows, so they may be walked recursively.

/// A name and its byte offset in the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) at: usize,
}

/// `Name`, `Owner.Name`, `l.Owner.Name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath {
    /// At least one.
    pub(crate) parts: Vec<Name>,
}

impl FieldPath {
    pub(crate) fn at(&self) -> usize {
        self.parts.first().map_or(0, |name| name.at)
    }

    /// As it was written, for messages.
    pub(crate) fn shown(&self) -> String {
        let parts: Vec<&str> = self.parts.iter().map(|name| name.text.as_str()).collect();
        parts.join(".")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    Count,
    CountDistinct,
    Min,
    Max,
    Sum,
    Avg,
}

impl Function {
    pub(crate) const ALL: [(&'static str, Function); 6] = [
        ("COUNT", Function::Count),
        ("COUNT_DISTINCT", Function::CountDistinct),
        ("MIN", Function::Min),
        ("MAX", Function::Max),
        ("SUM", Function::Sum),
        ("AVG", Function::Avg),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Function::Count => "COUNT",
            Function::CountDistinct => "COUNT_DISTINCT",
            Function::Min => "MIN",
            Function::Max => "MAX",
            Function::Sum => "SUM",
            Function::Avg => "AVG",
        }
    }
}

/// Which fields `FIELDS(…)` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldSet {
    All,
    Standard,
    Custom,
}

/// A field, or a value computed over a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    Field(FieldPath),
    Aggregate {
        function: Function,
        /// Absent in `COUNT()`.
        argument: Option<FieldPath>,
        at: usize,
    },
}

impl Term {
    pub(crate) fn at(&self) -> usize {
        match self {
            Term::Field(path) => path.at(),
            Term::Aggregate { at, .. } => *at,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Term { term: Term, alias: Option<Name> },
    Fields { set: FieldSet, at: usize },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Select {
    /// `COUNT()`.
    Count,
    Items(Vec<Item>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Literal {
    pub(crate) kind: LiteralKind,
    pub(crate) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LiteralKind {
    Null,
    Boolean(bool),
    Number(f64),
    /// Quotes removed, escapes kept: `LIKE` reads them in its own way.
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds since 1970-01-01 UTC.
    DateTime(i64),
    Relative(super::literal::Relative),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        term: Term,
        operator: Operator,
        literal: Literal,
    },
    In {
        term: Term,
        negated: bool,
        literals: Vec<Literal>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderTerm {
    pub(crate) term: Term,
    pub(crate) descending: bool,
    /// Where nulls stand, whichever way the rest is sorted; first unless told.
    pub(crate) nulls_last: bool,
}

/// One `SELECT … FROM …`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) select: Select,
    pub(crate) object: Name,
    pub(crate) alias: Option<Name>,
    pub(crate) filter: Option<Condition>,
    pub(crate) group_by: Vec<FieldPath>,
    pub(crate) having: Option<Condition>,
    pub(crate) order_by: Vec<OrderTerm>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
}
