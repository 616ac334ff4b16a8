//! Text to tree, with the bounds that keep reading and evaluating cheap, and mistakes in words of
//! ours: the place in the expression, what is wrong, what may have been meant.

use cel::Env;
use cel::common::ast::Expr;
use cel::parser::Expression as Tree;

/// Longest expression, in bytes: a screen full.
const LONGEST: usize = 2_000;
/// Brackets within brackets. The reader nests a dozen calls for each, on stacks of 2 MiB.
const DEEPEST_BRACKETS: usize = 20;
const DEEPEST_READ: u16 = 40;

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Starts with its place: `column 7: …`.
    pub text: String,
    pub remedy: String,
}

/// An expression that can be read; whether it fits a table is another question.
#[derive(Debug)]
pub struct Parsed {
    pub(super) tree: Tree,
    pub(super) places: Places,
}

/// Where the parts of an expression stand.
#[derive(Debug)]
pub(super) struct Places {
    source: String,
    info: cel::common::ast::SourceInfo,
}

impl Places {
    /// `column 7`, or `line 2, column 7` in an expression of several lines.
    pub(super) fn of(&self, id: u64) -> String {
        let offset = self.info.offset_for(id).map_or(0, |(start, _)| start);
        let offset = usize::try_from(offset).unwrap_or_default();
        let before: &str = self.source.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        place(line, column, self.source.contains('\n'))
    }
}

fn place(line: usize, column: usize, several: bool) -> String {
    if several {
        format!("line {line}, column {column}")
    } else {
        format!("column {column}")
    }
}

/// Reads an expression.
///
/// # Errors
/// The first thing that is wrong with its form.
pub fn parse(source: &str) -> Result<Parsed, Fault> {
    check_bounds(source)?;
    let parser = Env::default()
        .with_optional_support(false)
        .parser()
        .max_recursion_depth(DEEPEST_READ);
    let (tree, info) = parser
        .parse_with_source_info(source)
        .map_err(|errors| first_fault(source, &errors))?;
    let places = Places {
        source: source.to_owned(),
        info,
    };
    Ok(Parsed { tree, places })
}

fn check_bounds(source: &str) -> Result<(), Fault> {
    if source.trim().is_empty() {
        return Err(Fault {
            text: "the expression is empty".to_owned(),
            remedy: "write one, or leave the key out".to_owned(),
        });
    }
    if source.len() > LONGEST {
        return Err(Fault {
            text: format!("the expression has more than {LONGEST} bytes"),
            remedy: "work it out in MySQL, by a generated column".to_owned(),
        });
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > DEEPEST_BRACKETS {
        return Err(Fault {
            text: format!("more than {DEEPEST_BRACKETS} brackets stand within each other"),
            remedy: "write it flatter, or work it out in MySQL".to_owned(),
        });
    }
    Ok(())
}

fn first_fault(source: &str, errors: &cel::ParseErrors) -> Fault {
    let first = errors.errors.iter().min_by_key(|error| error.pos);
    let Some(error) = first else {
        return Fault {
            text: "the expression cannot be read".to_owned(),
            remedy: REMEDY.to_owned(),
        };
    };
    let number = |at: isize| usize::try_from(at).unwrap_or(1).max(1);
    let (line, column) = (number(error.pos.0), number(error.pos.1));
    let several = source.contains('\n');
    let message = error.msg.strip_prefix("Syntax error: ");
    let message = message.unwrap_or(&error.msg);
    // The parser goes on to list every symbol that could stand there.
    let message = message
        .split(" expecting ")
        .next()
        .unwrap_or(message)
        .replace("'<EOF>'", "the end");
    let message = message
        .replace("mismatched input", "not expected here:")
        .replace("extraneous input", "not expected here:")
        .replace("token recognition error at:", "cannot be read:");
    let rest = source.lines().nth(line - 1).unwrap_or_default();
    let rest: String = rest.chars().skip(column - 1).collect();
    Fault {
        text: format!("{}: {}", place(line, column, several), message.trim()),
        remedy: hint(rest.trim_start()).unwrap_or(REMEDY).to_owned(),
    }
}

const REMEDY: &str = "write a CEL expression: column == \"text\" && other > 5";

/// What people who know another language write.
fn hint(rest: &str) -> Option<&'static str> {
    let word: String = rest
        .chars()
        .take_while(|c| c.is_ascii_alphabetic())
        .collect();
    let lower = word.to_ascii_lowercase();
    Some(match lower.as_str() {
        "and" => "write && for \"and\"",
        "or" => "write || for \"or\"",
        "not" => "write ! for \"not\"",
        "is" => "write == null or != null",
        "like" => {
            "write column.contains(\"…\"), column.startsWith(\"…\") or column.endsWith(\"…\")"
        }
        "between" => "write column >= … && column <= …",
        _ if rest.starts_with('=') => "write == to compare",
        _ if rest.starts_with('<') => "write != for \"not equal\"",
        _ if rest.starts_with(['"', '\'']) => "close the text with the quote that it begins with",
        _ if rest.starts_with('`') => "write row[\"the column\"]",
        _ if !word.is_empty() && cel_reserves(&lower) => {
            "the word is reserved; write row[\"the column\"]"
        }
        _ => return None,
    })
}

fn cel_reserves(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "package",
        "return",
        "var",
        "void",
        "while",
    ];
    WORDS.contains(&word)
}

impl Parsed {
    /// The columns that it names, each once, in their order.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.tree, &mut names);
        names
    }
}

fn collect(tree: &Tree, names: &mut Vec<String>) {
    if let Some(name) = column_name(&tree.expr) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        return;
    }
    match &tree.expr {
        Expr::Call(call) => {
            for part in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
                collect(part, names);
            }
        }
        Expr::List(list) => {
            for part in &list.elements {
                collect(part, names);
            }
        }
        // Refused by the check; their columns do not matter.
        Expr::Unspecified
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Select(_)
        | Expr::Struct(_) => {}
    }
}

/// The column that a part names: `name`, `row.name`, or `row["any name"]`.
pub(super) fn column_name(expr: &Expr) -> Option<&str> {
    use cel::common::ast::LiteralValue;
    use cel::common::ast::operators::INDEX;
    let is_row = |tree: &Tree| matches!(&tree.expr, Expr::Ident(name) if name == "row");
    match expr {
        Expr::Ident(name) => Some(name),
        Expr::Select(select) if !select.test && is_row(&select.operand) => Some(&select.field),
        Expr::Call(call) if call.func_name == INDEX => match call.args.as_slice() {
            [row, name] if is_row(row) => match &name.expr {
                Expr::Literal(LiteralValue::String(name)) => Some(name.inner()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
