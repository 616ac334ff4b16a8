//! The value of a condition for one lead. Total: every condition that compiles has one.
use std::cmp::Ordering;

use super::{Comparison, Node, Operand, Place, Sight};
use crate::value::Value;

pub(super) fn holds(node: &Node, lead: &impl Sight) -> bool {
    match node {
        Node::Or(terms) => terms.iter().any(|term| holds(term, lead)),
        Node::And(terms) => terms.iter().all(|term| holds(term, lead)),
        Node::Not(term) => !holds(term, lead),
        Node::True(operand) => value(operand, lead) == Value::Boolean(true),
        Node::Compare(left, comparison, right) => {
            compare(&value(left, lead), *comparison, &value(right, lead))
        }
        Node::In(operand, list) => {
            let value = value(operand, lead);
            list.iter().any(|listed| are_equal(&value, listed))
        }
        Node::Find(operand, place, wanted) => match value(operand, lead) {
            Value::Text(text) => match place {
                Place::Anywhere => text.contains(wanted.as_str()),
                Place::Start => text.starts_with(wanted.as_str()),
                Place::End => text.ends_with(wanted.as_str()),
            },
            _ => false,
        },
    }
}

fn value<'v>(operand: &'v Operand, lead: &'v impl Sight) -> Value<'v> {
    match operand {
        Operand::Constant(constant) => constant.clone(),
        Operand::Field(field) => lead.value(*field),
        Operand::Prior(field) => lead.prior(*field).unwrap_or(Value::Null),
        Operand::Length(field) => Value::Int(match lead.value(*field) {
            Value::Text(text) => text.chars().count() as i64,
            _ => 0,
        }),
        Operand::IsChanged(field) => Value::Boolean(
            lead.prior(*field)
                .is_some_and(|prior| !are_equal(&prior, &lead.value(*field))),
        ),
        Operand::IsNew => Value::Boolean(lead.is_new()),
    }
}

fn compare(left: &Value<'_>, comparison: Comparison, right: &Value<'_>) -> bool {
    match comparison {
        Comparison::Equal => are_equal(left, right),
        Comparison::NotEqual => !are_equal(left, right),
        Comparison::Less => order(left, right) == Some(Ordering::Less),
        Comparison::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
        Comparison::Greater => order(left, right) == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
    }
}

fn are_equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        _ => order(left, right) == Some(Ordering::Equal),
    }
}

/// None where there is no order: with null, and between different types.
fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.as_ref().cmp(right.as_ref())),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        (Value::DateTime(left), Value::DateTime(right)) => Some(left.cmp(right)),
        (Value::Int(_) | Value::Number(_), Value::Int(_) | Value::Number(_)) => {
            number(left)?.partial_cmp(&number(right)?)
        }
        _ => None,
    }
}

fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        // Fields of leads hold no integers beyond 2^53.
        Value::Int(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}
