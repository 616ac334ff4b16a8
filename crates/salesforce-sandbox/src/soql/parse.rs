//! From text to [`Query`]: plain recursive descent over the tokens.
//!
//! Invariants: total (any text gives a query or an error), depth bounded by [`MAX_DEPTH`]. Accepted without effect,
//! because nothing here depends on it: `USING SCOPE everything`, `WITH SECURITY_ENFORCED`, `WITH USER_MODE`,
//! `WITH SYSTEM_MODE`, `FOR VIEW`, `FOR REFERENCE`. Refused: `TYPEOF`, subqueries, `ALL ROWS` and `FOR UPDATE` (both
//! are Apex only), `GROUP BY ROLLUP` and `CUBE`, functions other than the aggregates.
use super::SoqlError;
use super::ast::{
    Condition, FieldPath, FieldSet, Function, Item, Literal, LiteralKind, Name, Operator,
    OrderTerm, Query, Select, Term,
};
use super::literal::Relative;
use super::token::{Kind, Token, tokens};
use crate::value::calendar;

/// Deepest nesting of parentheses; deeper ones are too complicated for Salesforce as well (inference: the figure).
const MAX_DEPTH: usize = 100;
/// Most elements of an ORDER BY (SOQL reference) and of a GROUP BY (inference), each of which costs memory per row.
const MAX_SORTED: usize = 32;
/// Most elements of a SELECT list (inference): more than any object has fields.
const MAX_SELECTED: usize = 1_000;
/// Words that no alias may have (SOQL reference, reserved keywords).
const RESERVED: [&str; 26] = [
    "AND", "AS", "ASC", "DESC", "EXCLUDES", "FIRST", "FOR", "FROM", "GROUP", "HAVING", "IN",
    "INCLUDES", "LAST", "LIKE", "LIMIT", "NOT", "NULL", "NULLS", "OFFSET", "OR", "ORDER", "SELECT",
    "USING", "WHERE", "WITH", "ALL",
];

/// Parses a whole query.
pub(crate) fn parse(text: &str) -> Result<Query, SoqlError> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        rest: &tokens,
        depth: 0,
    };
    let query = parser.query()?;
    match parser.peek() {
        end if end.kind == Kind::End => Ok(query),
        other => Err(other.unexpected()),
    }
}

struct Parser<'t, 'q> {
    /// Never empty: the end token stays.
    rest: &'t [Token<'q>],
    depth: usize,
}

impl<'q> Parser<'_, 'q> {
    fn peek(&self) -> Token<'q> {
        self.ahead(0)
    }

    /// The token `count` places ahead; the end token beyond the end.
    fn ahead(&self, count: usize) -> Token<'q> {
        let end = Token {
            kind: Kind::End,
            text: "",
            at: 0,
        };
        let last = self.rest.last().copied().unwrap_or(end);
        self.rest.get(count).copied().unwrap_or(last)
    }

    fn next(&mut self) -> Token<'q> {
        let token = self.peek();
        if let [_, rest @ ..] = self.rest
            && !rest.is_empty()
        {
            self.rest = rest;
        }
        token
    }

    fn take_word(&mut self, keyword: &str) -> bool {
        let found = self.peek().is(keyword);
        if found {
            self.next();
        }
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_symbol(symbol);
        if found {
            self.next();
        }
        found
    }

    fn expect_word(&mut self, keyword: &str) -> Result<(), SoqlError> {
        let token = self.next();
        if token.is(keyword) {
            Ok(())
        } else {
            Err(token.unexpected())
        }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), SoqlError> {
        let token = self.next();
        if token.is_symbol(symbol) {
            Ok(())
        } else {
            Err(token.unexpected())
        }
    }

    fn must_be_fewer(&self, count: usize, limit: usize) -> Result<(), SoqlError> {
        if count < limit {
            return Ok(());
        }
        let text = format!("A maximum of {limit} fields is allowed here");
        Err(SoqlError::malformed(text, self.peek().at))
    }

    fn query(&mut self) -> Result<Query, SoqlError> {
        self.expect_word("SELECT")?;
        let select = self.select()?;
        self.expect_word("FROM")?;
        let object = self.name()?;
        let alias = self.alias()?;
        self.scope()?;
        let filter = self.clause("WHERE")?;
        self.with()?;
        let group_by = self.group_by()?;
        let having = self.clause("HAVING")?;
        let order_by = self.order_by()?;
        let limit = self.count("LIMIT")?;
        let offset = self.count("OFFSET")?;
        self.endings()?;
        Ok(Query {
            select,
            object,
            alias,
            filter,
            group_by,
            having,
            order_by,
            limit,
            offset,
        })
    }

    fn select(&mut self) -> Result<Select, SoqlError> {
        let is_count =
            self.peek().is("COUNT") && self.ahead(1).is_symbol("(") && self.ahead(2).is_symbol(")");
        if is_count && !self.ahead(3).is_symbol(",") {
            for _ in 0..3 {
                self.next();
            }
            return Ok(Select::Count);
        }
        let mut items = Vec::new();
        loop {
            self.must_be_fewer(items.len(), MAX_SELECTED)?;
            items.push(self.item()?);
            if !self.take_symbol(",") {
                return Ok(Select::Items(items));
            }
        }
    }

    fn item(&mut self) -> Result<Item, SoqlError> {
        let token = self.peek();
        if token.is("FIELDS") && self.ahead(1).is_symbol("(") {
            self.next();
            self.next();
            let which = self.next();
            let set = match which.text.to_ascii_uppercase().as_str() {
                "ALL" => FieldSet::All,
                "STANDARD" => FieldSet::Standard,
                "CUSTOM" => FieldSet::Custom,
                _ => return Err(which.unexpected()),
            };
            self.expect_symbol(")")?;
            return Ok(Item::Fields { set, at: token.at });
        }
        let term = self.term()?;
        let alias = self.alias()?;
        Ok(Item::Term { term, alias })
    }

    /// A field, or an aggregate of one.
    fn term(&mut self) -> Result<Term, SoqlError> {
        if !self.ahead(1).is_symbol("(") {
            return Ok(Term::Field(self.path()?));
        }
        let token = self.next();
        let function = Function::ALL
            .iter()
            .find(|(name, _)| token.is(name))
            .map(|(_, function)| *function)
            .ok_or_else(|| token.unexpected())?;
        self.expect_symbol("(")?;
        let argument = if function == Function::Count && self.peek().is_symbol(")") {
            None
        } else {
            Some(self.path()?)
        };
        self.expect_symbol(")")?;
        Ok(Term::Aggregate {
            function,
            argument,
            at: token.at,
        })
    }

    fn path(&mut self) -> Result<FieldPath, SoqlError> {
        let mut parts = vec![self.name()?];
        while self.take_symbol(".") {
            parts.push(self.name()?);
        }
        Ok(FieldPath { parts })
    }

    fn name(&mut self) -> Result<Name, SoqlError> {
        let token = self.next();
        if token.kind != Kind::Word || token.is("FROM") || token.is("SELECT") || token.is("WHERE") {
            return Err(token.unexpected());
        }
        Ok(Name {
            text: token.text.to_owned(),
            at: token.at,
        })
    }

    fn alias(&mut self) -> Result<Option<Name>, SoqlError> {
        if self.take_word("AS") {
            return self.name().map(Some);
        }
        let token = self.peek();
        let reserved = RESERVED.iter().any(|word| token.is(word));
        // `UPDATE TRACKING` may end a query; nobody names an alias so.
        if token.kind != Kind::Word || reserved || token.is("UPDATE") {
            return Ok(None);
        }
        self.name().map(Some)
    }

    fn scope(&mut self) -> Result<(), SoqlError> {
        if !self.take_word("USING") {
            return Ok(());
        }
        self.expect_word("SCOPE")?;
        let scope = self.next();
        if scope.is("everything") {
            return Ok(());
        }
        let text = format!("invalid query scope: {}", scope.text);
        Err(SoqlError::new("INVALID_QUERY_SCOPE", text, scope.at))
    }

    fn with(&mut self) -> Result<(), SoqlError> {
        if self.take_word("WITH") {
            let mode = self.next();
            let known = ["SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"];
            if !known.iter().any(|word| mode.is(word)) {
                return Err(mode.unexpected());
            }
        }
        Ok(())
    }

    fn clause(&mut self, keyword: &str) -> Result<Option<Condition>, SoqlError> {
        if self.take_word(keyword) {
            self.conditions().map(Some)
        } else {
            Ok(None)
        }
    }

    /// `a AND b AND c`, or `a OR b`, or `NOT a`; a mixture needs parentheses.
    fn conditions(&mut self) -> Result<Condition, SoqlError> {
        if self.take_word("NOT") {
            return Ok(Condition::Not(Box::new(self.condition()?)));
        }
        let first = self.condition()?;
        let joined_by_and = self.peek().is("AND");
        if !joined_by_and && !self.peek().is("OR") {
            return Ok(first);
        }
        let keyword = if joined_by_and { "AND" } else { "OR" };
        let mut all = vec![first];
        while self.take_word(keyword) {
            all.push(self.condition()?);
        }
        if self.peek().is("AND") || self.peek().is("OR") {
            return Err(self.peek().unexpected());
        }
        Ok(if joined_by_and {
            Condition::All(all)
        } else {
            Condition::Any(all)
        })
    }

    fn condition(&mut self) -> Result<Condition, SoqlError> {
        let token = self.peek();
        if token.is_symbol("(") {
            if self.depth == MAX_DEPTH {
                let text = "The query is too complicated: its conditions nest too deeply.";
                return Err(SoqlError::new("QUERY_TOO_COMPLICATED", text, token.at));
            }
            self.next();
            self.depth += 1;
            let inner = self.conditions()?;
            self.depth -= 1;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        // Without parentheses around it, NOT may only stand first.
        if token.is("NOT") {
            return Err(token.unexpected());
        }
        let term = self.term()?;
        self.comparison(term)
    }

    fn comparison(&mut self, term: Term) -> Result<Condition, SoqlError> {
        let negated = self.take_word("NOT");
        if self.peek().is("IN") {
            self.next();
            let literals = self.literals()?;
            return Ok(Condition::In {
                term,
                negated,
                literals,
            });
        }
        let token = self.next();
        let operator = match token.text {
            _ if negated => None,
            "=" => Some(Operator::Equal),
            "!=" | "<>" => Some(Operator::NotEqual),
            "<" => Some(Operator::Less),
            "<=" => Some(Operator::LessOrEqual),
            ">" => Some(Operator::Greater),
            ">=" => Some(Operator::GreaterOrEqual),
            _ if token.is("LIKE") => Some(Operator::Like),
            _ => None,
        };
        let operator = operator.ok_or_else(|| token.unexpected())?;
        let literal = self.literal()?;
        Ok(Condition::Compare {
            term,
            operator,
            literal,
        })
    }

    fn literals(&mut self) -> Result<Vec<Literal>, SoqlError> {
        self.expect_symbol("(")?;
        let mut literals = Vec::new();
        loop {
            literals.push(self.literal()?);
            if !self.take_symbol(",") {
                self.expect_symbol(")")?;
                return Ok(literals);
            }
        }
    }

    fn literal(&mut self) -> Result<Literal, SoqlError> {
        let token = self.next();
        let kind = match token.kind {
            Kind::Text => {
                let quoted = token.text;
                // The lexer gives out quoted texts with both quotes only.
                let inner = quoted.get(1..quoted.len().saturating_sub(1));
                Some(LiteralKind::Text(inner.unwrap_or_default().to_owned()))
            }
            Kind::Number => number(token.text).map(LiteralKind::Number),
            Kind::Date => calendar::parse_date(token.text).map(LiteralKind::Date),
            Kind::DateTime => calendar::parse_datetime(token.text).map(LiteralKind::DateTime),
            Kind::Word if token.is("NULL") => Some(LiteralKind::Null),
            Kind::Word if token.is("TRUE") => Some(LiteralKind::Boolean(true)),
            Kind::Word if token.is("FALSE") => Some(LiteralKind::Boolean(false)),
            Kind::Word => self.relative(token.text).map(LiteralKind::Relative),
            Kind::Symbol | Kind::End => None,
        };
        match kind {
            Some(kind) => Ok(Literal { kind, at: token.at }),
            None => Err(token.unexpected()),
        }
    }

    fn relative(&mut self, name: &str) -> Option<Relative> {
        if !Relative::takes_number(name) {
            return Relative::named(name, None);
        }
        if !self.take_symbol(":") {
            return None;
        }
        let number = self.next();
        Relative::named(name, Some(number.text.parse().ok()?))
    }

    fn group_by(&mut self) -> Result<Vec<FieldPath>, SoqlError> {
        if !self.take_word("GROUP") {
            return Ok(Vec::new());
        }
        self.expect_word("BY")?;
        let mut paths = Vec::new();
        loop {
            self.must_be_fewer(paths.len(), MAX_SORTED)?;
            if self.ahead(1).is_symbol("(") {
                return Err(self.peek().unexpected());
            }
            paths.push(self.path()?);
            if !self.take_symbol(",") {
                return Ok(paths);
            }
        }
    }

    fn order_by(&mut self) -> Result<Vec<OrderTerm>, SoqlError> {
        if !self.take_word("ORDER") {
            return Ok(Vec::new());
        }
        self.expect_word("BY")?;
        let mut terms = Vec::new();
        loop {
            self.must_be_fewer(terms.len(), MAX_SORTED)?;
            let term = self.term()?;
            let descending = self.take_word("DESC");
            if !descending {
                self.take_word("ASC");
            }
            let mut nulls_last = false;
            if self.take_word("NULLS") {
                nulls_last = self.take_word("LAST");
                if !nulls_last {
                    self.expect_word("FIRST")?;
                }
            }
            terms.push(OrderTerm {
                term,
                descending,
                nulls_last,
            });
            if !self.take_symbol(",") {
                return Ok(terms);
            }
        }
    }

    fn count(&mut self, keyword: &str) -> Result<Option<u64>, SoqlError> {
        if !self.take_word(keyword) {
            return Ok(None);
        }
        let token = self.next();
        let number = (token.kind == Kind::Number).then(|| token.text.parse::<u64>().ok());
        match number.flatten() {
            Some(number) => Ok(Some(number)),
            None => Err(token.unexpected()),
        }
    }

    fn endings(&mut self) -> Result<(), SoqlError> {
        while self.peek().is("FOR") {
            self.next();
            let purpose = self.next();
            if !purpose.is("VIEW") && !purpose.is("REFERENCE") {
                return Err(purpose.unexpected());
            }
            self.take_symbol(",");
        }
        if self.peek().is("ALL") && self.ahead(1).is("ROWS") {
            let text = "ALL ROWS not allowed in this context";
            return Err(SoqlError::malformed(text, self.peek().at));
        }
        Ok(())
    }
}

/// Finite numbers only; Rust's parser knows more spellings than SOQL does, the lexer lets none of them through but
/// `inf` and its kin, which begin with a letter.
fn number(text: &str) -> Option<f64> {
    // Adding zero turns a negative zero into a plain one, which is what an index knows.
    let number = text.parse::<f64>().ok()? + 0.0;
    number.is_finite().then_some(number)
}
