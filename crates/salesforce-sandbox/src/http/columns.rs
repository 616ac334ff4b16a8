//! `/query?q=…&columns=true`: what the columns of a query are, instead of its rows.
//!
//! The documentation is silent on it, Salesforce's own CLI asks it after each query (client). Names and nesting are
//! as clients read them; which Apex type a field has, and the flags of aggregates, are inference.
use serde_json::{Value, json};

use super::reply::Reply;
use crate::org::Org;
use crate::schema::{Catalog, Field, FieldType as T};
use crate::soql::{Aggregate, Column, Grouping, Output, Path, Plan, Slot};

/// Describes the columns of a checked query.
pub(super) fn describe(org: &Org, plan: &Plan) -> Reply {
    let fields = Fields {
        catalog: org.catalog(),
        plan,
    };
    let columns = match &plan.output {
        Output::Count => Vec::new(),
        Output::Rows(columns) => fields.of_rows(columns),
        Output::Groups(grouping) => fields.of_groups(grouping),
    };
    let (id_selected, grouped) = match &plan.output {
        Output::Count => (false, false),
        Output::Rows(columns) => (columns.iter().any(|column| column.name == "Id"), false),
        Output::Groups(grouping) => (false, !grouping.keys.is_empty()),
    };
    Reply::json(
        200,
        &json!({
            "columnMetadata": columns,
            "entityName": plan.object.name(),
            "groupBy": grouped,
            "idSelected": id_selected,
            "keyPrefix": plan.object.key_prefix(),
        }),
    )
}

struct Fields<'p> {
    catalog: Catalog<'p>,
    plan: &'p Plan,
}

impl<'p> Fields<'p> {
    fn field(&self, path: Path) -> &'p Field {
        let object = path.via.map_or(self.plan.object, |via| via.target);
        self.catalog.schema(object).field(path.field)
    }

    /// Fields of one parent stand together below the relationship, at the place of the first of them.
    fn of_rows(&self, columns: &[Column]) -> Vec<Value> {
        let mut described: Vec<Value> = Vec::new();
        let mut parents: Vec<(&str, usize)> = Vec::new();
        for column in columns {
            let field = self.field(column.path);
            let parent = column.name.split_once('.').map(|(parent, _)| parent);
            let (Some(parent), Some(via)) = (parent, column.path.via) else {
                described.push(plain(field));
                continue;
            };
            let place = match parents.iter().find(|(name, _)| *name == parent) {
                Some((_, place)) => *place,
                None => {
                    let reference = self.catalog.schema(self.plan.object).field(via.reference);
                    let mut whole = plain(reference);
                    whole["columnName"] = parent.into();
                    whole["displayName"] = parent.into();
                    whole["foreignKeyName"] = reference.name.as_str().into();
                    whole["apexType"] = via.target.name().into();
                    parents.push((parent, described.len()));
                    described.push(whole);
                    described.len() - 1
                }
            };
            let joined = described
                .get_mut(place)
                .and_then(|whole| whole["joinColumns"].as_array_mut());
            if let Some(joined) = joined {
                joined.push(plain(field));
            }
        }
        described
    }

    fn of_groups(&self, grouping: &Grouping) -> Vec<Value> {
        let describe = |(name, slot): &(String, Slot)| {
            if let Some(key) = grouping.keys.get(slot.0) {
                let mut column = plain(self.field(key.path));
                column["columnName"] = name.as_str().into();
                return Some(column);
            }
            let place = slot.0.checked_sub(grouping.keys.len())?;
            let aggregate = grouping.aggregates.get(place)?;
            Some(self.aggregate(name, aggregate))
        };
        grouping.columns.iter().filter_map(describe).collect()
    }

    fn aggregate(&self, name: &str, aggregate: &Aggregate) -> Value {
        let subject = aggregate
            .path
            .map_or("", |path| self.field(path).name.as_str());
        let function = aggregate.function.name().to_ascii_lowercase();
        let mut column = described(name, "Decimal");
        column["aggregate"] = true.into();
        column["displayName"] = format!("{function}({subject})").into();
        column["numberType"] = true.into();
        column
    }
}

fn plain(field: &Field) -> Value {
    let apex_type = match field.kind {
        T::Id | T::Reference => "Id",
        T::Boolean => "Boolean",
        T::Int => "Integer",
        T::Double | T::Currency | T::Percent => "Decimal",
        T::Date => "Date",
        T::DateTime => "Datetime",
        T::Address => "Address",
        T::Text | T::TextArea | T::Email | T::Phone | T::Url | T::Picklist | T::MultiPicklist => {
            "String"
        }
    };
    let mut column = described(&field.name, apex_type);
    column["booleanType"] = (field.kind == T::Boolean).into();
    column["custom"] = field.custom.into();
    column["insertable"] = field.createable.into();
    column["numberType"] = matches!(apex_type, "Integer" | "Decimal").into();
    column["textType"] = (apex_type == "String").into();
    column["updatable"] = field.updateable.into();
    column
}

fn described(name: &str, apex_type: &str) -> Value {
    json!({
        "aggregate": false,
        "apexType": apex_type,
        "booleanType": false,
        "columnName": name,
        "custom": false,
        "displayName": name,
        "foreignKeyName": null,
        "insertable": false,
        "joinColumns": [],
        "numberType": false,
        "textType": false,
        "updatable": false,
    })
}
