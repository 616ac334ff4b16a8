//! Plans for a start that goes on: tables may have changed while the service was down, and the
//! binlog still holds rows from before.
//!
//! A table that was never read wants a mapping that fits. With one that was read before a start does
//! not fail for columns: what it lacks today is looked up in what it looked like then, and a route
//! that cannot be helped so waits alone, visibly, until its configuration fits its rows again.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;

use super::wiring;
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
/// Every mistake of the routes that must not start: of a table that was never read, or not of its
/// columns.
pub(super) fn compile(
    specs: &[MappingSpec],
    tables: &[TableSchema],
    remembered: &[TableSchema],
    objects: &HashMap<String, ObjectDescribe>,
) -> Result<Plans, Vec<Mistake>> {
    let mut compiled = Plans::default();
    let mut mistakes = Vec::new();
    let mut outdated = Vec::new();
    for spec in specs {
        let found = match wiring::compile_plans(slice::from_ref(spec), tables, objects) {
            Ok(plans) => {
                compiled.lacks.extend(plans.iter().map(|_| None));
                compiled.plans.extend(plans);
                continue;
            }
            Err(found) => found,
        };
        let live = tables.iter().find(|table| table.name == spec.table);
        let former = remembered.iter().find(|table| table.name == spec.table);
        let of_before = former
            .zip(objects.get(&spec.object))
            .map(|(former, object)| mapping::compile_assuming(spec, &before(live, former), object));
        let Some(Ok((plan, overlooked))) = of_before else {
            mistakes.extend(found);
            continue;
        };
        outdated.push(&spec.table);
        warn(spec, live.is_some(), &found);
        let lack = overlooked.into_iter().next();
        compiled.plans.push(Arc::new(plan));
        compiled.lacks.push(lack.map(|lack| lack_of(spec, lack)));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    compiled.changed = tables
        .iter()
        .filter(|table| !remembered.contains(table) && !outdated.contains(&&table.name))
        .cloned()
        .collect();
    Ok(compiled)
}

/// Tables that have every column that their routes want. One that lacks some is not remembered by a
/// first start: its mistake must end the next start, too.
pub(super) fn fitting(tables: &[TableSchema], routed: &[capture::RoutedTable]) -> Vec<TableSchema> {
    let fits = |table: &&TableSchema| {
        let of_table = routed.iter().filter(|routed| routed.name == table.name);
        let mut wanted = of_table.flat_map(|r| &r.routes).flat_map(|r| &r.columns);
        wanted.all(|column| table.column(column).is_some())
    };
    tables.iter().filter(fits).cloned().collect()
}

/// Whether [`forget_uncertain_defaults`] would forget any.
pub(super) fn has_uncertain_defaults(tables: &[TableSchema], remembered: &[TableSchema]) -> bool {
    let mut certain = tables.to_vec();
    forget_uncertain_defaults(&mut certain, remembered);
    certain != tables
}

/// What the journal remembers once these have taken the places of older ones.
pub(super) fn remembered(before: &[TableSchema], changed: &[TableSchema]) -> Vec<TableSchema> {
    let is_kept = |table: &&TableSchema| changed.iter().all(|it| it.name != table.name);
    let kept = before.iter().filter(is_kept);
    kept.chain(changed).cloned().collect()
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
fn before(live: Option<&TableSchema>, former: &TableSchema) -> TableSchema {
    let mut table = former.clone();
    for column in live.into_iter().flat_map(|live| &live.columns) {
        if former.column(&column.name).is_none() {
            table.columns.push(column.clone());
        }
    }
    table
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
    for mistake in reasons.iter().filter(|_| is_there) {
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

/// Whether a start can go on with this failure: it concerns one table that was read before, and
/// capture looks at each row by itself.
pub(super) fn may_wait(error: &capture::Error, remembered: &[TableSchema]) -> bool {
    match error {
        capture::Error::TableMissing { table, .. } | capture::Error::Charset { table, .. } => {
            remembered.iter().any(|known| known.name == *table)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::describe::{FieldDescribe, FieldKind};
    use crate::core::mapping::{FieldSource, FieldSpec};
    use crate::core::schema::{Column, ColumnKind, TableName};

    fn table(columns: &[(&str, ColumnKind)]) -> TableSchema {
        let column = |(name, kind): &(&str, ColumnKind)| Column {
            name: (*name).to_owned(),
            kind: kind.clone(),
            nullable: true,
            primary_key: *name == "id",
            default: Default::default(),
        };
        TableSchema {
            name: TableName {
                schema: "crm".to_owned(),
                table: "leads".to_owned(),
            },
            columns: columns.iter().map(column).collect(),
        }
    }

    fn text() -> ColumnKind {
        ColumnKind::Text { max_chars: 80 }
    }

    fn field(name: &str) -> FieldDescribe {
        FieldDescribe {
            name: name.to_owned(),
            label: name.to_owned(),
            kind: FieldKind::Text { max_chars: 80 },
            nillable: true,
            defaulted_on_create: false,
            createable: true,
            updateable: true,
            external_id: name == "Key__c",
            unique: name == "Key__c",
            case_sensitive: false,
            id_lookup: false,
        }
    }

    fn spec(column: &str) -> MappingSpec {
        MappingSpec {
            route: "leads".to_owned(),
            table: table(&[]).name,
            object: "Lead".to_owned(),
            external_id: "Key__c".to_owned(),
            key_column: "id".to_owned(),
            fields: vec![FieldSpec {
                field: "Email".to_owned(),
                source: FieldSource::Column {
                    name: column.to_owned(),
                    default: Default::default(),
                },
                trim: true,
                on_too_long: None,
            }],
            filter: None,
            on_too_long: mapping::OnTooLong::DeadLetter,
            path: "route[0]".to_owned(),
        }
    }

    fn start(
        column: &str,
        live: &[TableSchema],
        remembered: &[TableSchema],
    ) -> Result<Plans, Vec<Mistake>> {
        let object = ObjectDescribe {
            name: "Lead".to_owned(),
            createable: true,
            updateable: true,
            fields: vec![field("Key__c"), field("Email")],
        };
        let objects = HashMap::from([("Lead".to_owned(), object)]);
        compile(&[spec(column)], live, remembered, &objects)
    }

    #[test]
    fn a_table_that_was_never_read_must_fit() {
        let live = [table(&[("id", text()), ("mail", text())])];
        let found = start("mail", &live, &[]).unwrap();
        assert_eq!(found.changed, live);
        assert_eq!(start("email", &live, &[]).err().unwrap()[0].page, "LS5001");
        assert_eq!(start("mail", &[], &[]).err().unwrap()[0].page, "LS5001");
    }

    #[test]
    fn a_first_start_remembers_only_tables_that_have_what_is_wanted() {
        let live = [table(&[("id", text()), ("mail", text())])];
        let wanted = |column: &str| capture::RoutedTable {
            name: live[0].name.clone(),
            routes: vec![capture::TableRoute {
                name: "leads".to_owned(),
                route: crate::core::change::RouteId(0),
                insert: true,
                update: false,
                delete: false,
                columns: vec![column.to_owned()],
            }],
        };
        assert_eq!(fitting(&live, &[wanted("mail")]), live);
        assert!(fitting(&live, &[wanted("email")]).is_empty());
    }

    #[test]
    fn what_a_table_had_when_it_was_last_read_is_enough_to_go_on() {
        let before = [table(&[("id", text()), ("email", text())])];
        let renamed = [table(&[("id", text()), ("mail", text())])];
        let retyped = [table(&[("id", text()), ("email", ColumnKind::Bytes)])];
        for live in [&renamed[..], &retyped[..], &[]] {
            let found = start("email", live, &before).unwrap();
            assert_eq!(found.lacks, [None], "{live:?}");
            assert_eq!(found.plans[0].columns, ["id", "email"]);
            assert!(found.changed.is_empty(), "the former is still needed");
        }
        let found = start("mail", &renamed, &before).unwrap();
        assert_eq!((found.lacks, found.changed), (vec![None], renamed.to_vec()));
    }

    #[test]
    fn a_column_that_never_was_makes_its_route_wait_and_other_mistakes_end_the_start() {
        let known = [table(&[("id", text()), ("email", text())])];
        let found = start("e_mail", &known, &known).unwrap();
        let lack = found.lacks[0].as_ref().unwrap();
        assert!(lack.remedy.contains("route[0].fields.Email"), "{lack:?}");
        assert!(lack.remedy.contains("\"email\""), "{lack:?}");
        let bytes = [table(&[("id", text()), ("email", ColumnKind::Bytes)])];
        let mistakes = start("email", &bytes, &bytes).err().unwrap();
        assert_eq!(mistakes[0].page, "LS5004");
    }
}

#[cfg(test)]
mod uncertain_defaults_tests {
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
