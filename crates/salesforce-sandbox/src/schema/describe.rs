//! What describe says of an object and of each field (salesforce-facts 9).
use serde_json::{Value, json};

use super::{Field, FieldType as T, ObjectKind, Schema};
use crate::org::id;

/// The reply of `GET /sobjects/{Object}/describe`.
pub(crate) fn describe(object: ObjectKind, schema: &Schema, version: &str) -> Value {
    let name = object.name();
    let scope = format!("All {}", object.label_plural().to_lowercase());
    let mut object = object_keys(object, version);
    let fields: Vec<Value> = schema
        .fields()
        .map(|(_, field)| describe_field(field))
        .collect();
    let more = json!({
        "actionOverrides": [],
        "childRelationships": [],
        "compactLayoutable": true,
        "defaultImplementation": null,
        "extendedBy": null,
        "extendsInterfaces": null,
        "fields": fields,
        "implementedBy": null,
        "implementsInterfaces": null,
        "isInterface": false,
        "listviewable": null,
        "lookupLayoutable": null,
        "namedLayoutInfos": [],
        "networkScopeFieldName": null,
        "recordTypeInfos": record_type_infos(name, schema, version),
        "searchLayoutable": true,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{ "label": scope, "name": "everything" }],
    });
    merge(&mut object, more);
    object
}

/// The reply of `GET /sobjects/{Object}`.
pub(crate) fn basic_information(object: ObjectKind, version: &str) -> Value {
    json!({ "objectDescribe": object_keys(object, version), "recentItems": [] })
}

/// The entry of an object in `GET /sobjects`.
pub(crate) fn global_entry(object: ObjectKind, version: &str) -> Value {
    object_keys(object, version)
}

fn object_keys(object: ObjectKind, version: &str) -> Value {
    let base = format!("/services/data/v{version}/sobjects/{}", object.name());
    let writable = object == ObjectKind::Lead;
    json!({
        "activateable": false,
        "associateEntityType": null,
        "associateParentEntity": null,
        "createable": writable,
        "custom": false,
        "customSetting": false,
        "deepCloneable": false,
        "deletable": writable,
        "deprecatedAndHidden": false,
        "feedEnabled": writable,
        "hasSubtypes": false,
        "isSubtype": false,
        "keyPrefix": object.key_prefix(),
        "label": object.label(),
        "labelPlural": object.label_plural(),
        "layoutable": writable,
        "mergeable": writable,
        "mruEnabled": writable,
        "name": object.name(),
        "queryable": true,
        "replicateable": true,
        "retrieveable": true,
        "searchable": writable,
        "triggerable": writable,
        "undeletable": writable,
        "updateable": writable,
        "urls": {
            "compactLayouts": format!("{base}/describe/compactLayouts"),
            "describe": format!("{base}/describe"),
            "layouts": format!("{base}/describe/layouts"),
            "rowTemplate": format!("{base}/{{ID}}"),
            "sobject": base,
        },
    })
}

/// The record types of an object; the master comes last and is the default where no other is.
fn record_type_infos(object: &str, schema: &Schema, version: &str) -> Vec<Value> {
    let info = |name: &str, developer_name: &str, id: &str, active: bool, default: bool| {
        json!({
            "active": active,
            "available": active,
            "defaultRecordTypeMapping": default,
            "developerName": developer_name,
            "master": id == id::MASTER_RECORD_TYPE,
            "name": name,
            "recordTypeId": id,
            "urls": { "layout": format!("/services/data/v{version}/sobjects/{object}/describe/layouts/{id}") },
        })
    };
    let types = schema.record_types();
    let mut infos: Vec<Value> = types
        .iter()
        .map(|t| info(&t.name, &t.developer_name, &t.id, t.active, t.default))
        .collect();
    let master_is_default = !types.iter().any(|t| t.default);
    infos.push(info(
        "Master",
        "Master",
        id::MASTER_RECORD_TYPE,
        true,
        master_is_default,
    ));
    infos
}

fn describe_field(field: &Field) -> Value {
    let entry = |value: &String, active: bool, default: bool| json!({ "active": active, "defaultValue": default, "label": value, "validFor": null, "value": value });
    let active = field.picklist.iter().enumerate();
    let picklist: Vec<Value> = active
        .map(|(i, value)| entry(value, true, i == 0 && field.defaulted_on_create))
        .chain(
            field
                .inactive
                .iter()
                .map(|value| entry(value, false, false)),
        )
        .collect();
    let mut object = json!({
        "aggregatable": field.aggregatable(),
        "aiPredictionField": false,
        "autoNumber": false,
        "byteLength": field.length * 3,
        "calculated": false,
        "calculatedFormula": null,
        "cascadeDelete": false,
        "caseSensitive": field.case_sensitive,
        "compoundFieldName": field.compound,
        "controllerName": null,
        "createable": field.createable,
        "custom": field.custom,
        "defaultValue": if field.kind == T::Boolean { json!(false) } else { Value::Null },
        "defaultValueFormula": null,
        "defaultedOnCreate": field.defaulted_on_create,
        "dependentPicklist": false,
        "deprecatedAndHidden": false,
        "digits": field.digits,
        "displayLocationInDecimal": false,
        "encrypted": false,
        "externalId": field.external_id,
        "extraTypeInfo": null,
        "filterable": field.filterable(),
        "filteredLookupInfo": null,
        "formulaTreatNullNumberAsZero": false,
        "groupable": field.groupable(),
        "highScaleNumber": false,
        "htmlFormatted": false,
        "idLookup": field.id_lookup,
        "inlineHelpText": null,
        "label": field.label,
        "length": field.length,
    });
    let more = json!({
        "mask": null,
        "maskType": null,
        "name": field.name,
        "nameField": field.name == "Name",
        "namePointing": field.reference_to.len() > 1,
        "nillable": field.nillable,
        "permissionable": field.nillable && (field.createable || field.updateable),
        "picklistValues": picklist,
        "polymorphicForeignKey": field.reference_to.len() > 1,
        "precision": field.precision,
        "queryByDistance": false,
        "referenceTargetField": null,
        "referenceTo": field.reference_to,
        "relationshipName": field.relationship_name(),
        "relationshipOrder": null,
        "restrictedDelete": false,
        "restrictedPicklist": field.restricted,
        "scale": field.scale,
        "searchPrefilterable": false,
        "soapType": soap_type(field.kind),
        "sortable": field.sortable(),
        "type": field.kind.name(),
        "unique": field.unique,
        "updateable": field.updateable,
        "writeRequiresMasterRead": false,
    });
    merge(&mut object, more);
    object
}

fn soap_type(kind: T) -> &'static str {
    match kind {
        T::Id | T::Reference => "tns:ID",
        T::Boolean => "xsd:boolean",
        T::Int => "xsd:int",
        T::Double | T::Currency | T::Percent => "xsd:double",
        T::Date => "xsd:date",
        T::DateTime => "xsd:dateTime",
        T::Address => "urn:address",
        T::Text | T::TextArea | T::Email | T::Phone | T::Url | T::Picklist | T::MultiPicklist => {
            "xsd:string"
        }
    }
}

/// `json!` nests as deep as it has keys, so large objects are built from two halves.
fn merge(target: &mut Value, more: Value) {
    if let (Value::Object(target), Value::Object(more)) = (target, more) {
        target.extend(more);
    }
}
