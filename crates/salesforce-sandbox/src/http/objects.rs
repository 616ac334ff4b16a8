//! Users, profiles, queues and the organization: records that can be read but not written.
use super::call::Request;
use super::condition::{self, Stamp};
use super::record_json::push_record;
use super::reply::Reply;
use super::resources;
use super::work::Work;
use crate::org::{Org, RecordRow, Refusal};
use crate::schema::{Field, ObjectKind};
use crate::soql::{Column, Path};

/// Understands everything below `/sobjects/{Object}` for an object that is not Lead.
pub(super) fn understand<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    object: ObjectKind,
    rest: &[&'r str],
) -> Result<Work<'r>, Reply> {
    if let Some(refusal) = refused_write(request, object, rest) {
        return Err(Reply::error(400, &refusal));
    }
    match rest {
        [] => Ok(Work::read_fixed(move |_| {
            resources::object(request, version, object)
        })),
        ["describe"] => Ok(Work::read_fixed(move |org| {
            resources::describe(org, request, version, object)
        })),
        [id] => {
            let unknown = || Reply::error(404, &Refusal::no_such_key(id));
            let table = org.records.table(object).ok_or_else(unknown)?;
            let place = table.find(id).ok_or_else(unknown)?;
            let columns =
                columns(org, request, object).map_err(|refusal| Reply::error(400, &refusal))?;
            Ok(Work::read_fixed(move |org| {
                show(org, request, version, object, place, &columns)
            }))
        }
        _ => Err(Reply::error(404, &Refusal::not_found())),
    }
}

/// Which of a record's fields `?fields=` asks for; all of them without it.
pub(super) fn columns(
    org: &Org,
    request: &Request,
    object: ObjectKind,
) -> Result<Vec<Column>, Refusal> {
    match request.query_value("fields") {
        Some(list) => named_columns(org, object, list.split(',')),
        None => {
            let schema = org.catalog().schema(object);
            Ok(schema
                .fields()
                .map(|(number, field)| column(number, field))
                .collect())
        }
    }
}

/// The named fields, and `Id` after them unless it is one of them: it is always shown.
pub(super) fn named_columns<'n>(
    org: &Org,
    object: ObjectKind,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<Column>, Refusal> {
    let schema = org.catalog().schema(object);
    let mut columns: Vec<Column> = Vec::new();
    let mut add = |number: u16| {
        if columns.iter().all(|column| column.path.field != number) {
            columns.push(column(number, schema.field(number)));
        }
    };
    for name in names {
        let number = schema.find(name.trim()).ok_or_else(|| {
            let text = format!(
                "No such column '{name}' on sobject of type {}",
                object.name()
            );
            Refusal::new("INVALID_FIELD", text)
        })?;
        add(number);
    }
    if let Some(id) = schema.standard("Id") {
        add(id);
    }
    Ok(columns)
}

fn column(number: u16, field: &Field) -> Column {
    Column {
        path: Path {
            via: None,
            field: number,
        },
        name: field.name.clone(),
        kind: field.kind,
    }
}

fn show(
    org: &Org,
    request: &Request,
    version: u32,
    object: ObjectKind,
    place: u32,
    columns: &[Column],
) -> Reply {
    let Some(row) = RecordRow::fixed(org, object, place) else {
        return Reply::error(404, &Refusal::not_found());
    };
    let stamp = Stamp {
        etag: format!("\"{:x}\"", org.started_micros),
        modified_micros: org.started_micros,
        matched_by_etag: false,
    };
    condition::answer(request, &stamp, || {
        let mut body = Vec::new();
        push_record(&mut body, org, version, columns, &row);
        Reply::raw_json(200, body)
    })
}

/// Nothing of these objects can be written; the code is an inference.
fn refused_write(request: &Request, object: ObjectKind, rest: &[&str]) -> Option<Refusal> {
    let verb = match (request.method.as_str(), rest) {
        ("GET" | "HEAD", _) => return None,
        (_, ["describe"]) => return None,
        ("POST", _) => "inserted",
        ("DELETE", _) => "deleted",
        _ => "updated",
    };
    Some(cannot_be(verb, object))
}

/// For a record of these objects that is to be `inserted`, `updated` or `deleted`.
pub(super) fn cannot_be(verb: &str, object: ObjectKind) -> Refusal {
    let text = format!("entity type cannot be {verb}: {}", object.name());
    Refusal::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text)
}
