//! What a person or the service asks of snapshots, and why it may be refused.

use super::{Snapshot, SnapshotReason, SnapshotState, TableSnapshot};
use crate::core::schema::TableName;
use crate::core::time::Micros;

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    pub reason: SnapshotReason,
    /// Names of routes; `None` is all of them.
    pub routes: Option<Vec<String>>,
    /// SQL, as it stands behind WHERE.
    pub condition: Option<String>,
}

/// Why a wish about snapshots is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("snapshot {number} is running, and one runs at a time")]
    Running { number: u64 },
    #[error("there is no route {route:?}")]
    UnknownRoute { route: String, known: Vec<String> },
    #[error("a condition speaks of one table, and the routes read {tables} tables")]
    ConditionForSeveral { tables: usize },
    #[error("no snapshot is running")]
    NotRunning,
}

impl Refusal {
    /// `LS####`.
    #[must_use]
    pub fn page(&self) -> &'static str {
        match self {
            Refusal::Running { .. } => "LS1080",
            Refusal::UnknownRoute { .. } => "LS1081",
            Refusal::ConditionForSeveral { .. } => "LS1082",
            Refusal::NotRunning => "LS1083",
        }
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Refusal::Running { .. } => {
                "wait for its end (`leadstream snapshot status --watch`), or \
                                        end it with `leadstream snapshot cancel`"
                    .to_owned()
            }
            Refusal::UnknownRoute { known, .. } => {
                format!("name one of the config's routes: {}", known.join(", "))
            }
            Refusal::ConditionForSeveral { .. } => {
                "name the routes of one table with --route; give each table a snapshot of its own"
                    .to_owned()
            }
            Refusal::NotRunning => {
                "nothing; `leadstream snapshot status` shows how the last one ended".to_owned()
            }
        }
    }
}

/// Plans a snapshot of the routes' tables, in the order of the routes.
///
/// # Errors
/// When the request names what there is not.
pub fn plan<'r>(
    number: u64,
    routes: impl Iterator<Item = (&'r str, &'r TableName)> + Clone,
    request: &SnapshotRequest,
    now: Micros,
) -> Result<Snapshot, Refusal> {
    for wanted in request.routes.iter().flatten() {
        if !routes.clone().any(|(name, _)| name == wanted) {
            return Err(Refusal::UnknownRoute {
                route: wanted.clone(),
                known: routes.map(|(name, _)| name.to_owned()).collect(),
            });
        }
    }
    let mut tables: Vec<TableSnapshot> = Vec::new();
    for (name, table) in routes {
        let wanted = request.routes.as_ref();
        if wanted.is_some_and(|wanted| !wanted.iter().any(|wanted| wanted == name)) {
            continue;
        }
        match tables.iter_mut().find(|known| known.table == *table) {
            Some(known) => known.routes.push(name.to_owned()),
            None => tables.push(TableSnapshot::new(
                table.clone(),
                vec![name.to_owned()],
                request.condition.clone(),
            )),
        }
    }
    if request.condition.is_some() && tables.len() > 1 {
        let tables = tables.len();
        return Err(Refusal::ConditionForSeveral { tables });
    }
    Ok(Snapshot {
        number,
        reason: request.reason,
        started_at: now,
        ended_at: None,
        state: SnapshotState::Running,
        tables,
        settled: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> TableName {
        TableName {
            schema: "crm".into(),
            table: name.into(),
        }
    }

    fn request(routes: Option<&[&str]>, condition: Option<&str>) -> SnapshotRequest {
        SnapshotRequest {
            reason: SnapshotReason::Requested,
            routes: routes.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            condition: condition.map(str::to_owned),
        }
    }

    #[test]
    fn routes_of_one_table_share_its_reading_and_conditions_need_one_table() {
        let (leads, events) = (table("leads"), table("events"));
        let routes = [("a", &leads), ("b", &events), ("c", &leads)];
        let plan = |request: &SnapshotRequest| plan(7, routes.into_iter(), request, Micros(1));
        let names = |snapshot: &Snapshot| -> Vec<(String, Vec<String>)> {
            let tables = snapshot.tables.iter();
            tables
                .map(|table| (table.table.to_string(), table.routes.clone()))
                .collect()
        };
        let all = plan(&request(None, None)).unwrap();
        assert_eq!(all.number, 7);
        assert_eq!(
            names(&all),
            [
                ("crm.leads".to_owned(), vec!["a".to_owned(), "c".to_owned()]),
                ("crm.events".to_owned(), vec!["b".to_owned()]),
            ]
        );
        let one = plan(&request(Some(&["c"]), Some("id > 5"))).unwrap();
        assert_eq!(
            names(&one),
            [("crm.leads".to_owned(), vec!["c".to_owned()])]
        );
        assert_eq!(one.tables[0].condition.as_deref(), Some("id > 5"));
        assert!(plan(&request(Some(&["a", "c"]), Some("id > 5"))).is_ok());
        assert_eq!(
            plan(&request(None, Some("id > 5"))),
            Err(Refusal::ConditionForSeveral { tables: 2 })
        );
        let unknown = plan(&request(Some(&["x"]), None)).unwrap_err();
        assert!(unknown.remedy().contains("a, b, c"), "{unknown:?}");
    }

    #[test]
    fn a_bound_names_its_columns_and_the_form_of_before_is_read() {
        use crate::core::snapshot::{KeyBound, KeyPart};
        let bound = KeyBound {
            columns: vec!["region".into(), "id".into()],
            values: vec![KeyPart::Text("eu".into()), KeyPart::UInt(u64::MAX)],
        };
        let text = serde_json::to_string(&bound).unwrap();
        assert_eq!(
            text,
            r#"{"columns":["region","id"],"values":[{"text":"eu"},{"u_int":18446744073709551615}]}"#
        );
        assert_eq!(serde_json::from_str::<KeyBound>(&text).unwrap(), bound);
        let former = r#"[{"text":"eu"},{"u_int":18446744073709551615}]"#;
        let former: KeyBound = serde_json::from_str(former).unwrap();
        assert!(former.columns.is_empty());
        assert_eq!(former.values, bound.values);
    }

    #[test]
    fn a_key_is_kept_only_while_reading_goes_on_behind_it() {
        use crate::core::snapshot::{ChunkEnd, KeyBound, KeyPart};
        let (leads, events) = (table("leads"), table("events"));
        let routes = [("a", &leads), ("b", &events)];
        let mut snapshot = plan(1, routes.into_iter(), &request(None, None), Micros(1)).unwrap();
        let mut finish = |table, last| {
            let end = ChunkEnd {
                snapshot: 1,
                table,
                after: Some(KeyBound {
                    columns: vec!["email".into()],
                    values: vec![KeyPart::Text("ann@example.com".into())],
                }),
                rows: 1,
                overtaken: 0,
                last,
            };
            snapshot.finish_chunk(&end, Micros(2));
            snapshot.tables[table].after.is_some()
        };
        assert!(finish(0, false));
        assert!(!finish(0, true));
        assert!(finish(1, false));
        snapshot.end(SnapshotState::Cancelled, Micros(3));
        assert_eq!(snapshot.tables[1].after, None);
    }
}
