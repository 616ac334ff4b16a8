//! Reads an object's describe into the core's words.
//!
//! Invariant: a type that is not listed here becomes [`FieldKind::Unsupported`], never a guess.
//! Fields that the integration user cannot see are absent from Salesforce's answer; whether that
//! matters is the mapping's business.

use reqwest::header::{HeaderMap, HeaderValue, IF_MODIFIED_SINCE};
use serde::Deserialize;

use super::classify;
use super::org::{Org, check_name, read_only};
use crate::core::describe::{FieldDescribe, FieldKind, ObjectDescribe, RecordType};
use crate::core::outcome::RequestFailure;

/// An object as it is described, and since when, in Salesforce's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub object: ObjectDescribe,
    pub since: Option<String>,
}

const NOT_MODIFIED: u16 = 304;

impl Org {
    /// What the integration user can see of an object, unless it is as it was at that time: `None`
    /// then. One API call.
    pub async fn describe_again(
        &self,
        object: &str,
        since: Option<&str>,
    ) -> Result<Option<Described>, RequestFailure> {
        check_name(object)?;
        let mut headers = HeaderMap::new();
        // It came in a header, so it goes into one.
        if let Some(since) = since.and_then(|since| HeaderValue::from_str(since).ok()) {
            headers.insert(IF_MODIFIED_SINCE, since);
        }
        let path = format!("/sobjects/{object}/describe");
        let answer = self.get(&path, headers).await?;
        match answer.status {
            NOT_MODIFIED if since.is_some() => Ok(None),
            200 if !answer.html => {
                let object = decode(&answer.body)
                    .map_err(|detail| read_only(classify::protocol(&detail)))?;
                let since = answer.last_modified;
                Ok(Some(Described { object, since }))
            }
            _ => Err(read_only(answer.failure())),
        }
    }
}

#[derive(Deserialize)]
struct ObjectWire {
    name: String,
    createable: bool,
    updateable: bool,
    fields: Vec<FieldWire>,
    #[serde(default, rename = "recordTypeInfos")]
    record_types: Vec<RecordTypeWire>,
}

/// Fields that old versions of the API leave out stand for themselves.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordTypeWire {
    #[serde(default)]
    record_type_id: String,
    #[serde(default)]
    developer_name: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    available: bool,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FieldWire {
    name: String,
    #[serde(default)]
    label: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: u32,
    #[serde(default)]
    digits: u32,
    #[serde(default)]
    precision: u32,
    #[serde(default)]
    scale: u32,
    nillable: bool,
    #[serde(default)]
    defaulted_on_create: bool,
    createable: bool,
    updateable: bool,
    #[serde(default)]
    external_id: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    case_sensitive: bool,
    #[serde(default)]
    id_lookup: bool,
    #[serde(default)]
    restricted_picklist: bool,
    #[serde(default)]
    picklist_values: Option<Vec<PicklistWire>>,
}

#[derive(Deserialize)]
struct PicklistWire {
    active: bool,
    value: String,
}

/// Reads the answer to a describe call. The error says where it breaks, in our own words.
pub(super) fn decode(body: &[u8]) -> Result<ObjectDescribe, String> {
    let object: ObjectWire = serde_json::from_slice(body).map_err(|error| {
        format!(
            "describe cannot be read (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    Ok(ObjectDescribe {
        name: object.name,
        createable: object.createable,
        updateable: object.updateable,
        fields: object.fields.into_iter().map(FieldDescribe::from).collect(),
        record_types: object
            .record_types
            .into_iter()
            .filter(|kind| kind.available && kind.active)
            .map(|kind| RecordType {
                id: kind.record_type_id,
                developer_name: kind.developer_name.unwrap_or_else(|| kind.name.clone()),
                name: kind.name,
            })
            .collect(),
    })
}

impl From<FieldWire> for FieldDescribe {
    fn from(mut wire: FieldWire) -> Self {
        let values = wire.picklist_values.take().unwrap_or_default();
        let restricted = wire.restricted_picklist.then(|| {
            values
                .into_iter()
                .filter(|value| value.active)
                .map(|value| value.value)
                .collect()
        });
        let max_chars = wire.length;
        let kind = match wire.kind.as_str() {
            "string" | "textarea" | "phone" | "url" | "encryptedstring" | "combobox" => {
                FieldKind::Text { max_chars }
            }
            "email" => FieldKind::Email { max_chars },
            "picklist" => FieldKind::Picklist {
                max_chars,
                restricted,
            },
            "multipicklist" => FieldKind::MultiPicklist {
                max_chars,
                restricted,
            },
            "boolean" => FieldKind::Boolean,
            "int" => FieldKind::Int {
                digits: wire.digits,
            },
            "double" | "currency" | "percent" => FieldKind::Number {
                precision: wire.precision,
                scale: wire.scale,
            },
            "date" => FieldKind::Date,
            "datetime" => FieldKind::DateTime,
            "time" => FieldKind::Time,
            "id" | "reference" => FieldKind::Reference,
            _ => FieldKind::Unsupported(wire.kind),
        };
        FieldDescribe {
            name: wire.name,
            label: wire.label,
            kind,
            nillable: wire.nillable,
            defaulted_on_create: wire.defaulted_on_create,
            createable: wire.createable,
            updateable: wire.updateable,
            external_id: wire.external_id,
            unique: wire.unique,
            case_sensitive: wire.case_sensitive,
            id_lookup: wire.id_lookup,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(json: serde_json::Value) -> FieldDescribe {
        let mut full = serde_json::json!({
            "name": "F", "label": "Field", "type": "string", "length": 0, "digits": 0,
            "precision": 0, "scale": 0, "nillable": true, "defaultedOnCreate": false,
            "createable": true, "updateable": true, "externalId": false, "unique": false,
            "caseSensitive": false, "idLookup": false, "restrictedPicklist": false,
            "picklistValues": [], "inlineHelpText": null
        });
        for (name, value) in json.as_object().unwrap() {
            full[name] = value.clone();
        }
        let object = serde_json::json!({
            "name": "Lead", "createable": true, "updateable": true, "keyPrefix": "00Q",
            "fields": [full]
        });
        decode(object.to_string().as_bytes())
            .unwrap()
            .fields
            .remove(0)
    }

    #[track_caller]
    fn check(json: serde_json::Value, kind: FieldKind) {
        assert_eq!(field(json).kind, kind);
    }

    #[test]
    fn types_become_kinds_with_their_limits() {
        use serde_json::json;
        for name in [
            "string",
            "textarea",
            "phone",
            "url",
            "encryptedstring",
            "combobox",
        ] {
            check(
                json!({"type": name, "length": 80}),
                FieldKind::Text { max_chars: 80 },
            );
        }
        check(
            json!({"type": "email", "length": 80}),
            FieldKind::Email { max_chars: 80 },
        );
        check(json!({"type": "boolean"}), FieldKind::Boolean);
        check(
            json!({"type": "int", "digits": 8}),
            FieldKind::Int { digits: 8 },
        );
        for name in ["double", "currency", "percent"] {
            let kind = FieldKind::Number {
                precision: 18,
                scale: 2,
            };
            check(json!({"type": name, "precision": 18, "scale": 2}), kind);
        }
        check(json!({"type": "date"}), FieldKind::Date);
        check(json!({"type": "datetime"}), FieldKind::DateTime);
        check(json!({"type": "time"}), FieldKind::Time);
        check(json!({"type": "id", "length": 18}), FieldKind::Reference);
        check(
            json!({"type": "reference", "length": 18}),
            FieldKind::Reference,
        );
        for name in [
            "address",
            "location",
            "base64",
            "complexvalue",
            "of next year",
        ] {
            check(
                json!({"type": name}),
                FieldKind::Unsupported(name.to_string()),
            );
        }
    }

    #[test]
    fn only_restricted_picklists_list_their_active_values() {
        use serde_json::json;
        let values = json!([
            {"active": true, "value": "Web", "label": "Web", "defaultValue": false},
            {"active": false, "value": "Fax", "label": "Fax", "defaultValue": false}
        ]);
        check(
            json!({"type": "picklist", "length": 40, "restrictedPicklist": true, "picklistValues": values}),
            FieldKind::Picklist {
                max_chars: 40,
                restricted: Some(vec!["Web".to_string()]),
            },
        );
        check(
            json!({"type": "multipicklist", "length": 40, "picklistValues": values}),
            FieldKind::MultiPicklist {
                max_chars: 40,
                restricted: None,
            },
        );
    }

    #[test]
    fn flags_are_taken_over() {
        let key = field(serde_json::json!({
            "name": "MySQL_Id__c", "externalId": true, "unique": true, "caseSensitive": true,
            "idLookup": true
        }));
        assert!(key.external_id && key.unique && key.case_sensitive && key.id_lookup);
        let required = field(serde_json::json!({"nillable": false}));
        assert!(required.is_required());
    }

    #[test]
    fn garbage_is_refused() {
        assert!(
            decode(b"<html>")
                .unwrap_err()
                .contains("describe cannot be read")
        );
        assert!(decode(br#"{"name":"Lead"}"#).is_err());
    }
}
