//! Conditions with their literals held against the types of what they are compared with.
use crate::org::{fold, id};
use crate::schema::FieldType as T;
use crate::soql::SoqlError;
use crate::soql::ast::{Condition, Literal, LiteralKind, Operator, Term};
use crate::soql::filter::{Ask, Comparison, Filter, List, Operand, Test};
use crate::soql::literal;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// The left side of a comparison.
pub(super) struct Subject<S> {
    pub(super) subject: S,
    pub(super) kind: T,
    pub(super) case_sensitive: bool,
    /// As it was written, for messages.
    pub(super) shown: String,
    pub(super) at: usize,
}

/// Turns a condition into a filter; `read` looks the terms up. `today` is in days since 1970-01-01.
pub(super) fn walk<S>(
    condition: &Condition,
    today: i32,
    read: &mut impl FnMut(&Term) -> Result<Subject<S>, SoqlError>,
) -> Result<Filter<S>, SoqlError> {
    let mut several = |conditions: &[Condition]| {
        let mut filters = Vec::with_capacity(conditions.len());
        for condition in conditions {
            filters.push(walk(condition, today, &mut *read)?);
        }
        Ok(filters)
    };
    Ok(match condition {
        Condition::All(all) => Filter::All(several(all)?),
        Condition::Any(any) => Filter::Any(several(any)?),
        Condition::Not(inner) => Filter::Not(Box::new(walk(inner, today, read)?)),
        Condition::Compare {
            term,
            operator,
            literal,
        } => {
            let subject = read(term)?;
            let ask = subject.compared(*operator, literal, today)?;
            subject.asked(ask)
        }
        Condition::In {
            term,
            negated,
            literals,
        } => {
            let subject = read(term)?;
            let mut operands = Vec::with_capacity(literals.len());
            for literal in literals {
                operands.push(subject.operand(literal, today)?);
            }
            subject.asked(Ask::OneOf {
                negated: *negated,
                list: List::new(operands),
            })
        }
    })
}

impl<S> Subject<S> {
    fn asked(self, ask: Ask) -> Filter<S> {
        Filter::Test(Test {
            subject: self.subject,
            case_sensitive: self.case_sensitive,
            ask,
        })
    }

    fn compared(
        &self,
        operator: Operator,
        literal: &Literal,
        today: i32,
    ) -> Result<Ask, SoqlError> {
        let comparison = match operator {
            Operator::Like => return self.like(literal),
            Operator::Equal => Comparison::Equal,
            Operator::NotEqual => Comparison::NotEqual,
            Operator::Less => Comparison::Less,
            Operator::LessOrEqual => Comparison::LessOrEqual,
            Operator::Greater => Comparison::Greater,
            Operator::GreaterOrEqual => Comparison::GreaterOrEqual,
        };
        // Ids are in the order of their characters: readers page and split tables by them.
        if self.kind == T::Boolean
            && !matches!(comparison, Comparison::Equal | Comparison::NotEqual)
        {
            return Err(self.invalid_operator());
        }
        Ok(Ask::Compare(comparison, self.operand(literal, today)?))
    }

    fn like(&self, literal: &Literal) -> Result<Ask, SoqlError> {
        if !self.kind.is_text() || matches!(self.kind, T::Id | T::Reference) {
            return Err(self.invalid_operator());
        }
        match &literal.kind {
            LiteralKind::Text(raw) => literal::pattern(raw)
                .map(Ask::Like)
                .map_err(|escape| bad_escape(raw, &escape, literal.at)),
            // No text is like null.
            LiteralKind::Null => Ok(Ask::Compare(Comparison::Equal, Operand::Null)),
            _ => Err(self.wrong_type()),
        }
    }

    fn operand(&self, literal: &Literal, today: i32) -> Result<Operand, SoqlError> {
        let span = |days: (i32, i32), unit: i64| Operand::Span {
            start: i64::from(days.0) * unit,
            end: i64::from(days.1) * unit,
        };
        Ok(match (&literal.kind, self.kind) {
            (LiteralKind::Null, _) => Operand::Null,
            (LiteralKind::Text(raw), kind) if kind.is_text() => {
                let text = literal::unescape(raw)
                    .map_err(|escape| bad_escape(raw, &escape, literal.at))?;
                self.text(text, literal.at)?
            }
            (LiteralKind::Boolean(flag), T::Boolean) => Operand::Boolean(*flag),
            (LiteralKind::Number(number), T::Double | T::Currency | T::Percent) => {
                Operand::Number(*number)
            }
            (LiteralKind::Number(number), T::Int) if number.fract() == 0.0 => {
                Operand::Number(*number)
            }
            (LiteralKind::Date(days), T::Date) => span((*days, days + 1), 1),
            (LiteralKind::Relative(relative), T::Date) => span(relative.days(today), 1),
            (LiteralKind::Relative(relative), T::DateTime) => {
                span(relative.days(today), MILLIS_PER_DAY)
            }
            (LiteralKind::DateTime(millis), T::DateTime) => Operand::Span {
                start: *millis,
                end: millis + 1,
            },
            _ => return Err(self.wrong_type()),
        })
    }

    /// An empty text is null, as it is when it is written to a field.
    fn text(&self, text: String, at: usize) -> Result<Operand, SoqlError> {
        if text.is_empty() {
            return Ok(Operand::Null);
        }
        if !matches!(self.kind, T::Id | T::Reference) {
            return Ok(Operand::Text(fold(self.case_sensitive, &text).into_owned()));
        }
        if id::is_well_formed(&text) {
            Ok(Operand::Id(id::fifteen(&text).to_owned()))
        } else {
            let text = format!("invalid ID field: {text}");
            Err(SoqlError::new("INVALID_QUERY_FILTER_OPERATOR", text, at))
        }
    }

    fn wrong_type(&self) -> SoqlError {
        let (kind, quoted) = match self.kind {
            T::Boolean => ("boolean", false),
            T::Int => ("int", false),
            T::Double | T::Currency | T::Percent => ("double", false),
            T::Date => ("date", false),
            T::DateTime => ("dateTime", false),
            _ => ("string", true),
        };
        let not = if quoted { "" } else { "not " };
        let text = format!(
            "value of filter criterion for field '{}' must be of type {kind} and should {not}be enclosed in quotes",
            self.shown
        );
        SoqlError::invalid_field(text, self.at)
    }

    fn invalid_operator(&self) -> SoqlError {
        let kind = match self.kind {
            T::Id | T::Reference => "id",
            T::Double | T::Currency | T::Percent | T::Int => "number",
            other => other.name(),
        };
        let text = format!("invalid operator on {kind} field");
        SoqlError::new("INVALID_QUERY_FILTER_OPERATOR", text, self.at)
    }
}

fn bad_escape(raw: &str, escape: &str, at: usize) -> SoqlError {
    let text = format!(
        "Invalid string literal '{raw}'. Illegal character sequence '{escape}' in string literal."
    );
    SoqlError::malformed(text, at)
}
