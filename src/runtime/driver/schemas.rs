//! What the journal remembers of tables, kept up while the stream runs: what is no longer certain is
//! forgotten with the commit that passes the statement, what the start saw is learnt with the one
//! that passes the binlog's end of then.

use crate::capture::LiveSchemas;
use crate::core::entry::Commit;
use crate::core::position::Position;
use crate::core::schema::{ColumnDefault, TableName, TableSchema};

/// The defaults that the next start goes by.
#[derive(Default)]
pub(in crate::runtime) struct Schemas {
    /// As the journal has them.
    remembered: Vec<TableSchema>,
    live: Option<LiveSchemas>,
    /// For the next commit.
    changed: Vec<TableSchema>,
    /// Tables that a statement named, with the place behind it.
    doubted: Vec<(Vec<TableName>, Position)>,
}

impl Schemas {
    pub(in crate::runtime) fn new(remembered: Vec<TableSchema>, live: Option<LiveSchemas>) -> Self {
        Self {
            remembered,
            live,
            changed: Vec::new(),
            doubted: Vec::new(),
        }
    }

    /// These may have been altered by what lies before `passed`: a start behind it does not know
    /// their defaults; one before it does, and reads the statement again.
    pub(super) fn doubt(&mut self, tables: Vec<TableName>, passed: Position) {
        if let Some(live) = &mut self.live {
            live.tables.retain(|table| !tables.contains(&table.name));
        }
        self.doubted.push((tables, passed));
    }

    fn forget_doubted(&mut self, position: &Position) {
        let (gone, left) = std::mem::take(&mut self.doubted)
            .into_iter()
            .partition(|(_, passed)| contains(position, passed));
        self.doubted = left;
        let gone: Vec<(Vec<TableName>, Position)> = gone;
        for name in gone.iter().flat_map(|(tables, _)| tables) {
            self.change(name, |_, default| *default = ColumnDefault::Expression);
        }
    }

    /// Gives the commit what is to be remembered from it on.
    pub(super) fn join(&mut self, commit: &mut Commit) {
        let passed = commit.checkpoint.as_ref().map(|it| &it.position);
        let is_passed = |live: &mut LiveSchemas| {
            passed.is_some_and(|position| contains(position, &live.behind))
        };
        if let Some(live) = self.live.take_if(is_passed) {
            for table in live.tables {
                self.change(&table.name, |(name, kind), default| {
                    let seen = table.column(name).filter(|column| column.kind == *kind);
                    if let Some(seen) = seen {
                        default.clone_from(&seen.default);
                    }
                });
            }
        }
        if let Some(position) = passed {
            self.forget_doubted(position);
        }
        commit.schemas.append(&mut self.changed);
    }

    fn change(
        &mut self,
        name: &TableName,
        each: impl Fn((&str, &crate::core::schema::ColumnKind), &mut ColumnDefault),
    ) {
        let Some(table) = self.remembered.iter_mut().find(|table| table.name == *name) else {
            return;
        };
        let before = table.clone();
        for column in &mut table.columns {
            each((&column.name, &column.kind), &mut column.default);
        }
        if *table != before {
            self.changed.retain(|changed| changed.name != *name);
            self.changed.push(table.clone());
        }
    }
}

/// Whether everything up to that end of the binlog is behind this place.
fn contains(position: &Position, end: &Position) -> bool {
    match (position, end) {
        (Position::Gtid(ours), Position::Gtid(end)) => ours.contains_set(end),
        (Position::MariaDb(ours), Position::MariaDb(end)) => ours.contains_position(end),
        // Capture refuses another server than the one that was asked.
        (Position::File(ours), Position::File(end)) => !ours.is_before(end),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::position::{Checkpoint, FilePosition};
    use crate::core::schema::{Column, ColumnKind};

    fn table(default: &str) -> TableSchema {
        let column = |name: &str, default| Column {
            name: name.to_owned(),
            kind: ColumnKind::Year,
            nullable: true,
            primary_key: false,
            default,
        };
        let literal = match default {
            "" => ColumnDefault::Expression,
            default => ColumnDefault::Literal(default.to_owned()),
        };
        TableSchema {
            name: TableName {
                schema: "crm".to_owned(),
                table: "leads".to_owned(),
            },
            columns: vec![column("plan", literal)],
        }
    }

    fn at(offset: u64) -> FilePosition {
        FilePosition {
            file: "binlog.000001".into(),
            offset,
        }
    }

    fn schemas(remembered: &str, live: &str) -> Schemas {
        let live = LiveSchemas {
            behind: Position::File(at(100)),
            tables: vec![table(live)],
        };
        Schemas::new(vec![table(remembered)], Some(live))
    }

    fn commit_at(schemas: &mut Schemas, offset: u64) -> Vec<TableSchema> {
        let checkpoint = Checkpoint {
            server_uuid: String::new(),
            position: Position::File(at(offset)),
            end: at(offset),
            inside: Default::default(),
        };
        let mut commit = Commit {
            checkpoint: Some(checkpoint),
            ..Commit::default()
        };
        schemas.join(&mut commit);
        commit.schemas
    }

    #[test]
    fn a_default_is_learnt_with_the_commit_that_passes_the_end_of_the_start() {
        let mut own = schemas("", "2002");
        assert!(
            commit_at(&mut own, 99).is_empty(),
            "rows of before are unread"
        );
        assert_eq!(commit_at(&mut own, 100), [table("2002")]);
        assert!(commit_at(&mut own, 101).is_empty());
    }

    #[test]
    fn a_table_that_was_altered_since_is_not_learnt_but_forgotten() {
        let mut own = schemas("", "2002");
        own.doubt(vec![table("").name], Position::File(at(70)));
        assert!(commit_at(&mut own, 200).is_empty());

        // Else a later change back, while nobody looked, would make it seem to be what it was.
        let mut own = schemas("2001", "2001");
        own.doubt(vec![table("").name], Position::File(at(70)));
        // A start from here reads rows from before the statement, whose defaults are known.
        assert!(commit_at(&mut own, 50).is_empty());
        assert_eq!(commit_at(&mut own, 70), [table("")]);
        assert!(commit_at(&mut own, 200).is_empty());
    }
}
