//! Values of a row as the evaluator takes them, its results as we take them, and how two of them
//! compare.

use std::cmp::Ordering;

use cel::common::types::Type as CelType;
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelNull, CelString, CelUInt};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::context::VariableResolver;

use super::Use;
use super::kinds::Type;
use super::{Computed, Value};
use crate::core::mapping::convert::{parse_date, parse_datetime, text_of};
use crate::core::value::text::float_text;
use crate::core::value::{Date, DateTime};

/// A DECIMAL: canonical text, exact.
#[derive(Clone, Debug)]
pub(super) struct Decimal(pub(super) String);

/// A point in time: microseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) i64);

static DECIMAL: CelType = CelType::new_unspecified_type("decimal");
static MOMENT: CelType = CelType::new_unspecified_type("moment");

macro_rules! own_value {
    ($name:ident, $kind:ident) => {
        impl Val for $name {
            fn get_type(&self) -> &CelType {
                &$kind
            }

            fn cel_type() -> &'static CelType {
                &$kind
            }

            fn equals(&self, other: &dyn Val) -> bool {
                compare(self, other) == Some(Ordering::Equal)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
            where
                Self: 'v,
            {
                Box::new(self.clone())
            }

            fn as_any(&self) -> Option<&dyn std::any::Any> {
                Some(self)
            }
        }

        impl StaticVal for $name {}
    };
}

own_value!(Decimal, DECIMAL);
own_value!(Moment, MOMENT);

/// A row to the evaluator: the check has put a column's place where its name stood.
pub(super) struct Row<'r> {
    pub(super) values: &'r [Option<Value>],
    pub(super) uses: &'r [Use],
}

impl VariableResolver for Row<'_> {
    /// `None`, which fails what asks for it: the row image lacks the column, or its value has no
    /// form here.
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let place: usize = variable.parse().ok()?;
        let used = self.uses.get(place)?;
        let value = self.values.get(used.index)?.as_ref()?;
        to_cel(value, &used.kind)
    }
}

fn to_cel<'b>(value: &'b Value, kind: &Type) -> Option<CowVal<'b, 'b>> {
    let whole = |number: i128| match (kind, i64::try_from(number)) {
        (Type::Uint, _) | (_, Err(_)) => u64::try_from(number)
            .ok()
            .map(|number| CowVal::owned(CelUInt::from(number))),
        (_, Ok(number)) => Some(CowVal::owned(CelInt::from(number))),
    };
    Some(match value {
        value if is_null(value) => CowVal::owned(CelNull),
        Value::Int(number) => whole(i128::from(*number))?,
        Value::UInt(number) | Value::Bit(number) => whole(i128::from(*number))?,
        Value::Year(year) => whole(i128::from(*year))?,
        // The number that people read, not the nearest of twice the length.
        Value::Float(number) => {
            CowVal::owned(CelDouble::from(float_text(*number).parse::<f64>().ok()?))
        }
        Value::Double(number) => CowVal::owned(CelDouble::from(*number)),
        Value::Decimal(text) => CowVal::owned(Decimal(text.clone())),
        Value::Text(text) if matches!(kind, Type::List(_)) => {
            let labels = text.split(',').filter(|label| !label.is_empty());
            let labels: Vec<Box<dyn Val>> = labels
                .map(|label| Box::new(CelString::from(label.to_owned())) as Box<dyn Val>)
                .collect();
            CowVal::owned(CelList::from(labels))
        }
        Value::Text(text) | Value::Json(text) => CowVal::owned(CelString::from(text.as_str())),
        Value::Timestamp(micros) => CowVal::owned(Moment(*micros)),
        Value::Date(date) => CowVal::owned(Moment(moment(&midnight(*date))?)),
        Value::DateTime(at) => CowVal::owned(Moment(moment(at)?)),
        Value::Bytes(_) | Value::Time(_) => CowVal::owned(CelString::from(text_of(value)?)),
        Value::Null => CowVal::owned(CelNull),
    })
}

fn midnight(date: Date) -> DateTime {
    DateTime {
        date,
        hour: 0,
        minute: 0,
        second: 0,
        micros: 0,
    }
}

/// `None` for a date that no calendar has.
fn moment(at: &DateTime) -> Option<i64> {
    let micros = at.to_epoch();
    (DateTime::from_epoch(micros).as_ref() == Some(at)).then_some(micros)
}

/// Reads a date, or a date and time; without a zone it is UTC.
pub(super) fn parse_moment(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(date) = parse_date(text) {
        return moment(&midnight(date));
    }
    let (at, zone) = parse_datetime(text)?;
    let micros = moment(&at)?;
    let Some(offset) = zone.strip_prefix(['+', '-']) else {
        return Some(micros);
    };
    let (hours, minutes) = offset.split_once(':')?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    let offset = minutes * 60_000_000;
    Some(if zone.starts_with('-') {
        micros + offset
    } else {
        micros - offset
    })
}

fn date_of(value: &Value) -> Option<DateTime> {
    match value {
        Value::Date(date) => Some(midnight(*date)),
        Value::DateTime(at) => Some(*at),
        _ => None,
    }
}

fn is_zero(at: &DateTime) -> bool {
    (at.date.year, at.date.month, at.date.day) == (0, 0, 0)
}

/// NULL, and MySQL's zero date, which stands for none.
pub(super) fn is_null(value: &Value) -> bool {
    matches!(value, Value::Null) || date_of(value).is_some_and(|at| is_zero(&at))
}

/// A date that no calendar has, such as 2024-02-00.
pub(super) fn is_no_date(value: &Value) -> bool {
    date_of(value).is_some_and(|at| !is_zero(&at) && moment(&at).is_none())
}

/// The result of an expression; `None` for what no field could take.
pub(super) fn computed(value: &dyn Val) -> Option<Computed> {
    Some(match Operand::of(value)? {
        Operand::Null => Computed::Null,
        Operand::Bool(flag) => Computed::Bool(flag),
        Operand::Whole(number) => Computed::Value(match i64::try_from(number) {
            Ok(number) => Value::Int(number),
            Err(_) => Value::UInt(u64::try_from(number).ok()?),
        }),
        Operand::Double(number) => Computed::Value(Value::Double(number).finite()?),
        Operand::Decimal(text) => Computed::Value(Value::Decimal(text.to_owned())),
        Operand::Text(text) => Computed::Value(Value::Text(text.to_owned())),
        Operand::Moment(micros) => Computed::Value(Value::Timestamp(micros)),
    })
}

impl Value {
    /// Itself, unless it is a floating number that no digits can write.
    fn finite(self) -> Option<Self> {
        match self {
            Value::Double(number) if !number.is_finite() => None,
            other => Some(other),
        }
    }
}

/// A value, taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operand<'a> {
    Null,
    Bool(bool),
    Whole(i128),
    Double(f64),
    Decimal(&'a str),
    Text(&'a str),
    Moment(i64),
}

impl<'a> Operand<'a> {
    /// `None` for lists and whatever else cannot stand beside a value.
    pub(super) fn of(value: &'a dyn Val) -> Option<Self> {
        if let Some(text) = value.downcast_ref::<CelString<'_>>() {
            return Some(Operand::Text(text.inner()));
        }
        if let Some(number) = value.downcast_ref::<CelInt>() {
            return Some(Operand::Whole(i128::from(*number.inner())));
        }
        if value.downcast_ref::<CelNull>().is_some() {
            return Some(Operand::Null);
        }
        if let Some(number) = value.downcast_ref::<CelUInt>() {
            return Some(Operand::Whole(i128::from(*number.inner())));
        }
        if let Some(number) = value.downcast_ref::<CelDouble>() {
            return Some(Operand::Double(*number.inner()));
        }
        if let Some(flag) = value.downcast_ref::<CelBool>() {
            return Some(Operand::Bool(*flag.inner()));
        }
        if let Some(decimal) = value.downcast_ref::<Decimal>() {
            return Some(Operand::Decimal(&decimal.0));
        }
        let moment = value.downcast_ref::<Moment>()?;
        Some(Operand::Moment(moment.0))
    }
}

/// The order of two values; `None` when they have none: they are never taken for unequal because
/// their types differ. NULL equals NULL alone, and has no order otherwise.
pub(super) fn compare(left: &dyn Val, right: &dyn Val) -> Option<Ordering> {
    let (left, right) = (Operand::of(left)?, Operand::of(right)?);
    match (left, right) {
        (Operand::Null, Operand::Null) => Some(Ordering::Equal),
        (Operand::Bool(left), Operand::Bool(right)) => Some(left.cmp(&right)),
        (Operand::Whole(left), Operand::Whole(right)) => Some(left.cmp(&right)),
        (Operand::Double(left), Operand::Double(right)) => left.partial_cmp(&right),
        (Operand::Text(left), Operand::Text(right)) => Some(left.cmp(right)),
        (Operand::Moment(left), Operand::Moment(right)) => Some(left.cmp(&right)),
        (Operand::Moment(left), Operand::Text(right)) => Some(left.cmp(&parse_moment(right)?)),
        (Operand::Text(left), Operand::Moment(right)) => Some(parse_moment(left)?.cmp(&right)),
        (left, right) => {
            let (left, right) = (digits(left)?, digits(right)?);
            compare_digits(&left, &right)
        }
    }
}

/// Whether two values are the same; a value and NULL are not.
pub(super) fn are_equal(left: &dyn Val, right: &dyn Val) -> Option<bool> {
    match (Operand::of(left)?, Operand::of(right)?) {
        (Operand::Null, Operand::Null) => Some(true),
        (Operand::Null, _) | (_, Operand::Null) => Some(false),
        _ => compare(left, right).map(Ordering::is_eq),
    }
}

/// A number written out: of a floating one the shortest digits that name it, so that 99.9 beside a
/// DECIMAL is 99.9.
fn digits(operand: Operand<'_>) -> Option<String> {
    match operand {
        Operand::Whole(number) => Some(number.to_string()),
        Operand::Double(number) if number.is_finite() => Some(number.to_string()),
        Operand::Decimal(text) => Some(text.to_owned()),
        _ => None,
    }
}

/// Compares two numbers written out without exponents, digit by digit.
fn compare_digits(left: &str, right: &str) -> Option<Ordering> {
    let ((left_minus, left), (right_minus, right)) = (parts(left)?, parts(right)?);
    let zero = |(whole, fraction): (&str, &str)| whole.is_empty() && fraction.is_empty();
    let (left_minus, right_minus) = (left_minus && !zero(left), right_minus && !zero(right));
    if left_minus != right_minus {
        return Some(right_minus.cmp(&left_minus));
    }
    let whole = left.0.len().cmp(&right.0.len()).then(left.0.cmp(right.0));
    // Fractions without the zeros behind them compare as texts: "5" is more than "49".
    let size = whole.then_with(|| left.1.cmp(right.1));
    Some(if left_minus { size.reverse() } else { size })
}

type Parts<'a> = (bool, (&'a str, &'a str));

/// Sign, whole part and fraction, without the zeros that mean nothing.
fn parts(number: &str) -> Option<Parts<'_>> {
    let text = number.strip_prefix(['-', '+']).unwrap_or(number);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    (plain(whole) && plain(fraction)).then(|| {
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        (number.starts_with('-'), (whole, fraction))
    })
}
