//! Row images that are not FULL: what an INSERT left out is what `SELECT` prints all the same, or
//! the stream stops.

use super::columns::{self, Column};
use super::dice::Dice;
use super::{ROWS, Table, World, ours, printed, theirs};

const TABLES: usize = 40;

/// Columns that came by a default of their own, if the server takes a random value for one.
fn draw(world: &mut World, dice: &mut Dice, table: &str) -> Vec<Column> {
    let mut columns = Vec::new();
    for number in 0..2 + dice.below(6) {
        let column = columns::draw(dice, format!("c{number}"), false);
        let value = column.value(dice);
        let with = format!(
            "ALTER TABLE {table} ADD `{}` {} DEFAULT {value}",
            column.name, column.sql
        );
        // `information_schema` rounds the one and turns the other into a zone: not known, LS1052.
        let is_told = !(column.sql.contains("NOT NULL") && column.family == "float");
        if !is_told || !world.tries(&with) {
            let without = format!("ALTER TABLE {table} ADD `{}` {}", column.name, column.sql);
            world.run(&without);
        }
        columns.push(column);
    }
    let from = columns[0].name.clone();
    for (name, sql) in [
        ("worked_out", "INT DEFAULT (1 + 1)".to_owned()),
        (
            "moment",
            "DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3)".to_owned(),
        ),
        (
            "made",
            format!("CHAR(9) AS (IF(`{from}` IS NULL, 'no', 'yes')) VIRTUAL"),
        ),
    ] {
        world.run(&format!("ALTER TABLE {table} ADD {name} {sql}"));
        columns.push(Column::of_text(name, &sql));
    }
    columns
}

fn insert(world: &mut World, dice: &mut Dice, table: &Table) {
    let last = table.columns.len() - 3;
    let mut id = 0;
    while id < ROWS {
        let image = ["MINIMAL", "NOBLOB"][dice.below(2)];
        world.run(&format!("SET SESSION binlog_row_image = {image}"));
        let given: Vec<&Column> = table.columns[..last]
            .iter()
            .filter(|_| dice.below(3) == 0)
            .collect();
        let names: Vec<String> = given.iter().map(|c| format!("`{}`", c.name)).collect();
        let many = 1 + dice.below(3);
        let rows: Vec<String> = (0..many)
            .map(|_| {
                let values: Vec<String> = given.iter().map(|column| column.value(dice)).collect();
                format!("({})", values.join(", "))
            })
            .collect();
        world.run(&format!(
            "INSERT IGNORE INTO {} ({}) VALUES {}",
            table.name,
            names.join(", "),
            rows.join(", ")
        ));
        id += many;
        let column = &table.columns[dice.below(last)];
        world.run(&format!(
            "UPDATE IGNORE {} SET `{}` = {} WHERE id = {}",
            table.name,
            column.name,
            column.value(dice),
            1 + dice.below(id)
        ));
    }
}

#[test]
fn what_an_insert_leaves_out_is_what_select_prints() {
    let mut world = World::new(&[]);
    let mut dice = Dice::new(7);
    let tables: Vec<Table> = (0..TABLES)
        .map(|number| {
            let name = format!("t{number}");
            world.run(&format!(
                "CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY)"
            ));
            let columns = draw(&mut world, &mut dice, &name);
            Table { name, columns }
        })
        .collect();
    let schemas = world.schemas(&tables);
    let _ = world.binlog();
    for table in &tables {
        insert(&mut world, &mut dice, table);
    }
    let binlog = world.binlog();
    let ours = ours(&binlog, &tables, &schemas).unwrap_or_else(|error| panic!("{error}"));
    let partial = theirs::count_partial(&binlog);
    assert!(partial > 2 * TABLES, "the images were full: {partial}");
    let mut rows = 0;
    for table in &tables {
        let list: Vec<String> = table
            .columns
            .iter()
            .map(|c| c.select()[0].clone())
            .collect();
        let statement = format!("SELECT id, {} FROM {}", list.join(", "), table.name);
        for server in world.ask(&statement) {
            rows += 1;
            let id: i64 = server[0].as_deref().unwrap().parse().unwrap();
            let row = &ours[&(table.name.clone(), id)];
            for (index, column) in table.columns.iter().enumerate() {
                // Their form is another one; what counts is that they are in the image.
                if column.name == "moment" {
                    assert!(row[1 + index].is_some());
                    continue;
                }
                let place = format!("{}.{} {}, id {id}", table.name, column.name, column.sql);
                let our = printed(column, row[1 + index].as_ref());
                assert_eq!(our, server[1 + index], "{place}");
            }
        }
    }
    assert_eq!(ours.len(), rows);
}

#[test]
fn after_a_change_of_the_table_nothing_is_guessed() {
    let mut world = World::new(&["--binlog-row-image=MINIMAL"]);
    world
        .run("CREATE TABLE plans (id INT AUTO_INCREMENT PRIMARY KEY, plan CHAR(9) DEFAULT 'free')");
    let tables = [Table {
        name: "plans".to_owned(),
        columns: vec![Column::of_text("plan", "CHAR(9)")],
    }];
    let schemas = world.schemas(&tables);
    let _ = world.binlog();
    world.run("INSERT INTO plans () VALUES ()");
    world.run("CREATE TABLE others (id INT PRIMARY KEY DEFAULT 1)");
    world.run("INSERT INTO plans () VALUES (), ()");
    let before = world.binlog();
    assert_eq!(ours(&before, &tables, &schemas).unwrap().len(), 3);
    assert_eq!(ours(&before, &tables, &[]).unwrap_err().page(), "LS1052");

    world.run("ALTER TABLE plans ALTER plan SET DEFAULT 'pro'");
    world.run("INSERT INTO plans (plan) VALUES ('old')");
    let named = world.binlog();
    assert_eq!(ours(&named, &tables, &schemas).unwrap().len(), 1);
    world.run("ALTER TABLE plans COMMENT 'no change at all'");
    world.run("INSERT INTO plans () VALUES ()");
    let left_out = world.binlog();
    let error = ours(&left_out, &tables, &schemas).unwrap_err();
    assert_eq!(error.page(), "LS1052");
    assert!(error.to_string().contains("\"plan\""), "{error}");
}

#[test]
fn rows_without_any_column_are_never_miscounted() {
    let mut world = World::new(&["--binlog-row-image=MINIMAL"]);
    world.run("CREATE TABLE bare (id INT DEFAULT 1, plan CHAR(9) DEFAULT 'free')");
    let tables = [Table {
        name: "bare".to_owned(),
        columns: vec![Column::of_text("plan", "CHAR(9)")],
    }];
    let schemas = world.schemas(&tables);
    let _ = world.binlog();
    world.run("INSERT INTO bare () VALUES ()");
    let binlog = world.binlog();
    let error = ours(&binlog, &tables, &schemas).unwrap_err();
    assert_eq!(error.page(), "LS1054");
}
