//! Which tables, operations and columns are wanted, worked out once from the checked config.
//!
//! A row's wanted columns are decoded once into *slots* (the union over its routes); each route
//! then takes its values from the slots, the last user of a slot without a copy.

use std::sync::Arc;

use super::settings::RoutedTable;
use crate::core::change::{Operation, RouteId};
use crate::core::schema::TableName;

#[derive(Debug)]
pub(super) struct Routing {
    pub(super) tables: Vec<Table>,
    /// The server folds table names (`lower_case_table_names` is not 0).
    ignore_case: bool,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: Arc<TableName>,
    /// `schema.table`, the key in a checkpoint.
    pub(super) text: String,
    /// Wanted columns by slot.
    pub(super) columns: Vec<String>,
    plans: [Plan; 3],
}

/// What a row of one operation turns into.
#[derive(Debug)]
pub(super) struct Plan {
    /// One per route of the table, in config order.
    pub(super) steps: Vec<Step>,
    pub(super) any_carries: bool,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) route: RouteId,
    pub(super) carries: bool,
    /// Slot, and whether nobody after this needs it.
    pub(super) values: Vec<(usize, bool)>,
    /// It takes every slot, in their order, and nobody after this needs one.
    pub(super) takes_all: bool,
}

impl Routing {
    pub(super) fn new(tables: &[RoutedTable], ignore_case: bool) -> Self {
        Self {
            tables: tables.iter().map(Table::new).collect(),
            ignore_case,
        }
    }

    /// The routed table of that name, by index.
    pub(super) fn find(&self, schema: &[u8], table: &[u8]) -> Option<usize> {
        let same = |name: &str, found: &[u8]| {
            name.as_bytes() == found
                || (self.ignore_case && name.as_bytes().eq_ignore_ascii_case(found))
        };
        let matches =
            |routed: &Table| same(&routed.name.table, table) && same(&routed.name.schema, schema);
        self.tables.iter().position(matches)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &TableName> + Clone {
        self.tables.iter().map(|table| &*table.name)
    }
}

impl Table {
    fn new(table: &RoutedTable) -> Self {
        let mut columns: Vec<String> = Vec::new();
        let mut slots = Vec::new();
        for route in &table.routes {
            let slots_of_route: Vec<usize> = route
                .columns
                .iter()
                .map(|wanted| {
                    let known = columns
                        .iter()
                        .position(|column| same_column(column, wanted));
                    known.unwrap_or_else(|| {
                        columns.push(wanted.clone());
                        columns.len() - 1
                    })
                })
                .collect();
            slots.push(slots_of_route);
        }
        let plan = |operation: Operation| {
            let carries = |index: usize| match operation {
                Operation::Insert => table.routes[index].insert,
                Operation::Update => table.routes[index].update,
                Operation::Delete => table.routes[index].delete,
            };
            // Walked backwards, so that the first to see a slot is the last to use it.
            let mut free = vec![true; columns.len()];
            let mut steps: Vec<Step> = (0..table.routes.len())
                .rev()
                .map(|index| {
                    let carries = carries(index);
                    let wanted = if carries {
                        slots[index].as_slice()
                    } else {
                        &[]
                    };
                    let mut values: Vec<(usize, bool)> = wanted
                        .iter()
                        .rev()
                        .map(|slot| (*slot, std::mem::replace(&mut free[*slot], false)))
                        .collect();
                    values.reverse();
                    let all = (0..columns.len()).map(|slot| (slot, true));
                    Step {
                        route: table.routes[index].route,
                        carries,
                        takes_all: values.iter().copied().eq(all),
                        values,
                    }
                })
                .collect();
            steps.reverse();
            let any_carries = steps.iter().any(|step| step.carries);
            Plan { steps, any_carries }
        };
        let plans = [
            plan(Operation::Insert),
            plan(Operation::Update),
            plan(Operation::Delete),
        ];
        let name = Arc::new(table.name.clone());
        Self {
            text: name.to_string(),
            name,
            columns,
            plans,
        }
    }

    pub(super) fn plan(&self, operation: Operation) -> &Plan {
        match operation {
            Operation::Insert => &self.plans[0],
            Operation::Update => &self.plans[1],
            Operation::Delete => &self.plans[2],
        }
    }
}

/// MySQL compares column names without case.
pub(super) fn same_column(left: &str, right: &str) -> bool {
    left == right || left.to_lowercase() == right.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::settings::TableRoute;

    fn route(id: u16, insert: bool, columns: &[&str]) -> TableRoute {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        TableRoute {
            name: format!("route{id}"),
            route: RouteId(id),
            insert,
            update: false,
            delete: false,
            columns,
        }
    }

    fn routing(routes: Vec<TableRoute>, ignore_case: bool) -> Routing {
        let name = TableName {
            schema: "shop".to_owned(),
            table: "leads".to_owned(),
        };
        Routing::new(&[RoutedTable { name, routes }], ignore_case)
    }

    #[test]
    fn a_shared_column_is_decoded_once_and_only_its_last_user_takes_it() {
        let routing = routing(
            vec![
                route(0, true, &["a", "b", "a"]),
                route(1, true, &["B", "c"]),
            ],
            false,
        );
        let table = &routing.tables[0];
        assert_eq!(table.columns, ["a", "b", "c"]);
        let plan = table.plan(Operation::Insert);
        assert_eq!(plan.steps[0].values, [(0, false), (1, false), (0, true)]);
        assert_eq!(plan.steps[1].values, [(1, true), (2, true)]);
        assert!(plan.any_carries);
        assert!(!table.plan(Operation::Delete).any_carries);
    }

    #[test]
    fn a_route_that_does_not_carry_the_operation_leaves_the_values_to_others() {
        let routing = routing(vec![route(0, true, &["a"]), route(1, false, &["a"])], false);
        let plan = routing.tables[0].plan(Operation::Insert);
        assert_eq!(plan.steps[0].values, [(0, true)]);
        assert!(plan.steps[1].values.is_empty());
        assert!(plan.any_carries);
    }

    #[test]
    fn table_names_fold_only_where_the_server_folds_them() {
        assert_eq!(routing(Vec::new(), false).find(b"Shop", b"LEADS"), None);
        assert_eq!(routing(Vec::new(), true).find(b"Shop", b"LEADS"), Some(0));
        assert_eq!(routing(Vec::new(), false).find(b"shop", b"leads"), Some(0));
    }
}
