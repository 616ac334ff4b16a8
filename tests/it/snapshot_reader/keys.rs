//! Every kind of key, while a writer changes the table: each row is read once, and rows of the
//! snapshot and of the stream, read in order, amount to the table.

use std::collections::BTreeSet;

use leadstream::core::position::TransactionId;
use leadstream::core::value::Value;
use leadstream::rehearsal::MysqlOptions;
use mysql_async::prelude::Queryable;

use crate::harness::tap::{Tap, connect, execute, settings, snapshot, start_mysql, table};

const ROWS: u32 = 50;

/// The key's columns, and the SQL that makes their values of a number `n`.
const KEYS: &[(&str, &[&str], &[&str])] = &[
    ("bigint", &["BIGINT"], &["CAST({n} AS SIGNED) - 20"]),
    ("uint", &["INT UNSIGNED"], &["{n} * 80000003"]),
    (
        "decimal",
        &["DECIMAL(38,20)"],
        &["{n} - 20 + 0.00000000000000000001 * {n}"],
    ),
    ("double", &["DOUBLE"], &["({n} - 20) / 7"]),
    ("float", &["FLOAT"], &["({n} - 20) / 7"]),
    (
        "text",
        &["VARCHAR(60)"],
        &["CONCAT('Kö,\\\\', HEX({n} * 7919), '🚀')"],
    ),
    (
        "binary_text",
        &["VARCHAR(60) COLLATE utf8mb4_bin"],
        &["CONCAT(IF({n} % 2, 'a', 'A'), {n}, REPEAT(' ', {n} % 3))"],
    ),
    (
        "char",
        &["CHAR(20)"],
        &["CONCAT('x', {n} % 10, CHAR(97 + {n} DIV 10))"],
    ),
    (
        "latin1",
        &["VARCHAR(60) CHARACTER SET latin1 COLLATE latin1_german1_ci"],
        &["CONCAT('ä', {n})"],
    ),
    (
        "sjis",
        &["VARCHAR(60) CHARACTER SET sjis"],
        &["CONCAT('テ', {n})"],
    ),
    (
        "uuid",
        &["BINARY(16)"],
        &["UNHEX(LEFT(SHA2({n}, 256), 32))"],
    ),
    (
        "varbinary",
        &["VARBINARY(20)"],
        &["CONCAT(UNHEX(LPAD(HEX({n} * 5), 4, '0')), REPEAT(CHAR(0), {n} % 3))"],
    ),
    (
        "date",
        &["DATE"],
        &["IF({n} = 0, '0000-00-00', '1999-12-20' + INTERVAL {n} DAY)"],
    ),
    (
        "datetime",
        &["DATETIME(6)"],
        &["'1999-12-20' + INTERVAL {n} * 1000003 MICROSECOND"],
    ),
    (
        "timestamp",
        &["TIMESTAMP(3)"],
        &["'2024-03-31 00:59:50' + INTERVAL {n} SECOND"],
    ),
    ("time", &["TIME(2)"], &["SEC_TO_TIME(({n} - 20) * 1.25)"]),
    ("year", &["YEAR"], &["1990 + {n}"]),
    ("bit", &["BIT(20)"], &["{n} * 20001"]),
    (
        "enum",
        &[
            "ENUM('z1','y2','x3','w4','v5','u6','t7','s8','r9','q10','a11','b12')",
            "INT",
        ],
        &["1 + {n} % 12", "{n} DIV 12"],
    ),
    ("set", &["SET('z','y','x','w','v','u')"], &["{n}"]),
    (
        "composite",
        &["INT", "VARCHAR(20)", "DATE"],
        &[
            "{n} % 3",
            "CONCAT('ü,', {n} % 4)",
            "'2024-01-01' + INTERVAL {n} DAY",
        ],
    ),
    (
        "mixed",
        &["BINARY(4)", "DECIMAL(10,2)"],
        &["UNHEX(LPAD(HEX({n} % 3), 8, '0'))", "{n} / 4"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_key_is_read_once_beside_a_writer() {
    let mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    for statement in [
        "SET NAMES utf8mb4",
        "SET SESSION sql_mode = '', time_zone = '+00:00'",
        "CREATE DATABASE shop CHARACTER SET utf8mb4",
    ] {
        execute(&mut conn, statement).await;
    }
    for key in KEYS {
        read_by(&mysql, &mut conn, key).await;
    }
}

async fn read_by(
    mysql: &leadstream::rehearsal::MysqlServer,
    conn: &mut mysql_async::Conn,
    (name, types, makers): &(&str, &[&str], &[&str]),
) {
    let columns: Vec<String> = (0..types.len()).map(|index| format!("k{index}")).collect();
    let defined: Vec<String> = columns
        .iter()
        .zip(*types)
        .map(|(column, kind)| format!("{column} {kind} NOT NULL"))
        .collect();
    let keyed = columns.join(", ");
    let create = format!(
        "CREATE TABLE shop.{name} (n INT NOT NULL, {}, v INT NOT NULL, PRIMARY KEY ({keyed}))",
        defined.join(", ")
    );
    execute(conn, &create).await;
    let insert = |n: u32| {
        let values: Vec<String> = makers
            .iter()
            .map(|maker| maker.replace("{n}", &n.to_string()))
            .collect();
        format!(
            "INSERT INTO shop.{name} VALUES ({n}, {}, 0)",
            values.join(", ")
        )
    };
    for n in 0..ROWS {
        execute(conn, &insert(n)).await;
    }
    let tables = [table(name, "iud", &["n", "v"])];
    let mut settings = settings(mysql);
    settings.snapshot.chunk_rows = 4;
    let mut tap = Tap::open(settings, &tables).await;
    let before = tap.run(snapshot(1, &tables)).await;
    // Nothing changed: all rows, each once.
    assert_eq!(
        (before.tables[0].rows, before.tables[0].overtaken),
        (u64::from(ROWS), 0),
        "{name}"
    );
    let row_names: BTreeSet<String> = tap
        .rows(0, true)
        .iter()
        .map(|change| match &change.id.transaction.id {
            TransactionId::Snapshot(row) => row.key.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(row_names.len(), ROWS as usize, "{name}: {row_names:?}");

    // Beside a writer: it changes, removes and brings back rows until the snapshot is over.
    tap.begin(snapshot(2, &tables)).await;
    let mut random = 12_345_u64;
    let mut step = 0_u32;
    while !tap.is_finished() || step < 60 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let n = u32::try_from(random >> 33).unwrap() % ROWS;
        step += 1;
        match step % 4 {
            0 => execute(conn, &format!("DELETE FROM shop.{name} WHERE n = {n}")).await,
            1 => execute(conn, &insert(n).replace("INSERT", "REPLACE")).await,
            _ => {
                execute(
                    conn,
                    &format!("UPDATE shop.{name} SET v = {step} WHERE n = {n}"),
                )
                .await
            }
        }
        if let Some(error) = &tap.failed {
            panic!("{name}: {error:?}");
        }
        tap.listen(std::time::Duration::from_millis(1)).await;
    }
    execute(
        conn,
        &format!("UPDATE shop.{name} SET v = v + 1000000 ORDER BY n LIMIT 1"),
    )
    .await;
    let last = |tap: &Tap| {
        let million =
            |value: &Option<Value>| matches!(value, Some(Value::Int(v)) if *v >= 1_000_000);
        tap.rows(0, false)
            .iter()
            .any(|change| change.values.iter().any(million))
    };
    tap.until("the writer's last change", last).await;
    let table: Vec<(i64, i64)> = conn
        .query(format!("SELECT n, v FROM shop.{name} ORDER BY n"))
        .await
        .unwrap();
    let mut amount: Vec<(i64, i64)> = tap
        .amount(0)
        .into_values()
        .map(|values| match values[..] {
            [Value::Int(n), Value::Int(v)] => (n, v),
            _ => panic!("{values:?}"),
        })
        .collect();
    amount.sort_unstable();
    assert_eq!(amount, table, "{name}");
    tap.close().await;
}
