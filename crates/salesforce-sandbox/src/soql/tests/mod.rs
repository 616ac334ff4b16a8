//! Queries over a handful of plain rows, and every way in which a query is refused.
mod arbitrary;
mod refusals;
mod rows;

use super::*;
use crate::config::OrgConfig;
use crate::schema::{Catalog, ReadOnlySchemas, Schema};
use crate::value::Value;
use crate::value::calendar;

/// A Wednesday.
const TODAY: &str = "2026-01-14";

/// The objects of the demo org.
pub(super) struct Objects {
    pub(super) lead: Schema,
    others: ReadOnlySchemas,
}

impl Objects {
    pub(super) fn demo() -> Objects {
        Objects {
            lead: Schema::new(&OrgConfig::default()),
            others: ReadOnlySchemas::new(),
        }
    }

    pub(super) fn plan(&self, text: &str) -> Result<Plan, SoqlError> {
        let context = Context {
            catalog: Catalog {
                lead: &self.lead,
                others: &self.others,
            },
            today: calendar::parse_date(TODAY).unwrap(),
        };
        bind(&parse(text)?, context)
    }
}

/// A row with its values by name; those of parents are named `Owner.Name`.
pub(super) struct Plain<'o> {
    objects: &'o Objects,
    values: Vec<(&'static str, Value<'static>)>,
}

impl<'o> Plain<'o> {
    pub(super) fn new(objects: &'o Objects, values: Vec<(&'static str, Value<'static>)>) -> Self {
        Plain { objects, values }
    }
}

impl Row for Plain<'_> {
    fn value(&self, path: Path) -> Value<'_> {
        let name = match path.via {
            None => self.objects.lead.field(path.field).name.clone(),
            Some(via) => {
                let reference = self.objects.lead.field(via.reference);
                let parent = self.objects.others.schema(via.target).unwrap();
                let field = &parent.field(path.field).name;
                format!("{}.{field}", reference.relationship_name().unwrap())
            }
        };
        let found = self.values.iter().find(|(key, _)| *key == name);
        found.map_or(Value::Null, |(_, value)| value.clone())
    }
}

pub(super) fn plenty() -> Budget {
    Budget::new(u64::MAX, u64::MAX)
}

/// Runs a plan over rows; the answer are their numbers, in order.
pub(super) fn run(plan: &Plan, rows: &[Plain<'_>]) -> Vec<usize> {
    let mut found: Vec<(Vec<Key>, usize)> = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let read = |path| row.value(path);
        if plan.filter.holds(&read, &plenty()) {
            let sorts = plan.order.iter();
            let keys = sorts.map(|sort| sort.key(&read, &plenty())).collect();
            found.push((keys, number));
        }
    }
    found.sort_by(|(left, _), (right, _)| compare(&plan.order, left, right));
    plan.cut(found.into_iter().map(|(_, number)| number).collect())
}
