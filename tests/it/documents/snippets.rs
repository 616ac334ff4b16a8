//! Blocks of TOML, JSON and SQL: read by what reads them in the product.

use std::io;
use std::path::Path;

use super::markdown::{Block, Document};
use super::{Complaint, complaint};

/// Tables of a configuration of ours.
const SECTIONS: &[&str] = &[
    "source",
    "salesforce",
    "route",
    "batch",
    "pace",
    "retry",
    "state",
    "operator",
    "log",
    "snapshot",
];

/// Documents whose TOML is another program's, with the program.
const OTHER_PROGRAMS: &[(&str, &str)] = &[("crates/salesforce-sandbox/README.md", "the sandbox")];

/// The first block of TOML: a whole configuration, in which others can stand.
pub fn first_toml(document: &Document) -> Option<toml::Table> {
    document
        .blocks
        .iter()
        .find(|block| block.language == "toml")
        .and_then(|block| block.text.parse().ok())
}

/// Blocks of TOML that cannot be read, or that the configuration's reader refuses where they
/// replace what `base` has. Each block is counted.
pub fn configurations(
    document: &Document,
    base: &toml::Table,
    looked_at: &mut usize,
) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let blocks = document.blocks.iter().filter(|block| is_toml(block));
    for block in blocks {
        *looked_at += 1;
        let refused = match block.text.parse::<toml::Table>() {
            Err(error) => Some(error.message().to_owned()),
            Ok(_)
                if OTHER_PROGRAMS
                    .iter()
                    .any(|(path, _)| *path == document.path) =>
            {
                None
            }
            Ok(table) => load(&merged(base, table)).err(),
        };
        if let Some(why) = refused {
            complaints.push(complaint(document, block.line, why));
        }
    }
    complaints
}

fn is_toml(block: &Block) -> bool {
    let first = block
        .text
        .lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .unwrap_or_default();
    let name = first
        .trim_start_matches('[')
        .split([']', '.'])
        .next()
        .unwrap_or_default();
    let is_header = first.starts_with('[') && SECTIONS.contains(&name);
    block.language == "toml" || (block.language.is_empty() && is_header)
}

/// A section of the piece goes over the base's; of routes, the piece's keys over those of the only
/// one, so that a piece need not be a whole route.
fn merged(base: &toml::Table, piece: toml::Table) -> toml::Table {
    let mut whole = base.clone();
    for (section, value) in piece {
        let route = match &value {
            toml::Value::Array(routes) => routes.first().and_then(toml::Value::as_table).cloned(),
            toml::Value::Table(table) if section == "route" => Some(table.clone()),
            _ => None,
        };
        let target = match (section.as_str(), whole.get_mut(&section)) {
            ("route", Some(toml::Value::Array(routes))) => {
                routes.first_mut().and_then(toml::Value::as_table_mut)
            }
            (_, Some(toml::Value::Table(table))) => Some(table),
            _ => None,
        };
        match (target, route.or_else(|| value.as_table().cloned())) {
            (Some(target), Some(keys)) => target.extend(keys),
            _ => {
                whole.insert(section, value);
            }
        }
    }
    whole
}

fn load(table: &toml::Table) -> Result<(), String> {
    let text = toml::to_string(table).map_err(|error| error.to_string())?;
    let held = |path: &Path| -> io::Result<String> {
        let is_pem = path
            .extension()
            .is_some_and(|it| it == "pem" || it == "key");
        Ok(if is_pem { super::PEM } else { "secret" }.to_owned())
    };
    let file = Path::new("leadstream.toml");
    match leadstream::config::load_from(Some((file, &text)), &[], &[], &held) {
        Ok(_) => Ok(()),
        Err(mistakes) => {
            let all: Vec<String> = mistakes.0.iter().map(|it| it.text()).collect();
            Err(all.join("; "))
        }
    }
}

/// Lines that are an object of JSON, and blocks that say that they are JSON, which cannot be read.
/// `…` stands for what was left out: members, or one value.
pub fn json(document: &Document) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for block in &document.blocks {
        let texts: Vec<(usize, &str)> = if block.language == "json" {
            vec![(block.line, block.text.as_str())]
        } else {
            let lines = block.text.lines().enumerate();
            lines
                .filter(|(_, line)| line.starts_with("{\"") && line.ends_with('}'))
                .map(|(number, line)| (block.line + number, line))
                .collect()
        };
        for (line, text) in texts {
            let text = [",…", ", …", "{…}", "[…]"]
                .iter()
                .zip(["", "", "{}", "[]"])
                .fold(text.to_owned(), |text, (left_out, by)| {
                    text.replace(left_out, by)
                })
                .replace(":…", ":0");
            if let Err(error) = serde_json::from_str::<serde_json::Value>(&text) {
                complaints.push(complaint(document, line, format!("no JSON: {error}")));
            }
        }
    }
    complaints
}

/// Lines of sequence diagrams that Mermaid would cut short: `;` ends a statement, `#` begins an entity.
/// And blocks that are opened and not closed.
pub fn diagrams(document: &Document) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for block in &document.blocks {
        if block.language != "mermaid" {
            continue;
        }
        let mut open = 0_i32;
        for (number, line) in block.text.lines().enumerate() {
            if line.contains([';', '#']) {
                let text = "Mermaid ends a statement at ; and #".to_owned();
                complaints.push(complaint(document, block.line + number, text));
            }
            match line.split_whitespace().next() {
                Some("alt" | "opt" | "loop" | "par" | "critical" | "rect") => open += 1,
                Some("end") => open -= 1,
                _ => {}
            }
        }
        if open != 0 {
            let text = "not every alt, opt, loop or par has its end".to_owned();
            complaints.push(complaint(document, block.line, text));
        }
    }
    complaints
}

/// The statements of a document's blocks of SQL, one a line, without comments.
pub fn statements(document: &Document) -> Vec<String> {
    const VERBS: &[&str] = &["SET ", "CREATE ", "GRANT "];
    document
        .blocks
        .iter()
        .flat_map(|block| block.text.lines())
        .filter(|line| VERBS.iter().any(|verb| line.starts_with(verb)))
        .filter_map(|line| line.split(" -- ").next())
        .map(|line| line.trim().trim_end_matches(';').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "
        [source]
        url = 'mysql://a@db.example.com'
        password_file = '/p'
        [salesforce]
        login_url = 'https://example.my.salesforce.com'
        auth = { kind = 'client_credentials', client_id = 'a', client_secret_file = '/s' }
        [[route]]
        name = 'leads'
        table = 'crm.leads'
        external_id = { field = 'Key__c', column = 'id' }
        [route.fields]
        LastName = 'name'
        [state]
        path = '/var/lib/leadstream'";

    const NONE: [usize; 0] = [];

    #[track_caller]
    fn complaints(text: &str) -> Vec<usize> {
        let base: toml::Table = BASE.parse().expect("TOML");
        let document = Document::read("docs/a.md", text);
        let found = configurations(&document, &base, &mut 0);
        found.iter().map(|it| it.line).collect()
    }

    #[test]
    fn configurations_that_would_not_start_are_found() {
        assert_eq!(
            complaints("```toml\n[batch]\nmax_age = \"1s\"\n```\n"),
            NONE
        );
        assert_eq!(complaints("```toml\n[batch]\nmax_aeg = \"1s\"\n```\n"), [2]);
        assert_eq!(complaints("\n    [batch]\n    max_age = \"never\"\n"), [2]);
        assert_eq!(complaints("```toml\n[batch\n```\n"), [2]);
        assert_eq!(
            complaints("\n    [route.fields]\n    Email = \"email\"\n"),
            NONE
        );
    }

    #[test]
    fn json_that_cannot_be_read_is_found() {
        let document = Document::read("a.md", "\n    {\"a\":{…},\"b\":…, …}\n    {\"a\": 1,}\n");
        let lines: Vec<usize> = json(&document).iter().map(|it| it.line).collect();
        assert_eq!(lines, [3]);
    }

    #[test]
    fn diagrams_that_would_not_be_drawn_are_found() {
        let text = "```mermaid\nsequenceDiagram\nalt a\nA->>B: c; d\n```\n";
        let found = diagrams(&Document::read("a.md", text));
        let lines: Vec<usize> = found.iter().map(|it| it.line).collect();
        assert_eq!(lines, [4, 2]);
    }

    #[test]
    fn statements_are_taken_out_of_their_comments() {
        let text =
            "\n    SET PERSIST a = 1;   -- why\n    -- no\n    GRANT SELECT ON a.b TO 'c'@'%';\n";
        assert_eq!(
            statements(&Document::read("a.md", text)),
            ["SET PERSIST a = 1", "GRANT SELECT ON a.b TO 'c'@'%'"]
        );
    }
}
