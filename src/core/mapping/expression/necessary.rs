//! What SQL can say of an expression: a condition that holds for every row of which the expression
//! is true, or cannot be worked out. Rows without it are those of which it is certainly false.
//!
//! It may hold for more rows: the expression itself is asked again. So a comparison of texts may go
//! by a collation, which finds at least what is equal letter by letter, and whatever SQL would say
//! otherwise is left out.

use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, Expr, LiteralValue};
use cel::parser::Expression as Tree;

use super::read::{Parsed, column_name};
use crate::core::schema::ColumnKind;

/// Tells what kind of column a name is.
type KindOf<'k> = dyn Fn(&str) -> Option<&'k ColumnKind> + 'k;

/// The condition, if there is one that leaves anything out.
pub(in crate::core::mapping) fn necessary(parsed: &Parsed, kind_of: &KindOf<'_>) -> Option<String> {
    of_part(&parsed.tree, kind_of)
}

fn of_part(tree: &Tree, kind_of: &KindOf<'_>) -> Option<String> {
    let Expr::Call(call) = &tree.expr else {
        return None;
    };
    let CallExpr {
        func_name,
        target: None,
        args,
    } = call
    else {
        return None;
    };
    let [left, right] = args.as_slice() else {
        return None;
    };
    match func_name.as_str() {
        // A side that is false decides, whatever the other one is.
        op::LOGICAL_AND => match (of_part(left, kind_of), of_part(right, kind_of)) {
            (Some(left), Some(right)) => Some(format!("({left} AND {right})")),
            (one, other) => one.or(other),
        },
        op::LOGICAL_OR => {
            let (left, right) = (of_part(left, kind_of)?, of_part(right, kind_of)?);
            Some(format!("({left} OR {right})"))
        }
        op::IN => among(left, right, kind_of),
        name => comparison(name, left, right, kind_of)
            .or_else(|| comparison(turned(name)?, right, left, kind_of)),
    }
}

/// A comparison of a column with a literal.
fn comparison(name: &str, column: &Tree, literal: &Tree, kind_of: &KindOf<'_>) -> Option<String> {
    let (column, kind) = known(column, kind_of)?;
    let is_null = matches!(literal.expr, Expr::Literal(LiteralValue::Null));
    match (name, kind) {
        (op::EQUALS, _) if is_null => Some(format!("{column} IS NULL")),
        (op::NOT_EQUALS, _) if is_null => Some(format!("{column} IS NOT NULL")),
        (_, Compared::Number) => {
            let sign = match name {
                op::EQUALS => "=",
                op::NOT_EQUALS => "<>",
                op::LESS => "<",
                op::LESS_EQUALS => "<=",
                op::GREATER => ">",
                op::GREATER_EQUALS => ">=",
                _ => return None,
            };
            Some(or_null(&column, &format!("{sign} {}", integer(literal)?)))
        }
        (op::EQUALS, Compared::Text) => Some(or_null(&column, &format!("= {}", text(literal)?))),
        (_, Compared::Text) => None,
    }
}

/// A column among the literals of a list.
fn among(column: &Tree, list: &Tree, kind_of: &KindOf<'_>) -> Option<String> {
    let (column, kind) = known(column, kind_of)?;
    let Expr::List(list) = &list.expr else {
        return None;
    };
    let literal = match kind {
        Compared::Number => integer,
        Compared::Text => text,
    };
    let members = list.elements.iter().map(literal);
    let members = members.collect::<Option<Vec<String>>>()?;
    if members.is_empty() {
        return None;
    }
    Some(or_null(&column, &format!("IN ({})", members.join(", "))))
}

/// How a column compares, where SQL surely finds what the expression finds.
#[derive(Clone, Copy)]
enum Compared {
    Number,
    Text,
}

/// The column in SQL, and how it compares.
fn known(tree: &Tree, kind_of: &KindOf<'_>) -> Option<(String, Compared)> {
    let name = column_name(&tree.expr)?;
    let compared = match kind_of(name)? {
        ColumnKind::Integer { .. } => Compared::Number,
        ColumnKind::Text { .. } | ColumnKind::Enum { .. } => Compared::Text,
        _ => return None,
    };
    Some((format!("`{}`", name.replace('`', "``")), compared))
}

/// NULL makes a row neither one nor the other: it must be read.
fn or_null(column: &str, condition: &str) -> String {
    format!("({column} {condition} OR {column} IS NULL)")
}

fn integer(tree: &Tree) -> Option<String> {
    match &tree.expr {
        Expr::Literal(LiteralValue::Int(number)) => Some(number.inner().to_string()),
        Expr::Literal(LiteralValue::UInt(number)) => Some(number.inner().to_string()),
        Expr::Call(call) if call.func_name == op::NEGATE => match call.args.as_slice() {
            [number] => match &number.expr {
                Expr::Literal(LiteralValue::Int(number)) => Some(format!("-{}", number.inner())),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// Plain letters only: every charset of a column has them, and no mode of the server reads them
/// otherwise.
fn text(tree: &Tree) -> Option<String> {
    let Expr::Literal(LiteralValue::String(text)) = &tree.expr else {
        return None;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '@');
    let text = text.inner();
    text.chars().all(plain).then(|| format!("'{text}'"))
}

fn turned(name: &str) -> Option<&'static str> {
    Some(match name {
        op::EQUALS => op::EQUALS,
        op::NOT_EQUALS => op::NOT_EQUALS,
        op::LESS => op::GREATER,
        op::LESS_EQUALS => op::GREATER_EQUALS,
        op::GREATER => op::LESS,
        op::GREATER_EQUALS => op::LESS_EQUALS,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, sql: Option<&str>) {
        let number = ColumnKind::Integer {
            bytes: 4,
            unsigned: false,
        };
        let text = ColumnKind::Text { max_chars: 40 };
        let day = ColumnKind::Date;
        let parsed = super::super::parse(source).expect(source);
        let kind_of = |name: &str| match name {
            "n" | "m" => Some(&number),
            "t" | "odd`name" => Some(&text),
            "day" => Some(&day),
            _ => None,
        };
        assert_eq!(necessary(&parsed, &kind_of).as_deref(), sql, "{source}");
    }

    #[test]
    fn comparisons_with_literals_are_said_in_sql_and_null_is_read() {
        check("n > 5", Some("(`n` > 5 OR `n` IS NULL)"));
        check("5 > n", Some("(`n` < 5 OR `n` IS NULL)"));
        check("n != -5", Some("(`n` <> -5 OR `n` IS NULL)"));
        check("n in [1, 2]", Some("(`n` IN (1, 2) OR `n` IS NULL)"));
        check("t == 'Gold'", Some("(`t` = 'Gold' OR `t` IS NULL)"));
        check("n != null", Some("`n` IS NOT NULL"));
        check("t == null", Some("`t` IS NULL"));
    }

    #[test]
    fn what_is_and_needs_one_side_and_what_is_or_needs_both() {
        check(
            "n != null && n > 5",
            Some("(`n` IS NOT NULL AND (`n` > 5 OR `n` IS NULL))"),
        );
        check(
            "n > 5 && t.startsWith('a')",
            Some("(`n` > 5 OR `n` IS NULL)"),
        );
        check(
            "n > 5 || m < 1",
            Some("((`n` > 5 OR `n` IS NULL) OR (`m` < 1 OR `m` IS NULL))"),
        );
        check("n > 5 || t.startsWith('a')", None);
    }

    #[test]
    fn what_sql_may_see_otherwise_is_not_said() {
        for source in [
            "t != 'Gold'",
            "t > 'a'",
            "t == 'it\\'s'",
            "t == 'Žofie'",
            "n > 5.5",
            "n > m",
            "!(n > 5)",
            "day == null",
            "n in []",
            "unknown > 5",
        ] {
            check(source, None);
        }
    }
}
