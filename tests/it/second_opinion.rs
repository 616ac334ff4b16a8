//! A second opinion on every column type: random tables on a real server, whose binlog is read by
//! our decoder and by mysql_common's, and both are held against what `SELECT` prints.
//!
//! `LEADSTREAM_SEED=n` brings one run back; each difference of mysql_common's is named in
//! [`theirs::Known`], anything else fails.

mod columns;
pub mod dice;
mod left_out;
mod theirs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use leadstream::capture::{self, RoutedTable, TableRoute, preflight, replay_with_schemas};
use leadstream::core::change::{Operation, RouteId, StreamItem};
use leadstream::core::position::{Checkpoint, FilePosition, GtidSet, Position};
use leadstream::core::schema::{TableName, TableSchema};
use leadstream::core::time::Micros;
use leadstream::core::value::Value;
use leadstream::core::value::text::double_text;
use leadstream::rehearsal::{MysqlOptions, MysqlServer};
use leadstream::runtime::wiring;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row};

use columns::{CHARSETS, Column, Print};
use dice::Dice;
use theirs::Known;

const SEEDS: [u64; 2] = [1, 20_261_122];
const SEEDS_SOAK: u64 = 40;
const TABLES: usize = 60;
const ROWS: usize = 12;

struct Table {
    name: String,
    /// Without the id, which comes first.
    columns: Vec<Column>,
}

/// A server with a database of its own, and one connection to it.
struct World {
    server: MysqlServer,
    conn: Conn,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(extra_args: &[&str]) -> Self {
        let install = MysqlServer::locate().expect("a MySQL server: run `make setup`");
        let options = MysqlOptions {
            extra_args: extra_args.iter().map(|&arg| arg.to_owned()).collect(),
            ..MysqlOptions::default()
        };
        let server = MysqlServer::start(&install, options).expect("MySQL starts");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let opts = Opts::from_url(&server.url("root")).unwrap();
        let opts = OptsBuilder::from_opts(opts).prefer_socket(false);
        let conn = runtime.block_on(Conn::new(opts)).expect("MySQL answers");
        let mut world = Self {
            server,
            conn,
            runtime,
        };
        world.run("CREATE DATABASE opinion");
        world.run("USE opinion");
        // Nothing is refused: what does not fit is bent by the server, and must arrive bent.
        world.run("SET sql_mode = '', time_zone = '+00:00', group_concat_max_len = 100000000");
        world
    }

    #[track_caller]
    fn run(&mut self, statement: &str) {
        let done = self.runtime.block_on(self.conn.query_drop(statement));
        if let Err(error) = done {
            panic!("{error}: {statement}");
        }
    }

    #[track_caller]
    fn ask(&mut self, statement: &str) -> Vec<Vec<Option<String>>> {
        let rows = self.runtime.block_on(self.conn.query(statement));
        let rows: Vec<Row> = rows.unwrap_or_else(|error| panic!("{error}: {statement}"));
        let text = |value| mysql_async::from_value::<Option<String>>(value);
        rows.into_iter()
            .map(|row| row.unwrap().into_iter().map(text).collect())
            .collect()
    }

    /// Whether the server does as it is told.
    fn tries(&mut self, statement: &str) -> bool {
        let done = self.runtime.block_on(self.conn.query_drop(statement));
        done.is_ok()
    }

    /// What the tables look like, as `leadstream check` reads it.
    fn schemas(&mut self, tables: &[Table]) -> Vec<TableSchema> {
        let environment = [
            ("LEADSTREAM_SOURCE__URL", self.server.url("root")),
            ("LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET", "-".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let text = include_str!("../../config/leadstream.toml");
        let config = leadstream::config::load_from(
            Some((Path::new("leadstream.toml"), text)),
            &environment,
            &[],
            &|path| std::fs::read_to_string(path),
        );
        let settings = wiring::source_settings(&config.expect("the demo's configuration"));
        let tables = routed(tables);
        let report = self.runtime.block_on(preflight(&settings, &tables));
        assert_eq!(report.tables.len(), tables.len(), "{:?}", report.checks);
        report.tables
    }

    /// All that was written since this was last asked.
    fn binlog(&mut self) -> Vec<u8> {
        let status = self.ask("SHOW BINARY LOG STATUS");
        let file = status[0][0].clone().unwrap();
        self.run("FLUSH BINARY LOGS");
        std::fs::read(self.server.data_dir().join(file)).unwrap()
    }
}

/// By table and id, the last image of each row as our decoder gives it.
type Ours = BTreeMap<(String, i64), Vec<Option<Value>>>;

fn routed(tables: &[Table]) -> Vec<RoutedTable> {
    tables
        .iter()
        .map(|table| {
            let names = table.columns.iter().map(|column| column.name.clone());
            let route = TableRoute {
                name: table.name.clone(),
                route: RouteId(0),
                insert: true,
                update: true,
                delete: false,
                columns: std::iter::once("id".to_owned()).chain(names).collect(),
            };
            let name = TableName {
                schema: "opinion".to_owned(),
                table: table.name.clone(),
            };
            let routes = vec![route];
            RoutedTable { name, routes }
        })
        .collect()
}

fn ours(
    binlog: &[u8],
    tables: &[Table],
    schemas: &[TableSchema],
) -> Result<Ours, Box<capture::Error>> {
    let end = FilePosition {
        file: Arc::from("binlog.000001"),
        offset: 4,
    };
    let checkpoint = Checkpoint {
        server_uuid: String::new(),
        position: Position::Gtid(GtidSet::default()),
        end,
        inside: Default::default(),
    };
    let mut rows = Ours::new();
    let each = |items: Vec<StreamItem>, _| {
        for item in items {
            let StreamItem::Row(change) = item else {
                continue;
            };
            assert_ne!(change.operation, Operation::Delete);
            let Some(Some(Value::Int(id))) = change.values.first() else {
                panic!("no id: {:?}", change.values.first());
            };
            let key = (change.id.table.table.clone(), *id);
            let row = rows
                .entry(key)
                .or_insert_with(|| vec![None; change.values.len()]);
            // What an update leaves out stays as it was.
            for (old, new) in row.iter_mut().zip(change.values) {
                *old = new.or_else(|| old.take());
            }
        }
    };
    let tables = routed(tables);
    replay_with_schemas(binlog, &tables, schemas, checkpoint, || Micros(0), each)?;
    Ok(rows)
}

/// Our value in the form in which the server was asked for it.
fn printed(column: &Column, value: Option<&Value>) -> Option<String> {
    let value = value.expect("every column is in a full image");
    match (column.print, value) {
        (Print::Float, Value::Float(number)) => Some(double_text(f64::from(*number))),
        (Print::Moment(digits), value) => value.select_text(digits),
        (_, value) => value.select_text(0),
    }
}

/// Compares all three on every row; gives the differences of mysql_common's that were met.
#[track_caller]
fn compare(world: &mut World, tables: &[Table], binlog: &[u8]) -> BTreeSet<Known> {
    let ours = ours(binlog, tables, &[]).unwrap_or_else(|error| panic!("ours stopped: {error}"));
    let theirs = theirs::read(binlog);
    let (mut known, mut causes, mut rows) = (BTreeSet::new(), BTreeSet::new(), 0);
    for table in tables {
        let list: Vec<String> = table
            .columns
            .iter()
            .flat_map(|column| column.select())
            .collect();
        let statement = format!("SELECT id, {} FROM {}", list.join(", "), table.name);
        for server in world.ask(&statement) {
            rows += 1;
            let id: i64 = server[0].as_deref().unwrap().parse().unwrap();
            let key = (table.name.clone(), id);
            let given_up = theirs.given_up.contains(&table.name);
            let (ours, theirs) = (&ours[&key], theirs.rows.get(&key));
            assert!(given_up || theirs.is_some(), "no row of theirs: {key:?}");
            for (index, column) in table.columns.iter().enumerate() {
                let place = format!("{}.{} {}, id {id}", table.name, column.name, column.sql);
                let shown = server[1 + 2 * index].as_deref();
                let stored = server[2 + 2 * index].as_deref();
                let our = printed(column, ours[1 + index].as_ref());
                assert_eq!(our.as_deref(), shown, "ours and SELECT: {place}");
                if given_up {
                    let is_cause = matches!(column.sql.get(..7), Some("TIME(1)" | "TIME(2)"));
                    if is_cause && shown.is_some_and(|text| text.starts_with('-')) {
                        known.insert(Known::NegativeTime);
                        causes.insert(table.name.clone());
                    }
                    continue;
                }
                let theirs = theirs.and_then(|theirs| theirs[1 + index].as_ref());
                match theirs::compare(column, theirs, stored) {
                    Ok(difference) => known.extend(difference),
                    Err(theirs) => {
                        panic!("mysql_common says {theirs}, SELECT {stored:?}: {place}")
                    }
                }
            }
        }
    }
    assert_eq!(ours.len(), rows, "rows of ours that no table holds");
    assert_eq!(causes, theirs.given_up, "panics without a known cause");
    known
}

/// Random tables with random rows.
fn fill(world: &mut World, dice: &mut Dice) -> Vec<Table> {
    (0..TABLES)
        .map(|number| {
            let count = 1 + dice.below(8);
            let mut columns: Vec<Column> = (0..count)
                .map(|n| columns::draw(dice, format!("c{n}"), false))
                .collect();
            if dice.below(3) == 0 {
                let from = &columns[dice.below(count)];
                // A generated column cannot be worked out of a vector.
                if !from.sql.starts_with("VECTOR") {
                    let from = from.name.clone();
                    columns.push(columns::generated(dice, format!("c{count}"), &from));
                }
            }
            let table = Table {
                name: format!("t{number}"),
                columns,
            };
            let list: Vec<String> = table
                .columns
                .iter()
                .map(|column| format!("`{}` {}", column.name, column.sql))
                .collect();
            world.run(&format!(
                "CREATE TABLE {} (id INT PRIMARY KEY, {})",
                table.name,
                list.join(", ")
            ));
            insert(world, dice, &table);
            table
        })
        .collect()
}

/// One row each, many at once, out of the table itself, and changed afterwards.
fn insert(world: &mut World, dice: &mut Dice, table: &Table) {
    let given: Vec<&Column> = table
        .columns
        .iter()
        .filter(|column| !column.is_generated)
        .collect();
    let names: Vec<String> = given.iter().map(|c| format!("`{}`", c.name)).collect();
    let names = names.join(", ");
    let row = |dice: &mut Dice, id: usize| {
        let values: Vec<String> = given.iter().map(|column| column.value(dice)).collect();
        format!("({id}, {})", values.join(", "))
    };
    let mut id = 1;
    while id <= ROWS {
        let many = 1 + dice.below(4);
        let rows: Vec<String> = (0..many).map(|n| row(dice, id + n)).collect();
        let verb = ["INSERT IGNORE INTO", "REPLACE INTO"][dice.below(2)];
        world.run(&format!(
            "{verb} {} (id, {names}) VALUES {}",
            table.name,
            rows.join(", ")
        ));
        id += many;
    }
    world.run(&format!(
        "INSERT INTO {0} (id, {names}) SELECT id + 1000, {names} FROM {0}",
        table.name
    ));
    let column = given[dice.below(given.len())];
    world.run(&format!(
        "UPDATE IGNORE {} SET `{}` = {} WHERE id = {}",
        table.name,
        column.name,
        column.value(dice),
        1 + dice.below(ROWS)
    ));
}

fn run(seed: u64) -> BTreeSet<Known> {
    println!("LEADSTREAM_SEED={seed}");
    let mut world = World::new(&[]);
    let mut dice = Dice::new(seed);
    let _ = world.binlog();
    let tables = fill(&mut world, &mut dice);
    let binlog = world.binlog();
    compare(&mut world, &tables, &binlog)
}

#[test]
fn random_values_of_random_tables_are_what_select_prints() {
    let seed = std::env::var("LEADSTREAM_SEED").map(|seed| seed.parse().expect("a number"));
    let seeds: Vec<u64> = match seed {
        Ok(seed) => vec![seed],
        Err(_) if std::env::var_os("LEADSTREAM_SOAK").is_some() => (0..SEEDS_SOAK).collect(),
        Err(_) => SEEDS.into(),
    };
    let only_one = seeds.len() == 1;
    let known: BTreeSet<Known> = seeds.into_iter().flat_map(run).collect();
    let all = [
        Known::MediumintWithoutSign,
        Known::YearZero,
        Known::BinaryUnpadded,
        Known::JsonDecimal,
        Known::NegativeTime,
    ];
    // A difference that is no longer met is no longer known.
    assert!(only_one || known == BTreeSet::from(all), "{known:?}");
}

#[test]
fn every_character_of_every_charset_is_what_select_prints() {
    let mut world = World::new(&[]);
    world.run("SET cte_max_recursion_depth = 100000");
    world.run("CREATE TABLE codes (n INT PRIMARY KEY)");
    world.run(
        "INSERT INTO codes WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r \
         WHERE n < 65535) SELECT n FROM r WHERE n NOT BETWEEN 55296 AND 57343 AND n <> 65533",
    );
    world.run(
        "INSERT INTO codes WITH RECURSIVE r AS (SELECT 127900 AS n UNION ALL SELECT n + 1 \
               FROM r WHERE n < 129000) SELECT n FROM r",
    );
    let server: BTreeSet<String> = world
        .ask("SELECT character_set_name FROM information_schema.character_sets")
        .into_iter()
        .map(|row| row[0].clone().unwrap())
        .filter(|name| name != "binary")
        .collect();
    let known: BTreeSet<String> = CHARSETS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(server, known, "the charsets of this server");
    let _ = world.binlog();
    let mut tables = Vec::new();
    for charset in &known {
        let column = Column::of_text("c0", &format!("LONGTEXT CHARACTER SET {charset}"));
        let name = format!("of_{charset}");
        world.run(&format!(
            "CREATE TABLE {name} (id INT PRIMARY KEY, c0 {})",
            column.sql
        ));
        // Only what goes there and back: the rest becomes a question mark.
        let from = "CONVERT(UNHEX(LPAD(HEX(n), 8, '0')) USING utf32)";
        let there = format!("CONVERT({from} USING {charset})");
        world.run(&format!(
            "INSERT INTO {name} SELECT n DIV 256, GROUP_CONCAT({there} ORDER BY n SEPARATOR '') \
             FROM codes WHERE HEX(CONVERT({there} USING utf32)) = LPAD(HEX(n), 8, '0') \
             GROUP BY n DIV 256"
        ));
        let rows = world.ask(&format!("SELECT SUM(CHAR_LENGTH(c0)) FROM {name}"));
        let characters: u32 = rows[0][0].as_deref().unwrap().parse().unwrap();
        assert!(characters >= 95, "{charset} holds {characters}");
        tables.push(Table {
            name,
            columns: vec![column],
        });
    }
    let binlog = world.binlog();
    assert_eq!(compare(&mut world, &tables, &binlog), BTreeSet::new());
}
