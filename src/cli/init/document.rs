//! The configuration that `leadstream init` writes: few keys, each with its reason, doubts beside
//! what is doubtful.

use std::fmt::Write as _;
use std::path::Path;

use toml::Value;

use crate::core::mapping::{FieldSource, Proposal, ProposedField, Scalar};
use crate::core::schema::TableName;

/// How leadstream logs in to Salesforce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    ClientCredentials {
        client_id: String,
        secret_file: Option<String>,
    },
    Jwt {
        client_id: String,
        username: String,
        key_file: String,
    },
}

/// What a person has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Without a password.
    pub source_url: String,
    pub password_file: Option<String>,
    /// `disabled` or `verify_identity`.
    pub tls_mode: &'static str,
    pub ca_file: Option<String>,
    pub table: TableName,
    pub object: String,
    pub login_url: String,
    pub login: Login,
    pub state: String,
}

/// The whole file. Without a proposal its route carries nothing yet: enough to ask both sides.
#[must_use]
pub fn write(answers: &Answers, proposal: Option<&Proposal>) -> String {
    let mut text = String::new();
    let out = &mut text;
    put(
        out,
        "# Written by `leadstream init`. `leadstream config print` shows every key in effect;",
    );
    put(
        out,
        "# docs/configuration.md explains them. Secrets stand in files of mode 0600 or in the environment.",
    );
    put(out, "");
    put(out, "# The MySQL server that is read.");
    put(out, "[source]");
    pair(out, "url", &answers.source_url);
    match &answers.password_file {
        Some(file) => pair(out, "password_file", file),
        None => put(
            out,
            "# password_file = \"/run/secrets/mysql-password\"   # or LEADSTREAM_SOURCE__PASSWORD",
        ),
    }
    let ca = answers
        .ca_file
        .as_ref()
        .map(|file| format!(", ca_file = {}", quoted(file)))
        .unwrap_or_default();
    let mode = answers.tls_mode;
    put(out, &format!("tls = {{ mode = \"{mode}\"{ca} }}"));
    put(
        out,
        "# \"now\": new rows alone. \"snapshot\": the rows that are there already, too.",
    );
    put(out, "start = \"now\"");
    put(out, "");
    put(out, "# The org that is written to.");
    put(out, "[salesforce]");
    pair(out, "login_url", &answers.login_url);
    put(out, &format!("auth = {}", auth(&answers.login)));
    put(out, "");
    route(out, answers, proposal);
    put(out, "");
    put(
        out,
        "# Journal, index and checkpoint: on a disk that survives restarts, for its owner alone.",
    );
    put(out, "[state]");
    pair(out, "path", &answers.state);
    put(out, "");
    put(
        out,
        "# Who may use console and API: `leadstream token new NAME --role operator` writes the file.",
    );
    put(out, "[operator]");
    pair(
        out,
        "token_file",
        &format!("{}/tokens", answers.state.trim_end_matches('/')),
    );
    text
}

fn auth(login: &Login) -> String {
    match login {
        Login::ClientCredentials {
            client_id,
            secret_file,
        } => {
            let file = secret_file
                .as_ref()
                .map(|file| format!(", client_secret_file = {}", quoted(file)))
                .unwrap_or_default();
            let id = quoted(client_id);
            format!("{{ kind = \"client_credentials\", client_id = {id}{file} }}")
        }
        Login::Jwt {
            client_id,
            username,
            key_file,
        } => format!(
            "{{ kind = \"jwt\", client_id = {}, username = {}, key_file = {} }}",
            quoted(client_id),
            quoted(username),
            quoted(key_file)
        ),
    }
}

fn route(out: &mut String, answers: &Answers, proposal: Option<&Proposal>) {
    put(out, "# Rows of this table become records of that object.");
    put(out, "[[route]]");
    let name: String = answers.table.table.chars().map(plain).collect();
    pair(out, "name", &name);
    pair(out, "table", &answers.table.to_string());
    if answers.object != "Lead" {
        pair(out, "object", &answers.object);
    }
    let (field, column) = proposal.map_or(("MySQL_Id__c", "id"), |proposal| {
        (proposal.external_id.as_str(), proposal.key_column.as_str())
    });
    if proposal.is_some_and(|proposal| !proposal.external_id_exists) {
        put(
            out,
            &format!("# TO DO: {field} is not there yet, or not marked External ID and Unique."),
        );
    }
    let (field, column) = (quoted(field), quoted(column));
    put(
        out,
        &format!("external_id = {{ field = {field}, column = {column} }}"),
    );
    put(out, "");
    put(out, "# Salesforce's field = where its value comes from.");
    put(out, "[route.fields]");
    let Some(proposal) = proposal else {
        put(out, "LastName = { constant = \"Unknown\" }");
        put(out, "Company = { constant = \"Unknown\" }");
        return;
    };
    for field in &proposal.fields {
        for doubt in &field.doubts {
            put(out, &format!("# LOOK: {}", one_line(doubt)));
        }
        put(out, &format!("{} = {}", field.spec.field, source(field)));
    }
    let unlike: Vec<&str> = proposal
        .left_out
        .iter()
        .filter(|(_, reason)| reason.is_empty())
        .map(|(column, _)| column.as_str())
        .collect();
    for (column, reason) in proposal.left_out.iter().filter(|it| !it.1.is_empty()) {
        put(
            out,
            &format!("# Left out, {}: {}", one_line(column), one_line(reason)),
        );
    }
    if !unlike.is_empty() {
        let names = one_line(&unlike.join(", "));
        put(
            out,
            &format!("# Left out, for no field looks like them: {names}"),
        );
    }
}

/// Route names are plain: they are labels of metrics.
fn plain(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || letter == '_' {
        letter.to_ascii_lowercase()
    } else {
        '_'
    }
}

fn source(field: &ProposedField) -> String {
    match &field.spec.source {
        FieldSource::Column {
            name,
            default: Some(default),
        } => format!(
            "{{ column = {}, default = {} }}",
            quoted(name),
            scalar(default)
        ),
        FieldSource::Column { name, .. } => quoted(name),
        FieldSource::Constant(value) => format!("{{ constant = {} }}", scalar(value)),
        // Nothing else is ever proposed.
        FieldSource::RecordType(name) => format!("{{ record_type = {} }}", quoted(name)),
        FieldSource::Map { column, .. } => quoted(column),
        FieldSource::Template { text, .. } => format!("{{ template = {} }}", quoted(text)),
        FieldSource::Expression { text, .. } => format!("{{ expression = {} }}", quoted(text)),
    }
}

fn scalar(value: &Scalar) -> String {
    match value {
        Scalar::Text(text) => quoted(text),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Float(number) => Value::Float(*number).to_string(),
        Scalar::Boolean(value) => value.to_string(),
    }
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A comment ends at its line's end, and so must what stands in it.
fn one_line(text: &str) -> String {
    text.split(char::is_control).collect::<Vec<_>>().join(" ")
}

fn pair(out: &mut String, key: &str, value: &str) {
    put(out, &format!("{key} = {}", quoted(value)));
}

fn put(out: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}

/// Whether the server stands on this machine, where TLS protects nothing.
#[must_use]
pub fn is_local(url: &str) -> bool {
    let host = url.rsplit_once('@').map_or(url, |(_, host)| host);
    host.starts_with('/')
        || host.starts_with("127.")
        || host.starts_with("[::1]")
        || host.split([':', '/']).next() == Some("localhost")
}

/// The name of a file as it is to stand in the configuration.
#[must_use]
pub fn path_text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::mapping::{FieldSpec, OnTooLong};

    fn answers() -> Answers {
        Answers {
            source_url: "mysql://leadstream@db.example.com:3306".into(),
            password_file: None,
            tls_mode: "verify_identity",
            ca_file: None,
            table: TableName {
                schema: "crm".into(),
                table: "new-leads".into(),
            },
            object: "Lead".into(),
            login_url: "https://example.my.salesforce.com".into(),
            login: Login::ClientCredentials {
                client_id: "3MVG9".into(),
                secret_file: None,
            },
            state: "/var/lib/leadstream".into(),
        }
    }

    fn load(text: &str) -> crate::config::Config {
        let environment = [
            ("LEADSTREAM_SOURCE__PASSWORD".to_owned(), "x".to_owned()),
            (
                "LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET".to_owned(),
                "x".to_owned(),
            ),
        ];
        crate::config::load_from(
            Some((Path::new("leadstream.toml"), text)),
            &environment,
            &[],
            &|path| Err(std::io::Error::other(path.display().to_string())),
        )
        .unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
    }

    #[test]
    fn what_is_written_is_read_again_whatever_it_holds() {
        let field = |name: &str, source, doubts: &[&str]| ProposedField {
            spec: FieldSpec {
                field: name.into(),
                source,
                trim: true,
                on_too_long: None::<OnTooLong>,
            },
            doubts: doubts.iter().map(|it| (*it).to_owned()).collect(),
        };
        let column = |name: &str, default: Option<&str>| FieldSource::Column {
            name: name.into(),
            default: default.map(|text| Scalar::Text(text.into())),
        };
        let proposal = Proposal {
            external_id: "MySQL_Id__c".into(),
            external_id_exists: false,
            key_column: "id".into(),
            fields: vec![
                field(
                    "LastName",
                    column("last \"name\"", Some("Unknown")),
                    &["a doubt\nof two lines"],
                ),
                field(
                    "Company",
                    FieldSource::Constant(Scalar::Text("Unknown".into())),
                    &[],
                ),
            ],
            left_out: vec![
                ("photo".into(), "no\rtext".into()),
                ("odd\ncolumn".into(), String::new()),
            ],
        };
        let text = write(&answers(), Some(&proposal));
        let config = load(&text);
        let route = &config.routes[0];
        assert_eq!(route.name, "new_leads");
        assert_eq!(route.table.to_string(), "crm.new-leads");
        assert_eq!(route.fields.len(), 2);
        assert_eq!(
            route.fields[0].source,
            column("last \"name\"", Some("Unknown"))
        );
        for needed in [
            "# LOOK: a doubt of two lines",
            "# Left out, photo: no text",
            "# TO DO: MySQL_Id__c",
        ] {
            assert!(text.contains(needed), "{needed} is missing:\n{text}");
        }
        load(&write(&answers(), None));
    }

    #[test]
    fn a_server_on_this_machine_is_known() {
        for local in [
            "mysql://me@127.0.0.1:3306",
            "mysql://me@localhost",
            "mysql://me@[::1]:3306",
            "mysql://me@/run/mysqld/mysqld.sock",
        ] {
            assert!(is_local(local), "{local}");
        }
        assert!(!is_local("mysql://me@localhost.example.com:3306"));
        assert!(!is_local("mysql://me@db.example.com"));
    }
}
