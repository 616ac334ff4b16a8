//! A record as JSON, written key by key: replies keep the order of the SELECT list.
use serde::Serialize;

use crate::org::{Org, RecordRow, id};
use crate::schema::ObjectKind;
use crate::soql::{Column, Via};
use crate::value::Value;

/// Appends `{"attributes":{…},"Name":…,"Owner":{…}}` with the fields of `columns`.
pub(super) fn push_record(
    out: &mut Vec<u8>,
    org: &Org,
    version: u32,
    columns: &[Column],
    row: &RecordRow<'_>,
) {
    push_head(out, org, version, row);
    for (at, column) in columns.iter().enumerate() {
        match column.path.via {
            None => {
                push_key(out, &column.name);
                push(out, &row.json(column.path.field));
            }
            // A parent stands where the first of its fields was asked for, with all of them.
            Some(via) => {
                let earlier = columns.get(..at).unwrap_or_default();
                if earlier.iter().all(|column| column.path.via != Some(via)) {
                    push_parent(out, org, version, columns, row, via);
                }
            }
        }
    }
    out.push(b'}');
}

/// Appends `{"attributes":{"type":"AggregateResult"},"expr0":…}`.
pub(super) fn push_group(out: &mut Vec<u8>, columns: &[String], values: &[Value<'_>]) {
    out.extend_from_slice(b"{\"attributes\":{\"type\":\"AggregateResult\"}");
    for (name, value) in columns.iter().zip(values) {
        push_key(out, name);
        push(out, &value.to_json());
    }
    out.push(b'}');
}

fn push_parent(
    out: &mut Vec<u8>,
    org: &Org,
    version: u32,
    columns: &[Column],
    row: &RecordRow<'_>,
    via: Via,
) {
    let mut label = None;
    let mut fields = Vec::new();
    for column in columns.iter().filter(|column| column.path.via == Some(via)) {
        if let Some((relationship, name)) = column.name.split_once('.') {
            label = Some(relationship);
            fields.push((name, column.path.field));
        }
    }
    push_key(out, label.unwrap_or_default());
    match row.parent(via) {
        None => out.extend_from_slice(b"null"),
        Some(parent) => {
            push_head(out, org, version, &parent);
            for (name, field) in fields {
                push_key(out, name);
                push(out, &parent.json(field));
            }
            out.push(b'}');
        }
    }
}

/// `{"attributes":{"type":…,"url":…}`, without the closing brace of the record.
fn push_head(out: &mut Vec<u8>, org: &Org, version: u32, row: &RecordRow<'_>) {
    let schema = org.catalog().schema(row.object());
    let id = match schema.standard("Id").map(|number| row.field(number)) {
        Some(Value::Text(id)) => id.into_owned(),
        _ => String::new(),
    };
    let object = match row.object() {
        // An owner is shown as what it is.
        ObjectKind::Name => id::object_of(&id).unwrap_or(ObjectKind::Name),
        object => object,
    };
    let object = object.name();
    let head = format!(
        "{{\"attributes\":{{\"type\":\"{object}\",\"url\":\"/services/data/v{version}.0/sobjects/{object}/{id}\"}}"
    );
    out.extend_from_slice(head.as_bytes());
}

fn push_key(out: &mut Vec<u8>, name: &str) {
    out.push(b',');
    push(out, name);
    out.push(b':');
}

fn push(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Texts and plain values always serialise, and memory takes all of it.
    let _ = serde_json::to_writer(out, value);
}
