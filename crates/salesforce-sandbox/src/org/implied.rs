//! Values that a lead has without their being stored: checkboxes, defaults, audit fields.
use super::id;
use super::leads::Lead;
use crate::schema::{FieldType as T, Schema};
use crate::value::Value;

/// The value of a field that is not stored. `lead` is none for one that is about to be created, by the user of that
/// number.
pub(crate) fn implied(
    schema: &Schema,
    number: u16,
    lead: Option<&Lead>,
    user: u16,
) -> Value<'static> {
    let field = schema.field(number);
    let text = |text: String| Value::Text(text.into());
    let moment = |micros: Option<i64>| {
        micros.map_or(Value::Null, |micros| {
            Value::DateTime(micros.div_euclid(1000))
        })
    };
    let created_by = lead.map_or(user, |lead| lead.created_by);
    let modified_by = lead.map_or(user, |lead| lead.modified_by);
    match field.name.as_str() {
        "IsConverted" => Value::Boolean(lead.is_some_and(|lead| lead.converted)),
        "IsDeleted" => Value::Boolean(lead.is_some_and(|lead| lead.deleted)),
        // Whoever creates a lead owns it, unless the record or a rule says otherwise.
        "OwnerId" | "CreatedById" => text(id::user(created_by.into())),
        "LastModifiedById" => text(id::user(modified_by.into())),
        "CreatedDate" => moment(lead.map(|lead| lead.created_micros)),
        "LastModifiedDate" | "SystemModstamp" => moment(lead.map(|lead| lead.modified_micros)),
        "RecordTypeId" => schema
            .record_types()
            .iter()
            .find(|record_type| record_type.default)
            .map_or(Value::Null, |record_type| text(record_type.id.clone())),
        _ if field.kind == T::Boolean => Value::Boolean(false),
        _ if field.defaulted_on_create => field
            .picklist
            .first()
            .map_or(Value::Null, |first| text(first.clone())),
        _ => Value::Null,
    }
}
