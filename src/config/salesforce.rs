//! `[salesforce]`: the org and how to log in to it.

use crate::core::secret::Secret;

use super::address::parse_https_url;
use super::layers::variable_name;
use super::mistake::{SECRET, UNKNOWN_KEY};
use super::reader::{Given, Reader, Table};
use super::secrets::read_secret;
use super::{Auth, Salesforce};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Jwt,
    ClientCredentials,
}

const JWT_ONLY: [&str; 4] = ["username", "key", "key_file", "audience"];
const CLIENT_CREDENTIALS_ONLY: [&str; 2] = ["client_secret", "client_secret_file"];

pub(super) fn check_salesforce<'a>(
    reader: &mut Reader<'a>,
    root: &Table<'a>,
) -> Option<Salesforce> {
    let table = reader.table(root, "salesforce");
    let login_url = reader.required(&table, "login_url", |given| parse_https_url(given.text()?));
    let api_version = reader.required(&table, "api_version", |given| api_version(given.text()?));
    let auth = check_auth(reader, &table);
    let request_timeout_ms = reader.number(&table, "request_timeout");
    let connect_timeout_ms = reader.number(&table, "connect_timeout");
    let compress = reader.boolean(&table, "compress");
    Some(Salesforce {
        login_url: login_url?,
        api_version: api_version?,
        auth: auth?,
        request_timeout_ms: request_timeout_ms?,
        connect_timeout_ms: connect_timeout_ms?,
        compress: compress?,
    })
}

fn check_auth<'a>(reader: &mut Reader<'a>, salesforce: &Table<'a>) -> Option<Auth> {
    let table = reader.table(salesforce, "auth");
    let kinds = [
        ("jwt", Kind::Jwt),
        ("client_credentials", Kind::ClientCredentials),
    ];
    let kind = reader.choice(&table, "kind", &kinds, &[]);
    let client_id = reader.text(&table, "client_id");
    match kind? {
        Kind::Jwt => {
            refuse_foreign(
                reader,
                &table,
                &CLIENT_CREDENTIALS_ONLY,
                "client_credentials",
            );
            let username = match table.get("username") {
                Some(_) => reader.required(&table, "username", |given| {
                    given.some_text().filter(|name| name.contains('@'))
                }),
                None => reader.missing(&table, "username"),
            };
            let key = required_secret(reader, &table, "key");
            let key = key.and_then(|key| check_pem(reader, &table, key));
            let audience = reader.optional(&table, "audience", |given: &Given<'_>| {
                parse_https_url(given.text()?)
            });
            Some(Auth::Jwt {
                client_id: client_id?,
                username: username?,
                private_key_pem: key?,
                audience: audience?,
            })
        }
        Kind::ClientCredentials => {
            refuse_foreign(reader, &table, &JWT_ONLY, "jwt");
            let client_secret = required_secret(reader, &table, "client_secret");
            Some(Auth::ClientCredentials {
                client_id: client_id?,
                client_secret: client_secret?,
            })
        }
    }
}

/// Keys that belong to another way of logging in.
fn refuse_foreign<'a>(reader: &mut Reader<'a>, table: &Table<'a>, names: &[&str], kind: &str) {
    for name in names {
        if table.get(name).is_some() {
            let rule = format!("belongs to kind = \"{kind}\"");
            reader.refuse::<()>(
                table,
                name,
                UNKNOWN_KEY,
                rule,
                "leave it out, or change kind",
            );
        }
    }
}

fn required_secret<'a>(reader: &mut Reader<'a>, table: &Table<'a>, name: &str) -> Option<Secret> {
    match read_secret(reader, table, name)? {
        Some(secret) => Some(secret),
        None => reader.miss(
            table,
            &format!("{name}_file"),
            "is missing; this way of logging in needs it".to_owned(),
            format!(
                "add {name}_file = \"…\" to {}, or set {}",
                table.path,
                variable_name(&table.path_of(name))
            ),
        ),
    }
}

/// A private key that we can sign with: PEM, not encrypted.
fn check_pem<'a>(reader: &mut Reader<'a>, table: &Table<'a>, key: Secret) -> Option<Secret> {
    let text = key.expose();
    let rule = if text.contains("ENCRYPTED") {
        "the private key is encrypted with a passphrase"
    } else if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some(key);
    } else {
        "is not a private key in PEM form"
    };
    let name = if table.get("key").is_some() {
        "key"
    } else {
        "key_file"
    };
    let remedy = "give the PEM text that begins with -----BEGIN PRIVATE KEY-----, without a \
                  passphrase";
    reader.refuse(table, name, SECRET, rule, remedy)
}

/// `67.0` of `67.0` or `v67.0`.
fn api_version(text: &str) -> Option<String> {
    let version = text.strip_prefix('v').unwrap_or(text);
    let number = version.strip_suffix(".0")?;
    let digits = (2..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    (digits && number.parse::<u16>().is_ok_and(|number| number >= 46)).then(|| version.to_owned())
}
