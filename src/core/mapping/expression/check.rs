//! Whether an expression fits its table: every column and function known, every operator between
//! types that it takes. What passes can fail only for a row's own values.
//!
//! On the way the tree is made ready to be evaluated: columns become places, comparisons and
//! functions become ours.

use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, Expr, LiteralValue};
use cel::parser::Expression as Tree;

use super::functions::{self, FUNCTIONS, Function, Gives, Takes};
use super::kinds::Type;
use super::read::{Fault, Parsed, Places, column_name};
use super::values::parse_moment;
use super::{Expression, Use};
use crate::core::mapping::nearest;

/// Parts within parts: evaluating goes as deep, on stacks of 2 MiB.
const DEEPEST: usize = 40;

/// Why a name is no column that an expression can use.
#[derive(Debug)]
pub(in crate::core::mapping) struct ColumnFault {
    /// Reads behind the place: `unknown column "x"`.
    pub(in crate::core::mapping) text: String,
    pub(in crate::core::mapping) remedy: String,
    /// There is no such column.
    pub(in crate::core::mapping) is_unknown: bool,
}

/// Gives a column's place among the plan's, and its type.
type FindColumn<'a> = dyn FnMut(&str) -> Result<(usize, Type), ColumnFault> + 'a;

/// Which kind of mistake a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core::mapping) enum Concerns {
    Form,
    Column,
    Types,
}

/// Checks an expression; `column` gives a column's place among the plan's, and its type.
///
/// # Errors
/// Every mistake in it.
pub(in crate::core::mapping) fn compile(
    parsed: Parsed,
    column: &mut FindColumn<'_>,
) -> Result<Expression, Vec<(Concerns, Fault)>> {
    let Parsed { mut tree, places } = parsed;
    let mut check = Check {
        places,
        column,
        uses: Vec::new(),
        faults: Vec::new(),
    };
    let gives = check.part(&mut tree, 0);
    let Check { uses, faults, .. } = check;
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Expression { tree, gives, uses })
}

struct Check<'c, 'f> {
    places: Places,
    column: &'c mut FindColumn<'f>,
    uses: Vec<Use>,
    faults: Vec<(Concerns, Fault)>,
}

impl Check<'_, '_> {
    fn fault(
        &mut self,
        id: u64,
        concerns: Concerns,
        text: &str,
        remedy: impl Into<String>,
    ) -> Type {
        let fault = Fault {
            text: format!("{}: {text}", self.places.of(id)),
            remedy: remedy.into(),
        };
        self.faults.push((concerns, fault));
        Type::Any
    }

    fn part(&mut self, tree: &mut Tree, depth: usize) -> Type {
        if depth > DEEPEST {
            let text = format!("more than {DEEPEST} parts stand within each other");
            let remedy = "write it flatter, or work it out in MySQL by a generated column";
            return self.fault(tree.id, Concerns::Form, &text, remedy);
        }
        if let Some(name) = column_name(&tree.expr) {
            let name = name.to_owned();
            return self.use_column(tree, &name);
        }
        let id = tree.id;
        match &mut tree.expr {
            Expr::Literal(literal) => self.literal(id, literal),
            Expr::List(list) => {
                let mut kind = Type::Null;
                for member in &mut list.elements {
                    let (member_id, own) = (member.id, self.part(member, depth + 1));
                    kind = match kind.or(&own) {
                        Some(kind) => kind,
                        // Numbers compare with each other whatever their types.
                        None if kind.is_number() && own.is_number() => Type::Decimal,
                        None => {
                            let text = format!("the list holds {kind} and {own}");
                            let remedy = "keep to one type in a list";
                            self.fault(member_id, Concerns::Types, &text, remedy)
                        }
                    };
                }
                Type::List(Box::new(kind))
            }
            Expr::Call(call) => self.call(id, call, depth),
            Expr::Select(select) => {
                let text = format!("{:?} cannot be taken out of a value", select.field);
                let remedy = "columns stand alone: column, row.column or row[\"column\"]";
                self.fault(id, Concerns::Form, &text, remedy)
            }
            Expr::Ident(_)
            | Expr::Unspecified
            | Expr::Comprehension(_)
            | Expr::Map(_)
            | Expr::Struct(_) => {
                let remedy = "use columns, constants, operators, lists and the functions of \
                              docs/mapping.md";
                self.fault(
                    id,
                    Concerns::Form,
                    "expressions here have no such form",
                    remedy,
                )
            }
        }
    }

    fn use_column(&mut self, tree: &mut Tree, name: &str) -> Type {
        match (self.column)(name) {
            Ok((index, kind)) => {
                let known = self.uses.iter().position(|used| used.index == index);
                let place = known.unwrap_or_else(|| {
                    self.uses.push(Use {
                        index,
                        name: name.to_owned(),
                        kind: kind.clone(),
                    });
                    self.uses.len() - 1
                });
                tree.expr = Expr::Ident(place.to_string());
                kind
            }
            Err(fault) => {
                let concerns = if fault.is_unknown {
                    Concerns::Column
                } else {
                    Concerns::Types
                };
                self.fault(tree.id, concerns, &fault.text, fault.remedy)
            }
        }
    }

    fn literal(&mut self, id: u64, literal: &LiteralValue) -> Type {
        match literal {
            LiteralValue::Boolean(_) => Type::Bool,
            LiteralValue::Double(_) => Type::Double,
            LiteralValue::Int(_) => Type::Int,
            LiteralValue::UInt(_) => Type::Uint,
            LiteralValue::String(_) => Type::Text,
            LiteralValue::Null => Type::Null,
            LiteralValue::Bytes(_) => {
                let remedy = "write a text, without the b in front";
                self.fault(id, Concerns::Types, "bytes are not known here", remedy)
            }
        }
    }

    fn call(&mut self, id: u64, call: &mut CallExpr, depth: usize) -> Type {
        if let Some(target) = call.target.take() {
            call.args.insert(0, *target);
            return self.function(id, call, true, depth);
        }
        let kinds: Vec<Type> = match call.func_name.as_str() {
            op::LOGICAL_AND
            | op::LOGICAL_OR
            | op::LOGICAL_NOT
            | op::CONDITIONAL
            | op::NEGATE
            | op::ADD
            | op::SUBSTRACT
            | op::MULTIPLY
            | op::DIVIDE
            | op::MODULO => call
                .args
                .iter_mut()
                .map(|arg| self.part(arg, depth + 1))
                .collect(),
            name if functions::comparison(name).is_some() => {
                return self.comparison(id, call, depth);
            }
            op::INDEX => {
                let remedy = "columns with odd names are row[\"the column\"]";
                return self.fault(id, Concerns::Form, "nothing here can be indexed", remedy);
            }
            _ => return self.function(id, call, false, depth),
        };
        match (call.func_name.as_str(), kinds.as_slice()) {
            (op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT, kinds) => {
                for (arg, kind) in call.args.iter().zip(kinds) {
                    self.expect_bool(arg.id, kind);
                }
                Type::Bool
            }
            (op::CONDITIONAL, [condition, then, other]) => {
                self.expect_bool(call.args.first().map_or(id, |arg| arg.id), condition);
                then.or(other).unwrap_or_else(|| {
                    let text = format!("gives {then} or {other}");
                    self.fault(
                        id,
                        Concerns::Types,
                        &text,
                        "let both sides of : have one type",
                    )
                })
            }
            (op::NEGATE, [kind]) => match kind {
                Type::Int | Type::Double | Type::Any => kind.clone(),
                _ => self.no_operator(id, "-", kind, kind),
            },
            (name, [left, right]) => self.arithmetic(id, name, left, right),
            _ => self.fault(id, Concerns::Form, "cannot be read", "see docs/mapping.md"),
        }
    }

    fn expect_bool(&mut self, id: u64, kind: &Type) {
        let remedy = match kind {
            Type::Bool | Type::Any => return,
            Type::Int | Type::Uint => "write column == 1 or column != 0: MySQL's BOOL is a number",
            Type::Null => "write column == null",
            _ => "compare it with something",
        };
        let text = format!("true or false is needed, not {kind}");
        self.fault(id, Concerns::Types, &text, remedy);
    }

    fn arithmetic(&mut self, id: u64, name: &str, left: &Type, right: &Type) -> Type {
        let sign = sign_of(name);
        let kind = match left.or(right) {
            Some(kind) if *left != Type::Null && *right != Type::Null => kind,
            _ => return self.no_operator(id, sign, left, right),
        };
        let takes = match kind {
            Type::Any | Type::Int | Type::Uint => true,
            Type::Double => name != op::MODULO,
            Type::Text => name == op::ADD,
            _ => false,
        };
        if takes {
            kind
        } else {
            self.no_operator(id, sign, left, right)
        }
    }

    fn no_operator(&mut self, id: u64, sign: &str, left: &Type, right: &Type) -> Type {
        let remedy = match (left, right) {
            (Type::Text, other) | (other, Type::Text) if *other != Type::Text => {
                "write string(…) around what is no text, or use a template"
            }
            (Type::Null, _) | (_, Type::Null) => "null cannot be worked with: coalesce(column, …)",
            (Type::Decimal, _) | (_, Type::Decimal) => {
                "DECIMAL is compared only; work it out in MySQL, or write double(…)"
            }
            (Type::Moment, _) | (_, Type::Moment) => {
                "dates are compared only; work it out in MySQL by a generated column"
            }
            _ => "both sides must have one type: int(…), double(…), or 2.0 for 2",
        };
        let text = if left == right {
            format!("{sign} does not take {left}")
        } else {
            format!("{sign} does not take {left} and {right}")
        };
        self.fault(id, Concerns::Types, &text, remedy)
    }

    fn comparison(&mut self, id: u64, call: &mut CallExpr, depth: usize) -> Type {
        let operator = call.func_name.clone();
        let kinds: Vec<Type> = call
            .args
            .iter_mut()
            .map(|arg| self.part(arg, depth + 1))
            .collect();
        if let Some(own) = functions::comparison(&operator) {
            own.clone_into(&mut call.func_name);
        }
        let [left, right] = kinds.as_slice() else {
            return Type::Bool;
        };
        match operator.as_str() {
            op::IN => self.membership(id, left, right),
            op::EQUALS | op::NOT_EQUALS if left.is_comparable(right) => {}
            op::EQUALS | op::NOT_EQUALS => self.no_comparison(id, left, right),
            _ => {
                let has_order = |kind: &Type| !matches!(kind, Type::Bool | Type::Null);
                if !has_order(left) || !has_order(right) || !left.is_comparable(right) {
                    self.no_comparison(id, left, right);
                }
            }
        }
        self.moments(&call.args, left, right);
        Type::Bool
    }

    fn membership(&mut self, id: u64, left: &Type, right: &Type) {
        match right {
            Type::List(member) if left.is_comparable(member) => {}
            Type::List(member) => self.no_comparison(id, left, member),
            Type::Any => {}
            other => {
                let text = format!("in needs a list, not {other}");
                let remedy = "write column in [\"a\", \"b\"]; a SET column is a list, too";
                self.fault(id, Concerns::Types, &text, remedy);
            }
        }
    }

    fn no_comparison(&mut self, id: u64, left: &Type, right: &Type) {
        let text = format!("{left} cannot be compared with {right}");
        let remedy = match (left, right) {
            (Type::Bool, Type::Int | Type::Uint) | (Type::Int | Type::Uint, Type::Bool) => {
                "write 1 for true and 0 for false: MySQL's BOOL is a number"
            }
            (Type::Null, _) | (_, Type::Null) => "null has no order: write column != null && …",
            (Type::Text, _) => "write the other side as text, in quotes, or string(…) around it",
            (_, Type::Text) => "write a constant of the column's type, without quotes",
            (Type::List(_), _) | (_, Type::List(_)) => "write \"label\" in column",
            _ => "compare values of one type",
        };
        self.fault(id, Concerns::Types, &text, remedy);
    }

    /// Texts that stand where a moment is compared must be moments.
    fn moments(&mut self, args: &[Tree], left: &Type, right: &Type) {
        let of_moments = |kind: &Type| match kind {
            Type::List(member) => **member == Type::Moment,
            kind => *kind == Type::Moment,
        };
        if !of_moments(left) && !of_moments(right) {
            return;
        }
        let parts = args.iter().flat_map(|arg| match &arg.expr {
            Expr::List(list) => list.elements.iter().collect(),
            _ => vec![arg],
        });
        let bad: Vec<u64> = parts
            .filter_map(|part| match &part.expr {
                Expr::Literal(LiteralValue::String(text)) => {
                    parse_moment(text.inner()).is_none().then_some(part.id)
                }
                _ => None,
            })
            .collect();
        for id in bad {
            let text = "the text is no date or time";
            let remedy = "write \"2026-01-31\" or \"2026-01-31T10:00:00Z\"";
            self.fault(id, Concerns::Types, text, remedy);
        }
    }

    fn function(&mut self, id: u64, call: &mut CallExpr, is_method: bool, depth: usize) -> Type {
        let kinds: Vec<(u64, Type)> = call
            .args
            .iter_mut()
            .map(|arg| (arg.id, self.part(arg, depth + 1)))
            .collect();
        let named = FUNCTIONS
            .iter()
            .filter(|known| known.name == call.func_name);
        let Some(function) = named.clone().find(|known| known.is_method == is_method) else {
            return self.unknown_function(id, &call.func_name, named.clone().next());
        };
        if !(function.fewest..=function.takes.len()).contains(&kinds.len()) {
            let text = format!("{} takes another number of arguments", function.name);
            return self.fault(id, Concerns::Form, &text, usage(function));
        }
        call.func_name = functions::internal_name(function.name);
        let mut common = Type::Null;
        for ((id, kind), takes) in kinds.iter().zip(function.takes) {
            if !takes.accepts(kind) {
                let text = format!("{} does not take {kind}", function.name);
                self.fault(*id, Concerns::Types, &text, usage(function));
            }
            common = common.or(kind).unwrap_or_else(|| {
                if matches!(function.gives, Gives::Common) {
                    let text = format!("{} takes values of one type", function.name);
                    self.fault(*id, Concerns::Types, &text, usage(function));
                }
                Type::Any
            });
        }
        match &function.gives {
            Gives::Always(kind) => kind.clone(),
            Gives::Common => common,
        }
    }

    fn unknown_function(&mut self, id: u64, name: &str, other: Option<&Function>) -> Type {
        let remedy = match other {
            Some(other) => usage(other),
            None => match nearest(name, FUNCTIONS.iter().map(|function| function.name)) {
                Some(near) => format!("did you mean {near:?}?"),
                None if matches!(name, "matches" | "all" | "exists" | "map" | "filter") => {
                    "what may cost any time is left out; work it out in MySQL".to_owned()
                }
                None => {
                    let mut names: Vec<&str> = FUNCTIONS.iter().map(|known| known.name).collect();
                    names.dedup();
                    format!("there are {}", names.join(", "))
                }
            },
        };
        let text = match other {
            Some(_) => format!("{name} is called another way"),
            None => format!("unknown function {name:?}"),
        };
        self.fault(id, Concerns::Form, &text, remedy)
    }
}

fn sign_of(operator: &str) -> &'static str {
    match operator {
        op::ADD => "+",
        op::SUBSTRACT => "-",
        op::MULTIPLY => "*",
        op::DIVIDE => "/",
        _ => "%",
    }
}

fn usage(function: &Function) -> String {
    let words = |takes: &Takes| match takes {
        Takes::Text => "text",
        Takes::Int => "number",
        Takes::Scalar | Takes::Anything => "value",
        Takes::TextOrNumber => "text or number",
        Takes::TextOrMoment => "text",
    };
    let takes: Vec<&str> = function.takes.iter().map(words).collect();
    match takes.split_first() {
        Some((first, rest)) if function.is_method => {
            format!("write {first}.{}({})", function.name, rest.join(", "))
        }
        _ => format!("write {}({})", function.name, takes.join(", ")),
    }
}

impl Takes {
    fn accepts(self, kind: &Type) -> bool {
        let is_scalar = !matches!(kind, Type::List(_) | Type::Null);
        *kind == Type::Any
            || match self {
                Takes::Text => *kind == Type::Text,
                Takes::Int => *kind == Type::Int,
                Takes::Scalar => is_scalar,
                Takes::TextOrNumber => *kind == Type::Text || kind.is_number(),
                Takes::TextOrMoment => matches!(kind, Type::Text | Type::Moment),
                Takes::Anything => !matches!(kind, Type::List(_)),
            }
    }
}
