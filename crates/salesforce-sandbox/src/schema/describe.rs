//! What describe says of Lead and of each field (salesforce-facts 9).
use serde_json::{Value, json};

use super::{Field, FieldType as T, Schema};

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
        "recordTypeInfos": [{
            "active": true,
            "available": true,
            "defaultRecordTypeMapping": true,
            "developerName": "Master",
            "master": true,
            "name": "Master",
            "recordTypeId": "012000000000000AAA",
            "urls": { "layout": format!("/services/data/v{version}/sobjects/Lead/describe/layouts/012000000000000AAA") },
        }],
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

fn describe_field(field: &Field) -> Value {
    let picklist: Vec<Value> = field
        .picklist
        .iter()
        .enumerate()
        .map(|(i, value)| {
            let default = i == 0 && field.defaulted_on_create;
            json!({ "active": true, "defaultValue": default, "label": value, "validFor": null, "value": value })
        })
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
        T::Text | T::TextArea | T::Email | T::Phone | T::Url | T::Picklist => "xsd:string",
    }
}

/// `json!` nests as deep as it has keys, so large objects are built from two halves.
fn merge(target: &mut Value, more: Value) {
    if let (Value::Object(target), Value::Object(more)) = (target, more) {
        target.extend(more);
    }
}
