//! `[[route]]`: which table goes into which object, and how.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use crate::core::schema::TableName;

use super::leads::{check_on_converted, check_on_duplicate};
use super::mistake::{NOT_AVAILABLE, WRONG_VALUE};
use super::reader::{Given, Reader, Table};
use super::recipes;
use super::{AutoAssign, ExternalId, FieldMapping, FieldSource, Operations, Route};

/// MySQL's limit for names of schemas, tables and columns.
const LONGEST_NAME: usize = 64;

pub(super) fn check_routes<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<Vec<Route>> {
    let tables = reader.tables(root, "route")?;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut routes = Vec::with_capacity(tables.len());
    for table in &tables {
        let mut route = check_route(reader, table);
        if let Some(name) = table.get("name").and_then(Value::as_str) {
            if let Some(first) = names.get(name) {
                route = reader.refuse(
                    table,
                    "name",
                    WRONG_VALUE,
                    format!("is the name of {first} too"),
                    "give each route a name of its own",
                );
            } else {
                names.insert(name.to_owned(), table.path.clone());
            }
        }
        routes.push(route);
    }
    routes.into_iter().collect()
}

fn check_route<'a>(reader: &mut Reader<'a>, table: &Table<'a>) -> Option<Route> {
    let name = reader.required(table, "name", |given| {
        let known = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
        given
            .some_text()
            .filter(|name| name.len() <= 40 && name.chars().all(known))
    });
    let table_name = reader.required(table, "table", |given| table_name(given.text()?));
    let operations = check_operations(reader, table);
    let object = reader.required(table, "object", api_name);
    let external_id = check_external_id(reader, table);
    let auto_assign = reader.required(table, "auto_assign", auto_assign);
    let on_converted = check_on_converted(reader, table);
    let on_duplicate = check_on_duplicate(reader, table);
    let taken = external_id.as_ref().map(|id| id.field.clone());
    let fields = check_fields(reader, table, taken.as_deref());
    let filter = recipes::check_filter(reader, table);
    let on_too_long = recipes::on_too_long(reader, table);
    Some(Route {
        name: name?,
        table: table_name?,
        operations: operations?,
        object: object?,
        external_id: external_id?,
        auto_assign: auto_assign?,
        on_converted: on_converted?,
        on_duplicate: on_duplicate?,
        fields: fields?,
        filter: filter?,
        on_too_long: on_too_long?,
    })
}

fn check_operations<'a>(reader: &mut Reader<'a>, table: &Table<'a>) -> Option<Operations> {
    let words: Vec<String> = reader.required(table, "operations", |given| {
        let words = given.value.as_array()?.iter();
        let words = words
            .map(|word| word.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>();
        words.filter(|words| !words.is_empty())
    })?;
    if words
        .iter()
        .any(|word| !matches!(word.as_str(), "insert" | "update" | "delete"))
    {
        return reader.wrong(table, "operations");
    }
    if words.iter().any(|word| word == "delete") {
        return reader.refuse(
            table,
            "operations",
            NOT_AVAILABLE,
            "this version carries inserts and updates; deletes are counted as skipped",
            "write operations = [\"insert\"] or [\"insert\", \"update\"]",
        );
    }
    let carries = |operation: &str| words.iter().any(|word| word == operation);
    if !carries("insert") {
        return reader.refuse(
            table,
            "operations",
            WRONG_VALUE,
            "updates without inserts would make records that lack what only their insert holds",
            "write operations = [\"insert\", \"update\"]",
        );
    }
    Some(Operations {
        insert: true,
        update: carries("update"),
        delete: false,
    })
}

fn check_external_id<'a>(reader: &mut Reader<'a>, route: &Table<'a>) -> Option<ExternalId> {
    let table = reader.table(route, "external_id");
    let field = reader.required(&table, "field", api_name);
    let column = reader.required(&table, "column", column_name);
    Some(ExternalId {
        field: field?,
        column: column?,
    })
}

fn check_fields<'a>(
    reader: &mut Reader<'a>,
    route: &Table<'a>,
    external_id: Option<&str>,
) -> Option<Vec<FieldMapping>> {
    let table = reader.table(route, "fields");
    let dict: &Dict = table.dict?;
    if dict.is_empty() {
        return reader.refuse(
            route,
            "fields",
            WRONG_VALUE,
            "must name at least one field",
            "map what the object requires; a Lead: LastName and Company",
        );
    }
    let mut names: Vec<&String> = dict.keys().collect();
    names.sort_by_key(|name| reader.layers.offset(&table.path_of(name)));
    let mut seen: Vec<&String> = Vec::with_capacity(names.len());
    let mut fields = Vec::with_capacity(names.len());
    for name in names {
        let mut field = check_field(reader, &table, name);
        let twin = seen.iter().find(|other| other.eq_ignore_ascii_case(name));
        if let Some(twin) = twin {
            field = reader.refuse(
                &table,
                name,
                WRONG_VALUE,
                format!("is the same field as {twin}: Salesforce compares names without case"),
                "keep one of them",
            );
        } else if external_id.is_some_and(|id| id.eq_ignore_ascii_case(name)) {
            field = reader.refuse(
                &table,
                name,
                WRONG_VALUE,
                "is the external id, which is sent with every record anyway",
                "leave it out of fields",
            );
        }
        seen.push(name);
        fields.push(field);
    }
    fields.into_iter().collect()
}

fn check_field<'a>(
    reader: &mut Reader<'a>,
    fields: &Table<'a>,
    name: &str,
) -> Option<FieldMapping> {
    if !is_api_name(name) {
        return reader.refuse(
            fields,
            name,
            WRONG_VALUE,
            "the key must be a field's API name, such as LastName or Score__c",
            "use the API name from the object manager, not the label",
        );
    }
    let path = fields.path_of(name);
    let (source, trim, on_too_long) = match fields.get(name)? {
        Value::Dict(_, dict) => {
            let table = reader.entry(fields, name, dict);
            let trim = reader.boolean(&table, "trim");
            let on_too_long = recipes::optional_on_too_long(reader, &table);
            let source = recipes::check_source(reader, fields, name, &table);
            (source, trim, on_too_long)
        }
        Value::String(_, column) if is_column_name(column) => (
            Some(FieldSource::Column {
                name: column.clone(),
                default: None,
            }),
            Some(true),
            Some(None),
        ),
        _ => {
            return reader.refuse(
                fields,
                name,
                WRONG_VALUE,
                "must be a column's name or a table with column or constant",
                format!(
                    "write {name} = \"column\", {name} = {{ column = \"…\", default = … }} or \
                     {name} = {{ constant = … }}"
                ),
            );
        }
    };
    Some(FieldMapping {
        field: name.to_owned(),
        source: source?,
        trim: trim?,
        on_too_long: on_too_long?,
        path,
    })
}

/// `schema.table`, as it is spelt in MySQL, without backquotes.
fn table_name(text: &str) -> Option<TableName> {
    let (schema, table) = text.split_once('.')?;
    let fits = |name: &str| is_column_name(name) && !name.contains(['.', '`']);
    (fits(schema) && fits(table)).then(|| TableName {
        schema: schema.to_owned(),
        table: table.to_owned(),
    })
}

fn is_column_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.chars().count()) && name.trim() == name
}

pub(super) fn column_name(given: &Given<'_>) -> Option<String> {
    given
        .text()
        .filter(|name| is_column_name(name))
        .map(str::to_owned)
}

fn is_api_name(name: &str) -> bool {
    name.len() <= 80
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn api_name(given: &Given<'_>) -> Option<String> {
    given
        .text()
        .filter(|name| is_api_name(name))
        .map(str::to_owned)
}

fn auto_assign(given: &Given<'_>) -> Option<AutoAssign> {
    match (given.boolean(), given.text()) {
        (Some(false), _) => Some(AutoAssign::Off),
        (Some(true), _) => Some(AutoAssign::On),
        (None, Some(id)) => {
            let fits = matches!(id.len(), 15 | 18)
                && id.starts_with("01Q")
                && id.bytes().all(|b| b.is_ascii_alphanumeric());
            fits.then(|| AutoAssign::Rule(id.to_owned()))
        }
        (None, None) => None,
    }
}
