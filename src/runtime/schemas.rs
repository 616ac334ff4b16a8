//! Plans for a start that goes on: tables may have changed while the service was down, and the
//! binlog still holds rows from before.
//!
//! A first start wants a mapping that fits. A start with a checkpoint does not fail for columns:
//! what a table lacks today is looked up in what it looked like when it was last read, and a route
//! that cannot be helped so waits alone, visibly, until its configuration fits its rows again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::capture;
use crate::core::describe::ObjectDescribe;
use crate::core::mapping::{self, MappingSpec, Mistake, Plan};
use crate::core::schema::{ColumnDefault, TableSchema};
use crate::core::source_row::Lack;

/// A mapping that fits no longer, or fits only rows of before.
const PAGE: &str = "LS1015";

/// What a start works with.
#[derive(Default)]
pub(super) struct Plans {
    /// By `RouteId`.
    pub plans: Vec<Arc<Plan>>,
    /// By `RouteId`: a column that neither the table has nor had when it was last read.
    pub lacks: Vec<Option<Lack>>,
    /// Tables whose schema is to be remembered.
    pub changed: Vec<TableSchema>,
}

/// Compiles every route's mapping against what its table looks like, or looked like.
///
/// # Errors
/// Every mistake of every route that is not one of columns alone.
pub(super) fn compile_going_on(
    specs: &[MappingSpec],
    tables: &[TableSchema],
    remembered: &[TableSchema],
    objects: &HashMap<String, ObjectDescribe>,
) -> Result<Plans, Vec<Mistake>> {
    let mut going_on = Plans::default();
    let mut mistakes = Vec::new();
    let mut outdated = Vec::new();
    for spec in specs {
        let Some(object) = objects.get(&spec.object) else {
            continue;
        };
        let live = tables.iter().find(|table| table.name == spec.table);
        let fits = live.map(|live| mapping::compile(spec, live, object));
        if let Some(Ok(plan)) = fits {
            going_on.plans.push(Arc::new(plan));
            going_on.lacks.push(None);
            continue;
        }
        outdated.push(&spec.table);
        let former = remembered.iter().find(|table| table.name == spec.table);
        let schema = before(spec, live, former);
        match mapping::compile_assuming(spec, &schema, object) {
            Ok((plan, overlooked)) => {
                let reasons = match fits {
                    Some(Err(reasons)) => reasons,
                    _ => Vec::new(),
                };
                warn(spec, live.is_some(), &reasons);
                going_on.plans.push(Arc::new(plan));
                let lack = overlooked.into_iter().next();
                going_on.lacks.push(lack.map(|lack| lack_of(spec, lack)));
            }
            Err(found) => mistakes.extend(found),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    going_on.changed = worth_remembering(tables, remembered)
        .filter(|table| !outdated.contains(&&table.name))
        .cloned()
        .collect();
    Ok(going_on)
}

/// The tables that look otherwise than they did.
pub(super) fn worth_remembering<'t>(
    tables: &'t [TableSchema],
    remembered: &'t [TableSchema],
) -> impl Iterator<Item = &'t TableSchema> {
    tables.iter().filter(|table| !remembered.contains(table))
}

/// Leaves those defaults that hold for every row still to come: rows of before may be unread, so a
/// default that was another one when the table was last read is not known for them.
pub(super) fn forget_uncertain_defaults(tables: &mut [TableSchema], remembered: &[TableSchema]) {
    for table in tables {
        let former = remembered.iter().find(|former| former.name == table.name);
        for column in &mut table.columns {
            let known = former.and_then(|former| former.column(&column.name));
            if known.is_none_or(|known| {
                (&known.kind, &known.default) != (&column.kind, &column.default)
            }) {
                column.default = ColumnDefault::Expression;
            }
        }
    }
}

/// The table with the columns that it had and that matter to rows of before in front.
fn before(
    spec: &MappingSpec,
    live: Option<&TableSchema>,
    former: Option<&TableSchema>,
) -> TableSchema {
    let mut columns = former
        .map(|former| former.columns.clone())
        .unwrap_or_default();
    for column in live.into_iter().flat_map(|live| &live.columns) {
        let known = former.is_some_and(|former| former.column(&column.name).is_some());
        if !known {
            columns.push(column.clone());
        }
    }
    TableSchema {
        name: spec.table.clone(),
        columns,
    }
}

fn warn(spec: &MappingSpec, is_there: bool, reasons: &[Mistake]) {
    if !is_there {
        tracing::warn!(
            page = PAGE,
            route = spec.route,
            "table {} is not there, or not visible: rows from before are still carried",
            spec.table
        );
    }
    for mistake in reasons {
        tracing::warn!(
            page = mistake.page,
            route = spec.route,
            key = mistake.path,
            remedy = mistake.remedy,
            "{}: rows from before are still carried, newer ones may have to wait",
            mistake.text
        );
    }
}

fn lack_of(spec: &MappingSpec, mistake: Mistake) -> Lack {
    let Mistake {
        path, text, remedy, ..
    } = mistake;
    tracing::error!(
        page = PAGE,
        route = spec.route,
        key = path,
        remedy,
        "{text}, and had none when it was last read: the route will wait with its rows"
    );
    Lack {
        column: path.clone(),
        text,
        remedy: format!("{path}: {remedy}; then restart leadstream"),
    }
}

/// Whether a start that goes on can do so with this failure of one table: capture looks at each row
/// by itself.
pub(super) fn concerns_one_table(error: &capture::Error) -> bool {
    matches!(
        error,
        capture::Error::TableMissing { .. } | capture::Error::Charset { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::schema::{Column, ColumnKind, TableName};

    fn table(defaults: &[(&str, &str)]) -> TableSchema {
        let column = |(name, default): &(&str, &str)| Column {
            name: (*name).to_owned(),
            kind: ColumnKind::Year,
            nullable: true,
            primary_key: false,
            default: ColumnDefault::Literal((*default).to_owned()),
        };
        TableSchema {
            name: TableName {
                schema: "crm".to_owned(),
                table: "leads".to_owned(),
            },
            columns: defaults.iter().map(column).collect(),
        }
    }

    #[test]
    fn a_default_that_was_another_one_is_not_known() {
        let former = table(&[("same", "2000"), ("altered", "2001")]);
        let mut live = [table(&[
            ("same", "2000"),
            ("altered", "2002"),
            ("new", "2003"),
        ])];
        forget_uncertain_defaults(&mut live, std::slice::from_ref(&former));
        let defaults: Vec<&ColumnDefault> = live[0].columns.iter().map(|c| &c.default).collect();
        let unknown = &ColumnDefault::Expression;
        assert_eq!(defaults, [&former.columns[0].default, unknown, unknown]);

        // And it stays so: what was remembered then is not what the server says.
        let remembered = live.clone();
        let mut again = [table(&[
            ("same", "2000"),
            ("altered", "2002"),
            ("new", "2003"),
        ])];
        forget_uncertain_defaults(&mut again, &remembered);
        assert_eq!(again, remembered);
        forget_uncertain_defaults(&mut again, &[]);
        assert_eq!(again[0].columns[0].default, ColumnDefault::Expression);
    }
}
