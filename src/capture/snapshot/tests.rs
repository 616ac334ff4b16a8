//! How the server goes about a chunk's statement, by kind of key.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Params, Row};

use super::key::Key;
use super::query::Query;
use super::source::Source;
use crate::capture::settings::SourceSettings;
use crate::core::schema::TableName;
use crate::core::snapshot::{KeyBound, TableSnapshot};
use crate::rehearsal::{MysqlOptions, MysqlServer};

fn table(name: &str) -> TableSnapshot {
    let table = TableName {
        schema: "shop".to_owned(),
        table: name.to_owned(),
    };
    TableSnapshot::new(table, Vec::new(), None)
}

/// What the server plans for a chunk: how it gets at the rows, by which index, and what else.
async fn plan(conn: &mut Conn, sql: String, parameters: Vec<mysql_async::Value>) -> [String; 3] {
    let parameters = match parameters {
        none if none.is_empty() => Params::Empty,
        some => Params::Positional(some),
    };
    let row: Option<Row> = conn
        .exec_first(format!("EXPLAIN FORMAT=TRADITIONAL {sql}"), parameters)
        .await
        .unwrap();
    let mut row = row.unwrap();
    ["type", "key", "Extra"].map(|name| {
        let text: Option<Option<String>> = row.take(name);
        text.flatten().unwrap_or_default()
    })
}

#[tokio::test]
async fn every_kind_of_key_is_read_by_its_index_without_sorting() {
    let install = MysqlServer::locate().expect("a MySQL server: run `make setup`");
    let mysql = MysqlServer::start(&install, MysqlOptions::default()).unwrap();
    let options = Opts::from_url(&mysql.url("root")).unwrap();
    let mut conn = Conn::new(options).await.unwrap();
    let keys = [
        ("BIGINT", "n"),
        ("DECIMAL(20,5)", "n"),
        ("DOUBLE", "n / 7"),
        ("FLOAT", "n / 7"),
        ("VARCHAR(20) CHARACTER SET utf8mb4", "CONCAT('é', n)"),
        (
            "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci",
            "CONCAT('x', n)",
        ),
        ("VARCHAR(20) CHARACTER SET sjis", "CONCAT('x', n)"),
        ("BINARY(16)", "UNHEX(LEFT(SHA2(n, 256), 32))"),
        ("DATE", "'2000-01-01' + INTERVAL n DAY"),
        ("DATETIME(6)", "'2000-01-01' + INTERVAL n SECOND"),
        ("TIMESTAMP(3)", "'2000-01-01' + INTERVAL n SECOND"),
        ("TIME(2)", "SEC_TO_TIME(n)"),
        ("BIT(20)", "n"),
    ];
    let mut tables: Vec<(String, String, String, String)> = keys
        .iter()
        .enumerate()
        .map(|(index, (kind, maker))| {
            let columns = format!("k {kind} NOT NULL");
            (
                format!("t{index}"),
                columns,
                "k".to_owned(),
                (*maker).to_owned(),
            )
        })
        .collect();
    tables.push((
        "composite".to_owned(),
        "a INT NOT NULL, b VARCHAR(20) NOT NULL, c BINARY(4) NOT NULL".to_owned(),
        "a, b, c".to_owned(),
        "n % 5, CONCAT('x', n % 40), UNHEX(LPAD(HEX(n), 8, '0'))".to_owned(),
    ));
    conn.query_drop("CREATE DATABASE shop CHARACTER SET utf8mb4")
        .await
        .unwrap();
    conn.query_drop("SET SESSION cte_max_recursion_depth = 10000")
        .await
        .unwrap();
    let mut source = Source::connect(&SourceSettings::rehearsed(mysql.port(), "root"))
        .await
        .unwrap();
    for (name, columns, key, maker) in tables {
        // A second index that the condition would like better.
        conn.query_drop(format!(
            "CREATE TABLE shop.{name} (n INT, {columns}, PRIMARY KEY ({key}), KEY (n))"
        ))
        .await
        .unwrap();
        conn.query_drop(format!(
            "INSERT INTO shop.{name} WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL \
             SELECT n + 1 FROM s WHERE n < 3000) SELECT n, {maker} FROM s"
        ))
        .await
        .unwrap();
        conn.query_drop(format!("ANALYZE TABLE shop.{name}"))
            .await
            .unwrap();
        let of = table(&name);
        let settings = SourceSettings::rehearsed(mysql.port(), "root");
        let key = Key::read(&mut source.conn, &settings, &of.table)
            .await
            .unwrap();
        let wanted = ["n".to_owned()];
        for condition in [None, Some("n < 2990")] {
            let query = Query {
                table: &of.table,
                key: &key,
                columns: &wanted,
                condition,
            };
            let first = plan(&mut source.conn, query.sql(false, 100), Vec::new()).await;
            assert_eq!(first[1], "PRIMARY", "{name}: {first:?}");
            assert!(!first[2].contains("filesort"), "{name}: {first:?}");
            let mut after: Option<KeyBound> = None;
            let mut rows = 0;
            loop {
                let read = source
                    .read(&query, &of, after.as_ref(), 700, 1 << 20)
                    .await
                    .unwrap();
                rows += read.rows.len();
                after = read.after.or(after);
                if read.last {
                    break;
                }
            }
            assert_eq!(
                rows,
                if condition.is_some() { 2_989 } else { 3_000 },
                "{name}"
            );
            let middle = source
                .read(&query, &of, None, 1_500, 1 << 20)
                .await
                .unwrap();
            let parameters = query.parameters(&middle.after.unwrap()).unwrap();
            let next = plan(&mut source.conn, query.sql(true, 100), parameters).await;
            assert_eq!(next[..2], ["range", "PRIMARY"], "{name}: {next:?}");
            assert!(!next[2].contains("filesort"), "{name}: {next:?}");
        }
    }
}
