//! The language of conditions: a small part of what formulas of Salesforce can say, enough for rules of leads.
//!
//! ```text
//! condition   one or more terms joined by `and`, `or`; `not`; parentheses. `and` binds closer than `or`.
//! term        operand (= | != | < | <= | > | >=) operand      `==` and `<>` are understood too
//!             operand in (constant, …)
//!             operand (contains | begins | ends) "text"
//!             a boolean operand alone
//! operand     a field of Lead by its API name
//!             prior(Field)        its value before the write; null on insert
//!             length(Field)       characters of a text, 0 for null
//!             is_changed(Field)   whether the write changes it; false on insert
//!             is_new()            whether the write is an insert
//!             "text", 'text', 12, -0.5, true, false, null; dates and datetimes are written as texts
//! ```
//! Words of the language are not case sensitive, texts are. An empty text is null. Null equals null alone and is in no
//! order with anything. Comparing what cannot be compared is an error of the condition, found when it is compiled:
//! a condition that compiles has a value for every lead.
//!
//! Pure: it knows nothing of stores, requests and locks. Its depth and length are bounded, so that no text can exhaust
//! the stack.
mod evaluate;
mod parse;
#[cfg(test)]
mod tests;
mod token;

use crate::schema::Schema;
use crate::value::Value;

/// Longest text of a condition in bytes.
const MAX_BYTES: usize = 10_000;

/// A compiled condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    root: Node,
}

/// The lead that a condition is asked about.
pub(crate) trait Sight {
    /// The value of a field as it will be after the write; defaults included.
    fn value(&self, field: u16) -> Value<'_>;
    /// The value before the write; `None` when the lead is new.
    fn prior(&self, field: u16) -> Option<Value<'_>>;
    fn is_new(&self) -> bool;
}

impl Expression {
    /// Compiles a condition; the error says what is wrong and where.
    pub(crate) fn compile(text: &str, schema: &Schema) -> Result<Expression, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("a condition has at most {MAX_BYTES} bytes"));
        }
        let tokens = token::tokens(text)?;
        Ok(Expression {
            root: parse::parse(&tokens, schema)?,
        })
    }

    /// Whether it holds for a lead.
    pub(crate) fn holds(&self, lead: &impl Sight) -> bool {
        evaluate::holds(&self.root, lead)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Compare(Operand, Comparison, Operand),
    In(Operand, Vec<Value<'static>>),
    Find(Operand, Place, String),
    True(Operand),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Constant(Value<'static>),
    Field(u16),
    Prior(u16),
    Length(u16),
    IsChanged(u16),
    IsNew,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Where in a text another is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Start,
    End,
}
