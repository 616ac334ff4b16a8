//! The functions that expressions may call, and the comparisons that stand for CEL's own.
//!
//! None gives more text than it was given, and none repeats: what an expression costs grows with its
//! length and the row's, no faster.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelString, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};

use super::kinds::Type;
use super::values::{Moment, Operand, are_equal, compare, parse_moment};
use crate::core::mapping::convert::text_of;
use crate::core::value::Value;
use crate::core::value::text::double_text;

type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;
type Body = for<'b, 'v> fn(Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v>;

/// A function by the name that it is called by.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// Called as `x.name(…)`; otherwise as `name(x, …)`.
    pub(super) is_method: bool,
    /// Of each argument, `x` among them; what is left out stands behind.
    pub(super) takes: &'static [Takes],
    pub(super) fewest: usize,
    pub(super) gives: Gives,
    body: Body,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    Text,
    Int,
    /// A text, a number, a moment; true and false as well.
    Scalar,
    TextOrNumber,
    TextOrMoment,
    Anything,
}

#[derive(Clone, Debug)]
pub(super) enum Gives {
    Always(Type),
    /// What its arguments have in common.
    Common,
}

use Takes::{Anything, Int, Scalar, Text, TextOrMoment, TextOrNumber};

const fn function(
    name: &'static str,
    is_method: bool,
    takes: &'static [Takes],
    fewest: usize,
    gives: Gives,
    body: Body,
) -> Function {
    Function {
        name,
        is_method,
        takes,
        fewest,
        gives,
        body,
    }
}

const TEXT: Gives = Gives::Always(Type::Text);
const BOOL: Gives = Gives::Always(Type::Bool);

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    function("coalesce", false, &[Anything, Anything, Anything, Anything], 2, Gives::Common, coalesce),
    function("contains", true, &[Text, Text], 2, BOOL, contains),
    function("double", false, &[TextOrNumber], 1, Gives::Always(Type::Double), double),
    function("endsWith", true, &[Text, Text], 2, BOOL, ends_with),
    function("int", false, &[TextOrNumber], 1, Gives::Always(Type::Int), int),
    function("lowerAscii", true, &[Text], 1, TEXT, lower),
    function("size", false, &[Text], 1, Gives::Always(Type::Int), size),
    function("size", true, &[Text], 1, Gives::Always(Type::Int), size),
    function("startsWith", true, &[Text, Text], 2, BOOL, starts_with),
    function("string", false, &[Scalar], 1, TEXT, string),
    function("substring", true, &[Text, Int, Int], 2, TEXT, substring),
    function("timestamp", false, &[TextOrMoment], 1, Gives::Always(Type::Moment), timestamp),
    function("trim", true, &[Text], 1, TEXT, trim),
    function("upperAscii", true, &[Text], 1, TEXT, upper),
];

/// The comparison that takes the place of an operator of CEL's.
pub(super) fn comparison(operator: &str) -> Option<&'static str> {
    use cel::common::ast::operators as cel;
    Some(match operator {
        cel::EQUALS => "@equal",
        cel::NOT_EQUALS => "@unequal",
        cel::LESS => "@less",
        cel::LESS_EQUALS => "@at_most",
        cel::GREATER => "@more",
        cel::GREATER_EQUALS => "@at_least",
        cel::IN => "@among",
        _ => return None,
    })
}

const COMPARISONS: &[(&str, Body)] = &[
    ("@equal", equal),
    ("@unequal", unequal),
    ("@less", less),
    ("@at_most", at_most),
    ("@more", more),
    ("@at_least", at_least),
    ("@among", among),
];

/// What the evaluator calls a function by: names of its own have an `@`.
pub(super) fn internal_name(name: &str) -> String {
    format!("@{name}")
}

/// All of it, made once.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: OnceLock<Arc<Env>> = OnceLock::new();
    Arc::clone(ENVIRONMENT.get_or_init(|| Arc::new(declare())))
}

fn declare() -> Env {
    let mut env = Env::default().with_optional_support(false);
    let mut add = |name: &str, arguments: usize, body: Body| {
        let takes = (0..arguments).map(|_| DYN_TYPE).collect();
        // The same function twice, as function and as method, is one.
        let _ = env.add_overload(name, &format!("{name}/{arguments}"), takes, body);
    };
    for (name, body) in COMPARISONS {
        add(name, 2, *body);
    }
    for function in FUNCTIONS {
        for arguments in function.fewest..=function.takes.len() {
            add(&internal_name(function.name), arguments, function.body);
        }
    }
    env
}

/// No value: the row's own values, which an error would show, stay out of it.
fn fails<'b, 'v>(function: &str) -> Answer<'b, 'v> {
    Err(ExecutionError::function_error(function, "no value"))
}

fn truth<'b, 'v>(known: Option<bool>) -> Answer<'b, 'v> {
    match known {
        Some(flag) => Ok(CowVal::owned(CelBool::from(flag))),
        None => fails("comparison"),
    }
}

fn given<'b, 'v>(text: String) -> Answer<'b, 'v> {
    Ok(CowVal::owned(CelString::from(text)))
}

fn at<'a, 'b, 'v>(args: &'a [CowVal<'b, 'v>], index: usize) -> Option<&'a (dyn Val + 'v)> {
    args.get(index).map(AsRef::as_ref)
}

fn equality(args: &[CowVal<'_, '_>]) -> Option<bool> {
    are_equal(at(args, 0)?, at(args, 1)?)
}

/// NULL has no order, not even against NULL.
fn order(args: &[CowVal<'_, '_>]) -> Option<Ordering> {
    let (left, right) = (at(args, 0)?, at(args, 1)?);
    if Operand::of(left)? == Operand::Null {
        return None;
    }
    compare(left, right)
}

fn equal<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    truth(equality(&args))
}

fn unequal<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    truth(equality(&args).map(|same| !same))
}

fn less<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    truth(order(&args).map(Ordering::is_lt))
}

fn at_most<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    truth(order(&args).map(Ordering::is_le))
}

fn more<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    truth(order(&args).map(Ordering::is_gt))
}

fn at_least<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    truth(order(&args).map(Ordering::is_ge))
}

fn among<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let (Some(value), Some(list)) = (at(&args, 0), at(&args, 1)) else {
        return fails("in");
    };
    let Some(list) = list.downcast_ref::<CelList<'_>>() else {
        return fails("in");
    };
    // One that cannot be compared is no member only if none other is one.
    let mut known = Some(false);
    for member in list.inner() {
        match are_equal(value, member.as_ref()) {
            Some(true) => return truth(Some(true)),
            Some(false) => {}
            None => known = None,
        }
    }
    truth(known)
}

fn coalesce<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let is_null = |value: &CowVal<'b, 'v>| Operand::of(value.as_ref()) == Some(Operand::Null);
    let mut left = args;
    let last = left.pop();
    match left.into_iter().find(|value| !is_null(value)).or(last) {
        Some(value) => Ok(value),
        None => fails("coalesce"),
    }
}

fn text<'a>(args: &'a [CowVal<'_, '_>], index: usize) -> Option<&'a str> {
    match Operand::of(at(args, index)?)? {
        Operand::Text(text) => Some(text),
        _ => None,
    }
}

fn contains<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    truth(
        text(&args, 0)
            .zip(text(&args, 1))
            .map(|(all, part)| all.contains(part)),
    )
}

fn starts_with<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    truth(
        text(&args, 0)
            .zip(text(&args, 1))
            .map(|(all, part)| all.starts_with(part)),
    )
}

fn ends_with<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    truth(
        text(&args, 0)
            .zip(text(&args, 1))
            .map(|(all, part)| all.ends_with(part)),
    )
}

fn lower<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    text(&args, 0).map_or_else(
        || fails("lowerAscii"),
        |text| given(text.to_ascii_lowercase()),
    )
}

fn upper<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    text(&args, 0).map_or_else(
        || fails("upperAscii"),
        |text| given(text.to_ascii_uppercase()),
    )
}

fn trim<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    text(&args, 0).map_or_else(|| fails("trim"), |text| given(text.trim().to_owned()))
}

fn size<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let count = text(&args, 0).map(|text| text.chars().count());
    match count.and_then(|count| i64::try_from(count).ok()) {
        Some(count) => Ok(CowVal::owned(CelInt::from(count))),
        None => fails("size"),
    }
}

/// By characters from 0; a place behind the end is the end, as in most languages and unlike CEL's
/// extension: a short text is no fault of the row.
fn substring<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let place = |index: usize| match Operand::of(at(&args, index)?)? {
        Operand::Whole(number) => usize::try_from(number).ok(),
        _ => None,
    };
    let end = if args.len() > 2 {
        place(2)
    } else {
        Some(usize::MAX)
    };
    let (Some(text), Some(start), Some(end)) = (text(&args, 0), place(1), end) else {
        return fails("substring");
    };
    let length = end.saturating_sub(start);
    given(text.chars().skip(start).take(length).collect())
}

fn string<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let written = at(&args, 0)
        .and_then(Operand::of)
        .and_then(|value| match value {
            Operand::Null => None,
            Operand::Bool(flag) => Some(flag.to_string()),
            Operand::Whole(number) => Some(number.to_string()),
            Operand::Double(number) => Some(double_text(number)),
            Operand::Decimal(text) | Operand::Text(text) => Some(text.to_owned()),
            Operand::Moment(micros) => text_of(&Value::Timestamp(micros)),
        });
    written.map_or_else(|| fails("string"), given)
}

fn int<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let number = at(&args, 0)
        .and_then(Operand::of)
        .and_then(|value| match value {
            Operand::Whole(number) => i64::try_from(number).ok(),
            // Towards zero, as CEL does.
            Operand::Double(number) if number.abs() < 9.2e18 => Some(number as i64),
            Operand::Decimal(text) => text.split('.').next()?.parse().ok(),
            Operand::Text(text) => text.trim().parse().ok(),
            _ => None,
        });
    match number {
        Some(number) => Ok(CowVal::owned(CelInt::from(number))),
        None => fails("int"),
    }
}

fn double<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let number: Option<f64> = at(&args, 0)
        .and_then(Operand::of)
        .and_then(|value| match value {
            Operand::Whole(number) => Some(number as f64),
            Operand::Double(number) => Some(number),
            Operand::Decimal(text) => text.parse().ok(),
            Operand::Text(text) => text.trim().parse().ok(),
            _ => None,
        });
    match number.filter(|number| number.is_finite()) {
        Some(number) => Ok(CowVal::owned(CelDouble::from(number))),
        None => fails("double"),
    }
}

fn timestamp<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let micros = at(&args, 0)
        .and_then(Operand::of)
        .and_then(|value| match value {
            Operand::Moment(micros) => Some(micros),
            Operand::Text(text) => parse_moment(text),
            _ => None,
        });
    match micros {
        Some(micros) => Ok(CowVal::owned(Moment(micros))),
        None => fails("timestamp"),
    }
}
