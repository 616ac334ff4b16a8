//! Ids that a route names: record types by their developer name, owners and record types by id.
//! What is wrong with them shows before the first row.

use super::{BAD_LITERAL, Compiler};
use crate::core::describe::{FieldDescribe, FieldKind, RecordType};
use crate::core::mapping::{Scalar, nearest};

const RECORD_TYPE: &str = "LS4030";

/// Salesforce's prefixes: the first three characters of an id name its object.
const PREFIXES: &[(&str, &[&str], &str)] = &[
    (
        "OwnerId",
        &["005", "00G"],
        "a user (005…) or a queue (00G…)",
    ),
    ("RecordTypeId", &["012"], "a record type (012…)"),
];

impl Compiler<'_> {
    /// The id of the record type of that developer name, as JSON text.
    pub(super) fn record_type(
        &mut self,
        path: &str,
        name: &str,
        field: &FieldDescribe,
    ) -> Option<String> {
        if !field.name.eq_ignore_ascii_case("RecordTypeId") {
            self.mistake(
                RECORD_TYPE,
                path,
                format!("{} takes no record type", field.name),
                "write RecordTypeId = { record_type = \"…\" }".to_owned(),
            );
            return None;
        }
        let object = self.object;
        let known = |kind: &&RecordType| kind.developer_name.eq_ignore_ascii_case(name);
        if let Some(kind) = object.record_types.iter().find(known) {
            return Some(format!("\"{}\"", kind.id));
        }
        let names = || {
            object
                .record_types
                .iter()
                .map(|kind| kind.developer_name.as_str())
        };
        let remedy = match nearest(name, names()) {
            Some(near) => format!("did you mean {near:?}?"),
            None if object.record_types.is_empty() => {
                "create the record type, or assign it to the integration user's profile".to_owned()
            }
            None => format!(
                "use one of {}, or assign it to the integration user's profile",
                names().collect::<Vec<_>>().join(", ")
            ),
        };
        self.mistake(
            RECORD_TYPE,
            path,
            format!(
                "{} has no record type {name:?} that the integration user may use",
                object.name
            ),
            remedy,
        );
        None
    }

    /// Whether a constant or default can be an id of what the field refers to.
    pub(super) fn check_id(&mut self, path: &str, scalar: &Scalar, field: &FieldDescribe) -> bool {
        let (FieldKind::Reference, Scalar::Text(id)) = (&field.kind, scalar) else {
            return true;
        };
        let id = id.trim();
        let of_field =
            |(name, _, _): &&(&str, &[&str], &str)| field.name.eq_ignore_ascii_case(name);
        if let Some((_, prefixes, what)) = PREFIXES.iter().find(of_field)
            && !prefixes.iter().any(|prefix| id.starts_with(prefix))
        {
            self.mistake(
                BAD_LITERAL,
                path,
                format!("{} is no id of {what}", field.name),
                format!("{} takes the id of {what}", field.name),
            );
            return false;
        }
        let known = |kind: &RecordType| id.get(..15) == kind.id.get(..15);
        if field.name.eq_ignore_ascii_case("RecordTypeId")
            && !self.object.record_types.iter().any(known)
        {
            self.mistake(
                RECORD_TYPE,
                path,
                format!(
                    "{} has no record type of this id that the integration user may use",
                    self.object.name
                ),
                "name it instead, ids differ between orgs: RecordTypeId = { record_type = \"…\" }"
                    .to_owned(),
            );
            return false;
        }
        true
    }
}
