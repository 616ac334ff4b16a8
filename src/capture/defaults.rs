//! What a row image that is not FULL leaves out of an INSERT: columns that took their default.
//!
//! Measured on MySQL 9.7.4 under MINIMAL: an INSERT's image holds the columns that the statement or
//! a trigger gave, an AUTO_INCREMENT, generated columns, and every default that is worked out row by
//! row (`CURRENT_TIMESTAMP` and expressions); under NOBLOB it leaves out BLOB and TEXT columns that
//! were not given. So what is missing is a constant, NULL, or, outside strict mode, the type's own
//! default; and it is used only while the table is as it was when its schema was read.

use super::routing::{Routing, same_column};
use super::settings::LiveSchemas;
use crate::core::position::{Position, TransactionId};
use crate::core::schema::{Column, ColumnDefault, ColumnKind, TableSchema};
use crate::core::value::{Date, DateTime, Value};

/// What the columns of one routed table take when an INSERT's image leaves them out.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    /// By slot; `None` = not known.
    by_slot: Vec<Option<Value>>,
    /// False once the table may look otherwise than when its schema was read: whoever sees a DDL of
    /// the table in the stream says so here.
    pub(super) schema_is_current: bool,
}

impl Defaults {
    /// Of every routed table, by index; a table whose schema is not given has none.
    pub(super) fn of_tables(routing: &Routing, schemas: &[TableSchema]) -> Vec<Self> {
        let of_table = |table: &super::routing::Table| {
            let schema = schemas.iter().find(|schema| schema.name == *table.name);
            let of_column = |wanted: &String| {
                let columns = &schema?.columns;
                let mut found = columns.iter().filter(|c| same_column(&c.name, wanted));
                found.next().and_then(when_left_out)
            };
            Self {
                by_slot: table.columns.iter().map(of_column).collect(),
                schema_is_current: schema.is_some(),
            }
        };
        routing.tables.iter().map(of_table).collect()
    }

    /// A statement that is no change of rows came by: a table whose name stands in it may look
    /// otherwise now. A name in a comment is a false alarm, which only stops us from telling.
    pub(super) fn doubt(all: &mut [Self], routing: &Routing, statement: &[u8]) {
        let statement = statement.to_ascii_lowercase();
        for (defaults, table) in all.iter_mut().zip(&routing.tables) {
            let name = table.name.table.to_ascii_lowercase();
            let is_named = statement
                .windows(name.len().max(1))
                .any(|window| window == name.as_bytes());
            if is_named {
                defaults.schema_is_current = false;
            }
        }
    }

    /// Tables, by index, whose schema is not what it was, or never was known.
    pub(super) fn doubted(all: &[Self]) -> Vec<usize> {
        let doubted = |index: &usize| !all[*index].schema_is_current;
        (0..all.len()).filter(doubted).collect()
    }

    /// What stands for the column of that slot, if that is certain.
    pub(super) fn get(&self, slot: usize) -> Option<&Value> {
        self.by_slot
            .get(slot)
            .filter(|_| self.schema_is_current)?
            .as_ref()
    }
}

/// What holds of all rows still to come, and what holds behind the binlog's end of this start.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By table, as is the next.
    certain: Vec<Defaults>,
    live: Option<(Position, Vec<Defaults>)>,
    /// The open transaction lies behind that end.
    is_behind: bool,
}

/// Tables, by index, that may look otherwise than it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubted {
    certain: Vec<usize>,
    live: Vec<usize>,
}

impl Doubted {
    /// Of the first so many tables: all.
    pub(super) fn all(tables: usize) -> Self {
        let all: Vec<usize> = (0..tables).collect();
        Self {
            certain: all.clone(),
            live: all,
        }
    }

    /// Those of which a statement behind the start's end of the binlog was seen.
    pub(super) fn since_start(&self) -> &[usize] {
        &self.live
    }
}

impl Known {
    pub(super) fn of_tables(
        routing: &Routing,
        schemas: &[TableSchema],
        live: Option<&LiveSchemas>,
        doubted: &Doubted,
    ) -> Self {
        let of_tables = |schemas: &[TableSchema], doubted: &[usize]| {
            let mut all = Defaults::of_tables(routing, schemas);
            for table in doubted {
                if let Some(defaults) = all.get_mut(*table) {
                    defaults.schema_is_current = false;
                }
            }
            all
        };
        let of_live =
            |live: &LiveSchemas| (live.behind.clone(), of_tables(&live.tables, &doubted.live));
        Self {
            certain: of_tables(schemas, &doubted.certain),
            live: live.map(of_live),
            is_behind: false,
        }
    }

    /// Rows and statements that follow are of this transaction.
    pub(super) fn enter(&mut self, transaction: &TransactionId) {
        let live = self.live.as_ref();
        self.is_behind = live.is_some_and(|(behind, _)| !behind.covers(transaction));
    }

    /// As [`Defaults::doubt`]. What was told at the start has seen the statements before its end.
    pub(super) fn doubt(&mut self, routing: &Routing, statement: &[u8]) {
        Defaults::doubt(&mut self.certain, routing, statement);
        if let Some((_, live)) = self.live.as_mut().filter(|_| self.is_behind) {
            Defaults::doubt(live, routing, statement);
        }
    }

    pub(super) fn doubted(&self) -> Doubted {
        let live = self.live.as_ref();
        Doubted {
            certain: Defaults::doubted(&self.certain),
            live: live.map_or_else(
                || Defaults::doubted(&self.certain),
                |(_, live)| Defaults::doubted(live),
            ),
        }
    }

    /// Of one table.
    pub(super) fn of(&self, table: usize) -> Option<&Defaults> {
        let live = self.live.as_ref().filter(|_| self.is_behind);
        live.map_or(&self.certain, |(_, live)| live).get(table)
    }
}

/// The value that a column takes when an INSERT's image leaves it out, if it can be told.
pub(super) fn when_left_out(column: &Column) -> Option<Value> {
    match &column.default {
        ColumnDefault::Null => Some(Value::Null),
        ColumnDefault::Literal(text) => Value::from_select(&column.kind, text),
        ColumnDefault::None => of_type(&column.kind),
        ColumnDefault::Expression => None,
    }
}

/// The default of a type that does without one (MySQL manual, "Data Type Default Values"); strict
/// mode refuses the INSERT instead.
fn of_type(kind: &ColumnKind) -> Option<Value> {
    let date = Date {
        year: 0,
        month: 0,
        day: 0,
    };
    Some(match kind {
        ColumnKind::Integer { unsigned: true, .. } => Value::UInt(0),
        ColumnKind::Integer { .. } => Value::Int(0),
        ColumnKind::Decimal { scale: 0, .. } => Value::Decimal("0".to_owned()),
        ColumnKind::Decimal { scale, .. } => {
            Value::Decimal(format!("0.{}", "0".repeat(usize::from(*scale))))
        }
        ColumnKind::Float => Value::Float(0.0),
        ColumnKind::Double => Value::Double(0.0),
        ColumnKind::Text { .. } | ColumnKind::Set => Value::Text(String::new()),
        // Only an ENUM has a first value to take; an empty one cannot be declared.
        ColumnKind::Enum { labels } => Value::Text(labels.first()?.clone()),
        ColumnKind::Date => Value::Date(date),
        ColumnKind::DateTime | ColumnKind::Timestamp => Value::DateTime(DateTime {
            date,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
        }),
        ColumnKind::Time => Value::Time(0),
        ColumnKind::Year => Value::Year(0),
        ColumnKind::Bit { .. } => Value::Bit(0),
        ColumnKind::Uuid => Value::Bytes(vec![0; 16]),
        // The kind does not say how long an empty value of these is.
        ColumnKind::Bytes | ColumnKind::Json | ColumnKind::Other(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::settings::{RoutedTable, TableRoute};
    use crate::core::change::RouteId;
    use crate::core::position::FilePosition;
    use crate::core::schema::TableName;

    fn column(kind: ColumnKind, default: ColumnDefault) -> Column {
        Column {
            name: "Plan".to_owned(),
            kind,
            nullable: true,
            primary_key: false,
            default,
        }
    }

    #[track_caller]
    fn check(kind: ColumnKind, default: ColumnDefault, expected: Option<Value>) {
        assert_eq!(when_left_out(&column(kind, default)), expected);
    }

    #[test]
    fn what_was_left_out_is_told_or_not_known() {
        let literal = |text: &str| ColumnDefault::Literal(text.to_owned());
        let labels = ["free", "pro"].map(str::to_owned).to_vec();
        let of_enum = || ColumnKind::Enum {
            labels: labels.clone(),
        };
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        check(of_enum(), literal("pro"), text("pro"));
        check(of_enum(), ColumnDefault::None, text("free"));
        check(of_enum(), ColumnDefault::Null, Some(Value::Null));
        check(of_enum(), ColumnDefault::Expression, None);
        let cents = || ColumnKind::Decimal {
            precision: 8,
            scale: 2,
        };
        let decimal = |text: &str| Some(Value::Decimal(text.to_owned()));
        check(cents(), literal("1.50"), decimal("1.50"));
        check(cents(), ColumnDefault::None, decimal("0.00"));
        let bits = ColumnKind::Bit { bits: 9 };
        check(bits, literal("5"), Some(Value::Bit(5)));
        let bytes = Some(Value::Bytes(vec![0xFF, 0]));
        check(ColumnKind::Bytes, literal("ff00"), bytes);
        check(ColumnKind::Bytes, ColumnDefault::None, None);
        check(ColumnKind::Json, ColumnDefault::None, None);
    }

    #[test]
    fn a_schema_that_may_be_old_tells_nothing() {
        let name = TableName {
            schema: "shop".to_owned(),
            table: "leads".to_owned(),
        };
        let route = TableRoute {
            name: "leads".to_owned(),
            route: RouteId(0),
            insert: true,
            update: false,
            delete: false,
            columns: vec!["plan".to_owned(), "gone".to_owned()],
        };
        let routes = vec![route];
        let table = RoutedTable {
            name: name.clone(),
            routes,
        };
        let routing = Routing::new(&[table], false);
        let columns = vec![column(ColumnKind::Year, ColumnDefault::Null)];
        let schema = TableSchema { name, columns };

        let mut defaults = Defaults::of_tables(&routing, &[schema]);
        assert_eq!(defaults[0].get(0), Some(&Value::Null));
        assert_eq!(defaults[0].get(1), None);
        Defaults::doubt(&mut defaults, &routing, b"DROP TABLE `others`");
        assert!(defaults[0].schema_is_current);
        Defaults::doubt(&mut defaults, &routing, b"ALTER TABLE `Leads` ADD x INT");
        assert_eq!(defaults[0].get(0), None);
        assert!(!Defaults::of_tables(&routing, &[])[0].schema_is_current);
    }

    #[test]
    fn what_was_told_at_the_start_holds_behind_the_binlogs_end_of_then() {
        let name = TableName {
            schema: "shop".to_owned(),
            table: "leads".to_owned(),
        };
        let routes = vec![TableRoute {
            name: "leads".to_owned(),
            route: RouteId(0),
            insert: true,
            update: false,
            delete: false,
            columns: vec!["plan".to_owned()],
        }];
        let table = RoutedTable {
            name: name.clone(),
            routes,
        };
        let routing = Routing::new(&[table], false);
        let schema = |default| TableSchema {
            name: name.clone(),
            columns: vec![column(ColumnKind::Year, default)],
        };
        let at = |offset| FilePosition {
            file: "binlog.000001".into(),
            offset,
        };
        let of = |offset| TransactionId::File(at(offset));
        let live = LiveSchemas {
            behind: Position::File(at(100)),
            tables: vec![schema(ColumnDefault::Null)],
        };
        let certain = [schema(ColumnDefault::Expression)];
        let known = |doubted: &Doubted| Known::of_tables(&routing, &certain, Some(&live), doubted);
        let mut first = known(&Doubted::default());
        let told = |known: &Known| known.of(0).unwrap().get(0).cloned();
        first.enter(&of(90));
        assert_eq!(told(&first), None, "it may have been another one then");
        // The statement that changed it, which the start has seen.
        first.doubt(&routing, b"ALTER TABLE leads ALTER plan SET DEFAULT NULL");
        first.enter(&of(100));
        assert_eq!(told(&first), Some(Value::Null));
        // Another connection goes on with it.
        assert_eq!(first.doubted().since_start(), [0_usize; 0]);
        let mut next = known(&first.doubted());
        next.enter(&of(110));
        assert_eq!(told(&next), Some(Value::Null));
        next.doubt(&routing, b"ALTER TABLE leads ALTER plan SET DEFAULT 2000");
        assert_eq!(told(&next), None);
        assert_eq!(next.doubted().since_start(), [0]);
        let mut last = known(&next.doubted());
        last.enter(&of(120));
        assert_eq!(told(&last), None);
    }
}
