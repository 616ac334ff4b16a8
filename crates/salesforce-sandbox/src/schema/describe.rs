//! What describe says of Lead and of each field (salesforce-facts 9).
use serde_json::{Value, json};

use super::{Field, FieldType as T, Schema};
use crate::org::id;

/// The reply of `GET /sobjects/Lead/describe`.
pub(crate) fn describe(schema: &Schema, version: &str) -> Value {
    let mut object = object_keys(version);
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
        "recordTypeInfos": record_type_infos(schema, version),
        "searchLayoutable": true,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{ "label": "All leads", "name": "everything" }, { "label": "My leads", "name": "mine" }],
    });
    merge(&mut object, more);
    object
}

/// The reply of `GET /sobjects/Lead`.
pub(crate) fn basic_information(version: &str) -> Value {
    json!({ "objectDescribe": object_keys(version), "recentItems": [] })
}

/// The entry of Lead in `GET /sobjects`.
pub(crate) fn global_entry(version: &str) -> Value {
    object_keys(version)
}

fn object_keys(version: &str) -> Value {
    let base = format!("/services/data/v{version}/sobjects/Lead");
    json!({
        "activateable": false,
        "associateEntityType": null,
        "associateParentEntity": null,
        "createable": true,
        "custom": false,
        "customSetting": false,
        "deepCloneable": false,
        "deletable": true,
        "deprecatedAndHidden": false,
        "feedEnabled": true,
        "hasSubtypes": false,
        "isSubtype": false,
        "keyPrefix": "00Q",
        "label": "Lead",
        "labelPlural": "Leads",
        "layoutable": true,
        "mergeable": true,
        "mruEnabled": true,
        "name": "Lead",
        "queryable": true,
        "replicateable": true,
        "retrieveable": true,
        "searchable": true,
        "triggerable": true,
        "undeletable": true,
        "updateable": true,
        "urls": {
            "compactLayouts": format!("{base}/describe/compactLayouts"),
            "describe": format!("{base}/describe"),
            "layouts": format!("{base}/describe/layouts"),
            "rowTemplate": format!("{base}/{{ID}}"),
            "sobject": base,
        },
    })
}

/// The record types of Lead; the master comes last and is the default where no other is.
fn record_type_infos(schema: &Schema, version: &str) -> Vec<Value> {
    let info = |name: &str, developer_name: &str, id: &str, active: bool, default: bool| {
        json!({
            "active": active,
            "available": active,
            "defaultRecordTypeMapping": default,
            "developerName": developer_name,
            "master": id == id::MASTER_RECORD_TYPE,
            "name": name,
            "recordTypeId": id,
            "urls": { "layout": format!("/services/data/v{version}/sobjects/Lead/describe/layouts/{id}") },
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
    let long_text = field.kind == T::TextArea && field.length > 255;
    let mut object = json!({
        "aggregatable": !long_text,
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
        "filterable": !long_text,
        "filteredLookupInfo": null,
        "formulaTreatNullNumberAsZero": false,
        "groupable": !long_text,
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
        "relationshipName": relationship_name(field),
        "relationshipOrder": null,
        "restrictedDelete": false,
        "restrictedPicklist": field.restricted,
        "scale": field.scale,
        "searchPrefilterable": false,
        "soapType": soap_type(field.kind),
        "sortable": !long_text,
        "type": field.kind.name(),
        "unique": field.unique,
        "updateable": field.updateable,
        "writeRequiresMasterRead": false,
    });
    merge(&mut object, more);
    object
}

fn relationship_name(field: &Field) -> Option<&str> {
    (field.kind == T::Reference).then(|| field.name.trim_end_matches("Id"))
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
