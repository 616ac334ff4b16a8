//! From words to a condition whose every comparison makes sense.
use super::token::{Kind, Token};
use super::{Comparison, Node, Operand, Place};
use crate::schema::{FieldType as T, Schema};
use crate::value::{Value, calendar};

/// Deepest nesting of parentheses and `not`.
const MAX_DEPTH: u32 = 50;

pub(super) fn parse(tokens: &[Token], schema: &Schema) -> Result<Node, String> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        schema,
    };
    let node = parser.any()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("the end")),
    }
}

/// What kind of value an operand has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Null,
    Text,
    Number,
    Boolean,
    Date,
    DateTime,
}

struct Parser<'p> {
    tokens: &'p [Token],
    at: usize,
    depth: u32,
    schema: &'p Schema,
}

impl Parser<'_> {
    /// Terms joined by `or`.
    fn any(&mut self) -> Result<Node, String> {
        let mut terms = vec![self.all()?];
        while self.take_word("or") {
            terms.push(self.all()?);
        }
        Ok(one_or(terms, Node::Or))
    }

    /// Terms joined by `and`.
    fn all(&mut self) -> Result<Node, String> {
        let mut terms = vec![self.term()?];
        while self.take_word("and") {
            terms.push(self.term()?);
        }
        Ok(one_or(terms, Node::And))
    }

    fn term(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("a condition is at most {MAX_DEPTH} levels deep"));
        }
        let node = if self.take_word("not") {
            Node::Not(Box::new(self.term()?))
        } else if self.take_sign("(") {
            let inner = self.any()?;
            self.expect(")")?;
            inner
        } else {
            self.relation()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn relation(&mut self) -> Result<Node, String> {
        let column = self.column();
        let left = self.operand()?;
        if let Some(comparison) = self.comparison() {
            let right = self.operand()?;
            return self.compare(left, comparison, right, column);
        }
        if self.take_word("in") {
            return self.listed(left, column);
        }
        for (word, place) in [
            ("contains", Place::Anywhere),
            ("begins", Place::Start),
            ("ends", Place::End),
        ] {
            if self.take_word(word) {
                return self.find(left, place, column);
            }
        }
        match self.sort(&left) {
            Sort::Boolean => Ok(Node::True(left)),
            _ => Err(self.unexpected("a comparison")),
        }
    }

    fn compare(
        &self,
        left: Operand,
        comparison: Comparison,
        right: Operand,
        column: usize,
    ) -> Result<Node, String> {
        let (left, right) = match (&left, &right) {
            (Operand::Constant(_), Operand::Constant(_)) => (left, right),
            (_, Operand::Constant(_)) => {
                let right = self.adapt(right, &left);
                (left, right)
            }
            (Operand::Constant(_), _) => {
                let left = self.adapt(left, &right);
                (left, right)
            }
            _ => (left, right),
        };
        let ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        match (self.sort(&left), self.sort(&right)) {
            (Sort::Boolean | Sort::Null, _) | (_, Sort::Boolean | Sort::Null) if ordered => {
                Err(format!("what is compared at column {column} has no order"))
            }
            (Sort::Null, _) | (_, Sort::Null) => Ok(Node::Compare(left, comparison, right)),
            (left_sort, right_sort) if left_sort == right_sort => {
                Ok(Node::Compare(left, comparison, right))
            }
            _ => Err(format!(
                "what is compared at column {column} is of different types"
            )),
        }
    }

    fn listed(&mut self, left: Operand, column: usize) -> Result<Node, String> {
        self.expect("(")?;
        let mut list = Vec::new();
        loop {
            let operand = self.operand()?;
            let operand = self.adapt(operand, &left);
            let sort = self.sort(&operand);
            match operand {
                Operand::Constant(value) if sort == Sort::Null || sort == self.sort(&left) => {
                    list.push(value);
                }
                _ => {
                    return Err(format!(
                        "the list after column {column} holds constants of the type of what is before it"
                    ));
                }
            }
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(Node::In(left, list))
    }

    fn find(&mut self, left: Operand, place: Place, column: usize) -> Result<Node, String> {
        match (self.sort(&left), self.operand()?) {
            (Sort::Text, Operand::Constant(Value::Text(text))) => {
                Ok(Node::Find(left, place, text.into_owned()))
            }
            _ => Err(format!("at column {column} a text is looked for in a text")),
        }
    }

    /// A constant as the other operand needs it: dates are written as texts.
    fn adapt(&self, constant: Operand, other: &Operand) -> Operand {
        let Operand::Constant(Value::Text(text)) = &constant else {
            return constant;
        };
        let value = match self.sort(other) {
            Sort::Date => calendar::parse_date(text).map(Value::Date),
            Sort::DateTime => calendar::parse_datetime(text).map(Value::DateTime),
            _ => None,
        };
        value.map_or(constant, Operand::Constant)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let unexpected = self.unexpected("a field or a constant");
        let Some(token) = self.tokens.get(self.at) else {
            return Err(unexpected);
        };
        self.at += 1;
        match &token.kind {
            Kind::Number(number) => Ok(Operand::Constant(Value::Number(*number))),
            Kind::Text(text) if text.trim().is_empty() => Ok(Operand::Constant(Value::Null)),
            Kind::Text(text) => Ok(Operand::Constant(Value::Text(text.clone().into()))),
            Kind::Sign(_) => Err(unexpected),
            Kind::Word(word) => self.word(word, unexpected),
        }
    }

    fn word(&mut self, word: &str, unexpected: String) -> Result<Operand, String> {
        if self.take_sign("(") {
            return self.function(word);
        }
        match word.to_ascii_lowercase().as_str() {
            "true" => Ok(Operand::Constant(Value::Boolean(true))),
            "false" => Ok(Operand::Constant(Value::Boolean(false))),
            "null" => Ok(Operand::Constant(Value::Null)),
            "and" | "or" | "not" | "in" | "contains" | "begins" | "ends" => Err(unexpected),
            _ => self.field(word).map(Operand::Field),
        }
    }

    fn function(&mut self, name: &str) -> Result<Operand, String> {
        let name = name.to_ascii_lowercase();
        if name == "is_new" {
            self.expect(")")?;
            return Ok(Operand::IsNew);
        }
        let Some(Kind::Word(field)) = self.peek() else {
            return Err(self.unexpected("a field"));
        };
        let field = self.field(field)?;
        self.at += 1;
        let operand = match name.as_str() {
            "prior" => Operand::Prior(field),
            "is_changed" => Operand::IsChanged(field),
            "length" if self.schema.field(field).kind.is_text() => Operand::Length(field),
            "length" => return Err("only texts have a length".into()),
            _ => return Err(format!("there is no function `{name}`")),
        };
        self.expect(")")?;
        Ok(operand)
    }

    /// The number of a field that conditions may look at.
    fn field(&self, name: &str) -> Result<u16, String> {
        match self.schema.find(name) {
            Some(number) if self.schema.field(number).kind != T::Address => Ok(number),
            _ => Err(format!("Lead has no field `{name}` to look at")),
        }
    }

    fn sort(&self, operand: &Operand) -> Sort {
        match operand {
            Operand::Constant(value) => match value {
                Value::Null => Sort::Null,
                Value::Text(_) => Sort::Text,
                Value::Boolean(_) => Sort::Boolean,
                Value::Int(_) | Value::Number(_) => Sort::Number,
                Value::Date(_) => Sort::Date,
                Value::DateTime(_) => Sort::DateTime,
            },
            Operand::Field(field) | Operand::Prior(field) => match self.schema.field(*field).kind {
                T::Boolean => Sort::Boolean,
                T::Int | T::Double | T::Currency | T::Percent => Sort::Number,
                T::Date => Sort::Date,
                T::DateTime => Sort::DateTime,
                _ => Sort::Text,
            },
            Operand::Length(_) => Sort::Number,
            Operand::IsChanged(_) | Operand::IsNew => Sort::Boolean,
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let Some(Kind::Sign(sign)) = self.peek() else {
            return None;
        };
        let comparison = match *sign {
            "=" | "==" => Comparison::Equal,
            "!=" | "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(comparison)
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Kind::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Kind::Sign(next)) if *next == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("`{sign}`")))
        }
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.column)
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.tokens.get(self.at) {
            Some(token) => format!("{wanted} was expected at column {}", token.column),
            None => format!("{wanted} was expected at the end"),
        }
    }
}

fn one_or(mut terms: Vec<Node>, join: impl FnOnce(Vec<Node>) -> Node) -> Node {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        Some(last) => {
            terms.push(last);
            join(terms)
        }
        None => join(terms),
    }
}
