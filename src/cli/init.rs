//! `leadstream init`: from a few answers to a configuration that has been checked. Looks at the table
//! and at Salesforce's object, proposes a mapping by names and types, and says what an administrator
//! has to do on either side.

mod document;
mod steps;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use self::document::{Answers, Login};
use super::{FAILURE, Failed, Global, USAGE, check, runtime, with_causes};
use crate::capture::{self, CheckResult};
use crate::cli::printer::Printer;
use crate::config::{self, Config};
use crate::core::describe::ObjectDescribe;
use crate::core::mapping::{Proposal, propose};
use crate::core::schema::{TableName, TableSchema};
use crate::delivery::{self, Org};
use crate::runtime::{clock, wiring};

/// What is not given is asked for, where a person sits at a terminal.
#[derive(Args)]
pub struct Arguments {
    /// The MySQL server and the account, without a password: mysql://leadstream@db.example.com:3306
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
    /// File with the account's password; or set LEADSTREAM_SOURCE__PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Authorities that may sign MySQL's certificate; without it the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The table with the leads: crm.leads
    #[arg(long, value_name = "SCHEMA.TABLE")]
    table: Option<String>,
    /// Salesforce's object
    #[arg(long, value_name = "NAME", default_value = "Lead")]
    object: String,
    /// The field of the object that holds the table's key; found by itself where there is one
    #[arg(long, value_name = "FIELD")]
    external_id: Option<String>,
    /// Where to log in: the address of the org's own domain, with https
    #[arg(long, value_name = "URL")]
    login_url: Option<String>,
    /// How to log in
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        default_value = "client-credentials"
    )]
    auth: AuthKind,
    /// The app's consumer key
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// File with the app's consumer secret; or set LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// The integration user's name, for --auth jwt
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The private key whose certificate the app has, for --auth jwt
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The folder that will hold journal and index
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/leadstream")]
    state: PathBuf,
    /// The configuration to write
    #[arg(long, value_name = "FILE", default_value = "leadstream.toml")]
    output: PathBuf,
    /// Replaces a configuration that is there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum AuthKind {
    ClientCredentials,
    Jwt,
}

/// What `--json` gives.
#[derive(Serialize)]
struct Report<'a> {
    /// Where the configuration was written; nowhere when a side could not be read.
    written: Option<String>,
    mysql_statements: &'a [String],
    salesforce_steps: &'a [String],
    fields: usize,
    doubts: usize,
    checks: Option<check::Report>,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    if arguments.output.exists() && !arguments.force {
        let text = format!("{} is there already", arguments.output.display());
        printer.error(
            None,
            &text,
            Some("name another with --output, or replace it with --force"),
        );
        return Err(Failed::Said(USAGE));
    }
    let answers = ask(arguments, printer)?;
    let field = arguments.external_id.as_deref();
    let config = load(&document::write(&answers, None), &arguments.output, printer)?;
    let runtime = runtime(1)?;
    let (table, object) = runtime.block_on(async {
        let table = read_table(&config, printer).await;
        (table, read_object(&config, printer).await)
    });
    let statements = steps::statements(&answers);
    let (Some(table), Some(object)) = (table, object) else {
        let steps = steps::salesforce(&answers, field.unwrap_or("MySQL_Id__c"));
        return not_yet(global, arguments, &statements, &steps, printer);
    };
    let proposal = match propose(&table, &object, field) {
        Ok(proposal) => proposal,
        Err(refused) => {
            let remedy = "give the table a primary key of one column, or name one that identifies its rows \
                          in a configuration written by hand (docs/configuration.md)";
            printer.error(None, &refused.to_string(), Some(remedy));
            return Err(Failed::Said(FAILURE));
        }
    };
    let text = document::write(&answers, Some(&proposal));
    let config = load(&text, &arguments.output, printer)?;
    write(&arguments.output, &text, arguments.force)?;
    let steps = steps::salesforce(&answers, &proposal.external_id);
    let checks = runtime.block_on(check::look(&config));
    let ok = checks.ok;
    if global.json {
        printer.json(&Report {
            written: Some(arguments.output.display().to_string()),
            mysql_statements: &statements,
            salesforce_steps: &steps,
            fields: proposal.fields.len(),
            doubts: doubts(&proposal),
            checks: Some(checks),
        })?;
    } else {
        say(&arguments.output, &proposal, &steps, printer)?;
        check::print(&checks, printer)?;
        let path = arguments.output.display();
        let next = if ok {
            format!("next: leadstream preview --config {path}")
        } else {
            format!("mend what failed, then: leadstream check --config {path}")
        };
        printer.data(&next)?;
    }
    if ok {
        Ok(())
    } else {
        Err(Failed::Said(FAILURE))
    }
}

/// A side cannot be read: what has to be done there, and that nothing was written.
fn not_yet(
    global: &Global,
    arguments: &Arguments,
    statements: &[String],
    steps: &[String],
    printer: &Printer,
) -> Result<(), Failed> {
    if global.json {
        printer.json(&Report {
            written: None,
            mysql_statements: statements,
            salesforce_steps: steps,
            fields: 0,
            doubts: 0,
            checks: None,
        })?;
    } else {
        printer.data("\nIn MySQL, as its administrator (MariaDB: docs/mysql.md):")?;
        for statement in statements {
            printer.data(&format!("    {statement}"))?;
        }
        printer.data("\nIn Salesforce, as its administrator:")?;
        print_steps(steps, printer)?;
        let path = arguments.output.display();
        printer.data(&format!(
            "\n{path} was not written: both sides have to be readable first. Then run the same command again."
        ))?;
    }
    Err(Failed::Said(FAILURE))
}

fn print_steps(steps: &[String], printer: &Printer) -> io::Result<()> {
    for (number, step) in steps.iter().enumerate() {
        printer.data(&format!("    {}. {step}", number + 1))?;
    }
    Ok(())
}

fn doubts(proposal: &Proposal) -> usize {
    let fields = proposal.fields.iter();
    fields.filter(|field| !field.doubts.is_empty()).count()
}

fn say(path: &Path, proposal: &Proposal, steps: &[String], printer: &Printer) -> io::Result<()> {
    let (fields, doubts) = (proposal.fields.len(), doubts(proposal));
    let left_out = proposal.left_out.len();
    printer.data(&format!(
        "{} is written: {fields} fields, {doubts} of them with a doubt (look for LOOK), {left_out} columns left out",
        path.display()
    ))?;
    if !proposal.external_id_exists {
        printer.data("\nStill to be done in Salesforce, as its administrator:")?;
        print_steps(&steps[..1], printer)?;
        printer.data("")?;
    }
    Ok(())
}

/// The answers: what was given, and what a person says at the terminal.
fn ask(arguments: &Arguments, printer: &Printer) -> Result<Answers, Failed> {
    let mut asker = Asker {
        printer,
        missing: Vec::new(),
    };
    let source_url = asker.text(
        &arguments.source_url,
        "--source-url",
        "MySQL, without a password (mysql://leadstream@db.example.com:3306)",
    );
    let table = asker.text(
        &arguments.table,
        "--table",
        "table with the leads (crm.leads)",
    );
    let login_url = asker.text(
        &arguments.login_url,
        "--login-url",
        "Salesforce (https://example.my.salesforce.com)",
    );
    let client_id = asker.text(
        &arguments.client_id,
        "--client-id",
        "the app's consumer key",
    );
    let login = match arguments.auth {
        AuthKind::ClientCredentials => Login::ClientCredentials {
            client_id,
            secret_file: arguments
                .client_secret_file
                .as_deref()
                .map(document::path_text),
        },
        AuthKind::Jwt => {
            let key_file = arguments.key_file.as_deref().map(document::path_text);
            Login::Jwt {
                client_id,
                username: asker.text(
                    &arguments.username,
                    "--username",
                    "the integration user's name",
                ),
                key_file: asker.text(&key_file, "--key-file", "file with the private key"),
            }
        }
    };
    if !asker.missing.is_empty() {
        let text = format!("not given: {}", asker.missing.join(", "));
        printer.error(
            None,
            &text,
            Some("give them as flags, or answer at a terminal"),
        );
        return Err(Failed::Said(USAGE));
    }
    let Some((schema, table)) = table
        .split_once('.')
        .filter(|(schema, table)| !schema.is_empty() && !table.is_empty())
    else {
        printer.error(
            None,
            &format!("table {table:?} has no schema"),
            Some("name it as SCHEMA.TABLE, such as crm.leads"),
        );
        return Err(Failed::Said(USAGE));
    };
    let is_local = document::is_local(&source_url);
    Ok(Answers {
        password_file: arguments.password_file.as_deref().map(document::path_text),
        tls_mode: if is_local && arguments.ca_file.is_none() {
            "disabled"
        } else {
            "verify_identity"
        },
        ca_file: arguments.ca_file.as_deref().map(document::path_text),
        table: TableName {
            schema: schema.to_owned(),
            table: table.to_owned(),
        },
        object: arguments.object.clone(),
        source_url,
        login_url,
        login,
        state: document::path_text(&arguments.state),
    })
}

struct Asker<'a> {
    printer: &'a Printer,
    /// Flags that nobody gave and nobody could be asked for.
    missing: Vec<&'static str>,
}

impl Asker<'_> {
    fn text(&mut self, given: &Option<String>, flag: &'static str, question: &str) -> String {
        if let Some(given) = given {
            return given.clone();
        }
        let said = self.printer.ask(question).unwrap_or_default();
        if said.is_empty() {
            self.missing.push(flag);
        }
        said
    }
}

fn load(text: &str, path: &Path, printer: &Printer) -> Result<Config, Failed> {
    config::load_text(path, text).map_err(|mistakes| {
        for mistake in &mistakes.0 {
            printer.error(Some(mistake.page), &mistake.text(), Some(&mistake.remedy));
        }
        Failed::Said(USAGE)
    })
}

async fn read_table(config: &Config, printer: &Printer) -> Option<TableSchema> {
    let settings = wiring::source_settings(config);
    let report = capture::preflight(&settings, &wiring::tables_by_config(config)).await;
    if let Some(table) = report.tables.into_iter().next() {
        return Some(table);
    }
    for check in report.checks {
        if let CheckResult::Failed(error) = check.result {
            printer.error(
                Some(error.page()),
                &with_causes(&error),
                Some(&error.remedy()),
            );
        }
    }
    None
}

async fn read_object(config: &Config, printer: &Printer) -> Option<ObjectDescribe> {
    let org = match Org::new(wiring::org_settings(config), clock::wall) {
        Ok(org) => org,
        Err(error) => {
            printer.error(
                Some(error.page()),
                &with_causes(&error),
                Some(error.remedy()),
            );
            return None;
        }
    };
    let described = match org.login().await {
        Ok(()) => org.describe(&config.routes.first()?.object).await,
        Err(failure) => Err(failure),
    };
    described
        .inspect_err(|failure| {
            let remedy = delivery::remedy(failure.page).to_string();
            printer.error(Some(failure.page), &failure.line(), Some(&remedy));
        })
        .ok()
}

/// Written beside and renamed, so that a full disk leaves what was there.
fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .open(&new)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    let placed = written.and_then(|()| {
        if force {
            std::fs::rename(&new, path)
        } else {
            // Fails when somebody else has made it meanwhile.
            std::fs::hard_link(&new, path).and_then(|()| std::fs::remove_file(&new))
        }
    });
    if placed.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    placed
}
