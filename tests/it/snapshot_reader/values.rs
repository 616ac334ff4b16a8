//! A row that a snapshot reads has the very values that the binlog gave for it.

use std::collections::BTreeMap;

use leadstream::core::change::Change;
use leadstream::core::value::Value;
use leadstream::rehearsal::{MysqlOptions, MysqlServer};

use crate::harness::source;
use crate::harness::tap::{Tap, connect, execute, settings, snapshot, start_mysql, table};

/// Each column with values for it, as SQL.
const COLUMNS: &[(&str, &[&str])] = &[
    ("TINYINT", &["-128", "127", "NULL"]),
    ("TINYINT UNSIGNED", &["0", "255"]),
    ("SMALLINT", &["-32768", "32767"]),
    ("MEDIUMINT", &["-8388608", "-1", "8388607"]),
    ("MEDIUMINT UNSIGNED", &["16777215"]),
    ("INT", &["-2147483648", "2147483647"]),
    ("INT UNSIGNED ZEROFILL", &["7", "4294967295"]),
    ("BIGINT", &["-9223372036854775808", "9223372036854775807"]),
    ("BIGINT UNSIGNED", &["18446744073709551615", "0"]),
    (
        "DECIMAL(65,30)",
        &[
            "-0.000000000000000000000000000001",
            "99999999999999999999999999999999999.5",
        ],
    ),
    ("DECIMAL(10,2) ZEROFILL", &["0", "0.5", "12345678.90"]),
    ("DECIMAL(5,5)", &["0.12345", "-0.5", "0"]),
    ("FLOAT", &["0.1", "-3.4e38", "16777216"]),
    ("DOUBLE", &["0.1", "-1.7976931348623157e308", "5e-324"]),
    ("CHAR(10)", &["'Zoë  '", "''", "'🚀'"]),
    ("VARCHAR(20)", &["'a b  '", "'🚀'", "''", "NULL"]),
    ("VARCHAR(300)", &["REPEAT('é', 300)"]),
    (
        "VARCHAR(20) CHARACTER SET latin1",
        &["'Zoë €'", "UNHEX('81')"],
    ),
    (
        "VARCHAR(20) CHARACTER SET sjis",
        &["'テスト'", "UNHEX('8160')"],
    ),
    ("VARCHAR(20) CHARACTER SET utf16", &["'🚀'"]),
    ("VARCHAR(20) CHARACTER SET ascii", &["'plain'"]),
    ("TEXT", &["'text'", "REPEAT('x', 5000)"]),
    ("TINYTEXT CHARACTER SET cp1251", &["'При'"]),
    ("BINARY(4)", &["0x0100", "0x00000000", "'ab'"]),
    ("BINARY(16)", &["UNHEX('000102030405060708090a0b0c0d0e00')"]),
    ("VARBINARY(10)", &["0x010000", "''"]),
    ("BLOB", &["0xff00ff", "NULL"]),
    (
        "DATE",
        &[
            "'2024-02-29'",
            "'0000-00-00'",
            "'2024-00-00'",
            "'9999-12-31'",
        ],
    ),
    ("DATETIME", &["'2024-02-29 12:34:56'", "'0000-00-00'"]),
    (
        "DATETIME(6)",
        &[
            "'1000-01-01 00:00:00.000001'",
            "'9999-12-31 23:59:59.999999'",
        ],
    ),
    ("DATETIME(1)", &["'2024-10-27 02:30:00.5'"]),
    (
        "TIMESTAMP NULL",
        &[
            "'1970-01-01 00:00:01'",
            "'0000-00-00'",
            "'2038-01-19 03:14:07'",
        ],
    ),
    (
        "TIMESTAMP(6) NULL",
        &["'2024-03-31 01:30:00.123456'", "NULL"],
    ),
    ("TIMESTAMP(3) NULL", &["'2024-03-31 01:30:00.123'"]),
    ("TIME", &["'-838:59:59'", "'00:00:00'", "'-00:00:01'"]),
    ("TIME(6)", &["'-00:00:00.000001'", "'838:59:58.999999'"]),
    ("YEAR", &["0", "1901", "2155"]),
    ("BIT(1)", &["b'1'", "b'0'"]),
    ("BIT(64)", &["0xffffffffffffffff", "1"]),
    (
        "ENUM('new','it''s','héllo')",
        &["'new'", "'it''s'", "'héllo'", "'no such'"],
    ),
    ("ENUM('a','é') CHARACTER SET latin1", &["'é'"]),
    ("SET('a','b','c')", &["'a,c'", "''", "'b'"]),
    (
        "JSON",
        &[
            "'{\"b\": [1, true, null, \"x\"], \"a\": 1.5}'",
            "'\"text\"'",
            "'[]'",
            "NULL",
        ],
    ),
    ("POINT", &["ST_GeomFromText('POINT(1 2)')"]),
    ("BIGINT GENERATED ALWAYS AS (id * 2) STORED", &["DEFAULT"]),
    (
        "VARCHAR(20) GENERATED ALWAYS AS (CONCAT('v', id)) VIRTUAL",
        &["DEFAULT"],
    ),
    ("INT DEFAULT 7 INVISIBLE", &["DEFAULT"]),
];
/// What MariaDB does not have.
const MYSQL_ONLY: &[(&str, &[&str])] = &[("VECTOR(3)", &["TO_VECTOR('[1,2,-0.5]')"])];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_equal_those_of_the_binlog_for_every_type() {
    equal(&start_mysql(MysqlOptions::default())).await;
}

/// MINIMAL on MySQL, NO_LOG on MariaDB: what the binlog does not say comes from the table's schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_equal_those_of_a_binlog_without_names_for_every_type() {
    let options = MysqlOptions {
        row_metadata_full: false,
        ..MysqlOptions::default()
    };
    equal(&source::start(source::kind(), options)).await;
}

async fn equal(mysql: &MysqlServer) {
    let mut conn = connect(mysql).await;
    let version: String =
        mysql_async::prelude::Queryable::query_first(&mut conn, "SELECT VERSION()")
            .await
            .unwrap()
            .unwrap();
    let mut kinds = COLUMNS.to_vec();
    if !version.contains("MariaDB") {
        kinds.extend(MYSQL_ONLY);
    }
    let names: Vec<String> = (0..kinds.len()).map(|index| format!("c{index}")).collect();
    let columns: Vec<String> = kinds
        .iter()
        .zip(&names)
        .map(|((kind, _), name)| format!("{name} {kind}"))
        .collect();
    for statement in [
        "SET NAMES utf8mb4".to_owned(),
        "SET SESSION sql_mode = '', time_zone = '+00:00'".to_owned(),
        "CREATE DATABASE shop CHARACTER SET utf8mb4".to_owned(),
        format!(
            "CREATE TABLE shop.types (id INT PRIMARY KEY, {})",
            columns.join(", ")
        ),
    ] {
        execute(&mut conn, &statement).await;
    }
    let mut wanted: Vec<&str> = vec!["id"];
    wanted.extend(names.iter().map(String::as_str));
    let tables = [table("types", "i", &wanted)];
    let mut settings = settings(mysql);
    settings.snapshot.chunk_rows = 3;
    let mut tap = Tap::open(settings, &tables).await;
    let rows = kinds.iter().map(|(_, values)| values.len()).max().unwrap();
    for id in 0..rows {
        let values: Vec<&str> = kinds
            .iter()
            .map(|(_, values)| values[id % values.len()])
            .collect();
        let sql = format!(
            "INSERT INTO shop.types (id, {}) VALUES ({id}, {})",
            names.join(", "),
            values.join(", ")
        );
        execute(&mut conn, &sql).await;
    }
    tap.until("all rows by the stream", |tap| {
        tap.rows(0, false).len() == rows
    })
    .await;
    tap.run(snapshot(1, &tables)).await;
    let streamed = by_id(&tap.rows(0, false));
    let read = by_id(&tap.rows(0, true));
    assert_eq!(read.len(), rows);
    for (id, values) in &read {
        for (index, (kind, _)) in kinds.iter().enumerate() {
            let (read, streamed) = (&values[index + 1], &streamed[id][index + 1]);
            assert_eq!(read, streamed, "row {id}, {kind}");
        }
    }
    tap.close().await;
}

fn by_id(rows: &[&Change]) -> BTreeMap<i64, Vec<Value>> {
    rows.iter()
        .map(|change| {
            let values: Vec<Value> = change.values.iter().flatten().cloned().collect();
            let Value::Int(id) = values[0] else {
                panic!("{values:?}");
            };
            (id, values)
        })
        .collect()
}
