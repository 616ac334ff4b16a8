//! A preview for a person: 80 columns wide, one block for a route. Values stand as JSON, because
//! that is what would be sent, and so that no value can steer the terminal.

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::{RouteReport, Said};
use crate::runtime::preview::{Fate, FieldReport, RowReport};

/// As wide as a terminal is at least.
const WIDTH: usize = 80;
/// A field's name and a value get what is left beside the column's name, and no more.
const NAME_WIDTH: usize = 24;
const VALUE_WIDTH: usize = 32;

pub(super) fn route(report: &RouteReport) -> String {
    let mut lines = vec![format!(
        "route {}: {} to {} by {}",
        report.route, report.table, report.object, report.external_id
    )];
    for failure in &report.failures {
        said("failed", failure, &mut lines);
    }
    if !report.failures.is_empty() {
        lines.push("no row was looked at".to_owned());
        return lines.join("\n");
    }
    for warning in &report.warnings {
        said("warning", warning, &mut lines);
    }
    let judged = &report.judged;
    lines.push(match judged.rows_read {
        0 => "the table is empty".to_owned(),
        read => format!(
            "{read} newest rows: {} would be sent, {} rejected, {} left out by `where`",
            judged.would_send, judged.would_reject, judged.left_out
        ),
    });
    for row in &judged.rows {
        lines.push(String::new());
        show_row(row, &mut lines);
    }
    lines.join("\n")
}

fn said(word: &str, said: &Said, lines: &mut Vec<String>) {
    wrap(&format!("{word}[{}] {}", said.page, said.text), 0, lines);
    wrap(&format!("remedy: {}", said.remedy), 2, lines);
}

fn show_row(row: &RowReport, lines: &mut Vec<String>) {
    let key = match &row.key {
        Json::String(text) => printable(text),
        other => printable(&other.to_string()),
    };
    let fate = match row.fate {
        Fate::Send => "would be sent",
        Fate::Reject => "would be REJECTED before a call",
        Fate::LeaveOut => "would be left out by `where`",
    };
    lines.push(cut(&format!("key {key}: {fate}"), WIDTH));
    for problem in &row.problems {
        let mut text = format!("{}: {}", problem.code, problem.text);
        if !problem.columns.is_empty() {
            text.push_str(&format!(" (column {})", problem.columns.join(", ")));
        }
        wrap(&text, 2, lines);
        wrap(&format!("remedy: {}", problem.remedy), 4, lines);
    }
    let widest = |width: fn(&FieldReport) -> usize, most: usize| {
        row.fields.iter().map(width).max().unwrap_or(0).min(most)
    };
    let names = widest(|it| it.field.chars().count(), NAME_WIDTH);
    let values = widest(|it| shown(&it.value).chars().count(), VALUE_WIDTH);
    for field in &row.fields {
        let name = pad(&cut(&field.field, NAME_WIDTH), names);
        let value = pad(&cut(&shown(&field.value), VALUE_WIDTH), values);
        let line = format!("  {name}  {value}  <- {}", printable(&field.from));
        lines.push(cut(&line, WIDTH));
    }
}

fn shown(value: &RawValue) -> String {
    printable(value.get())
}

/// JSON escapes the control characters of ASCII only; a terminal obeys others too, and some turn
/// the text's direction.
fn printable(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) {
            printable.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            printable.push(c);
        }
    }
    printable
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

/// Breaks between words; what follows the first line stands two further in.
fn wrap(text: &str, indent: usize, lines: &mut Vec<String>) {
    let mut line = " ".repeat(indent);
    let mut is_empty = true;
    for word in printable(text).split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent + 2)));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::preview::ProblemReport;

    fn row(value: Json) -> RowReport {
        RowReport {
            key: "7".into(),
            fate: Fate::Reject,
            fields: vec![FieldReport {
                field: "FirstName".to_owned(),
                from: "first_name".to_owned(),
                value: serde_json::value::to_raw_value(&value).unwrap(),
            }],
            problems: vec![ProblemReport {
                code: "REQUIRED_FIELD_MISSING".to_owned(),
                text: "LastName is required, and the column is empty".to_owned(),
                fields: vec!["LastName".to_owned()],
                columns: vec!["last_name".to_owned()],
                remedy: "fill the column, give the field a default in the route, or take what \
                         requires it out of Salesforce"
                    .to_owned(),
            }],
        }
    }

    fn lines(row: &RowReport) -> Vec<String> {
        let mut lines = Vec::new();
        show_row(row, &mut lines);
        lines
    }

    #[test]
    fn a_row_reads_well_in_80_columns() {
        assert_eq!(
            lines(&row("Ada".into())),
            [
                "key 7: would be REJECTED before a call",
                "  REQUIRED_FIELD_MISSING: LastName is required, and the column is empty (column",
                "    last_name)",
                "    remedy: fill the column, give the field a default in the route, or take what",
                "      requires it out of Salesforce",
                "  FirstName  \"Ada\"  <- first_name",
            ]
        );
        for line in lines(&row("x".repeat(500).into())) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn no_value_steers_the_terminal() {
        for (value, text) in [
            ("\u{1b}[2J", "\"\\u001b[2J\""),
            ("\u{9b}2J", "\"\\u009b2J\""),
            ("a\u{202e}b", "\"a\\u202eb\""),
        ] {
            let lines = lines(&row(value.into()));
            assert!(lines[5].contains(text), "{lines:?}");
        }
        let mut key = row(Json::Null);
        key.key = "\u{1b}[2J".into();
        assert!(!lines(&key)[0].contains('\u{1b}'));
    }
}
