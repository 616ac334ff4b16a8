//! Rows that change while they are read, by the hundred; and that nobody who writes notices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leadstream::capture::SnapshotOrder;
use leadstream::core::change::{Operation, StreamItem};
use leadstream::core::value::Value;
use leadstream::rehearsal::MysqlOptions;
use mysql_async::prelude::Queryable;

use super::fill;
use crate::harness::tap::{Tap, connect, execute, route, settings, snapshot, start_mysql, table};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_change_meanwhile_amount_to_the_table_and_insert_routes_miss_none() {
    let seed: u64 = std::env::var("LEADSTREAM_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("LEADSTREAM_SEED={seed}");
    let mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    fill(&mut conn, "leads", 3_000).await;
    let mut tables = [table("leads", "iud", &["id", "text"])];
    tables[0].routes.push(route(1, "inserts", "i", &["id"]));
    let mut settings = settings(&mysql);
    settings.snapshot.chunk_rows = 40;
    let mut tap = Tap::open(settings, &tables).await;
    tap.begin(snapshot(1, &tables)).await;

    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..2 {
        let mut conn = connect(&mysql).await;
        let stop = Arc::clone(&stop);
        writers.push(tokio::spawn(async move {
            execute(
                &mut conn,
                "SET SESSION innodb_lock_wait_timeout = 20, transaction_isolation = 'READ-COMMITTED'",
            )
            .await;
            let mut random = seed * 2 + writer;
            let mut below = |bound: u64| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695);
                (random >> 33) % bound
            };
            let mut changes = 1_u64;
            while !stop.load(Ordering::Relaxed) {
                // Each writer keeps to its own rows: they must not deadlock.
                let id = below(1_700) * 2 + writer;
                execute(&mut conn, "BEGIN").await;
                for _ in 0..=below(3) {
                    let id = id + below(5) * 2;
                    let sql = match below(9) {
                        // Many rows, so that a chunk is likely to see what the stream has yet to bring.
                        0 => format!(
                            "UPDATE shop.leads SET text = 'u{changes}' WHERE id % 2 = {writer} \
                             AND id BETWEEN {id} AND {id} + 400"
                        ),
                        1 | 2 => format!("DELETE FROM shop.leads WHERE id = {id}"),
                        3 | 4 => format!("REPLACE INTO shop.leads VALUES ({id}, 'r{changes}')"),
                        _ => format!("UPDATE shop.leads SET text = 'u{changes}' WHERE id = {id}"),
                    };
                    execute(&mut conn, &sql).await;
                    changes += 1;
                }
                let end = if below(5) == 0 { "ROLLBACK" } else { "COMMIT" };
                execute(&mut conn, end).await;
            }
            changes
        }));
    }
    let done = tap.finish().await;
    stop.store(true, Ordering::Relaxed);
    let mut changes = 0;
    for writer in writers {
        changes += writer.await.unwrap();
    }
    println!(
        "{changes} changes, {} rows, {} overtaken",
        done.tables[0].rows, done.tables[0].overtaken
    );
    assert!(changes > 100, "{changes} changes are none to speak of");
    assert!(done.tables[0].overtaken > 0 || tap.rows(0, true).len() < tap.rows(1, true).len());
    execute(&mut conn, "INSERT INTO shop.leads VALUES (999999, 'last')").await;
    let last = |tap: &Tap| {
        let is_last = |value: &Option<Value>| *value == Some(Value::Int(999_999));
        tap.rows(0, false)
            .iter()
            .any(|change| is_last(&change.values[0]))
    };
    tap.until("the last row", last).await;

    let table: Vec<(i64, String)> = conn
        .query("SELECT id, text FROM shop.leads ORDER BY id")
        .await
        .unwrap();
    let mut amount: Vec<(i64, String)> = tap
        .amount(0)
        .into_values()
        .map(|values| match &values[..] {
            [Value::Int(id), Value::Text(text)] => (*id, text.clone()),
            _ => panic!("{values:?}"),
        })
        .collect();
    amount.sort_unstable();
    let wrong: Vec<_> = amount
        .iter()
        .zip(&table)
        .filter(|(a, b)| a != b)
        .take(5)
        .collect();
    assert!(wrong.is_empty(), "came, stands: {wrong:?}");
    assert_eq!(amount.len(), table.len());
    check_order(&tap);
    // Each row once by the snapshot at most, and none of the table is missing.
    let read: Vec<String> = tap
        .rows(1, true)
        .iter()
        .map(|c| c.id.transaction.id.to_string())
        .collect();
    let unique: BTreeSet<&String> = read.iter().collect();
    assert_eq!(unique.len(), read.len());
    let came: BTreeSet<String> = tap.amount(1).into_keys().collect();
    let missing: Vec<_> = table
        .iter()
        .filter(|(id, _)| !came.contains(&format!("Int({id})")))
        .collect();
    assert!(missing.is_empty(), "an insert route missed {missing:?}");
    tap.close().await;
}

/// No older image of a row comes after a newer one, on the route that carries everything.
#[track_caller]
fn check_order(tap: &Tap) {
    let mut newest: BTreeMap<i64, u64> = BTreeMap::new();
    for item in &tap.items {
        let StreamItem::Row(change) = item else {
            continue;
        };
        if change.id.route.0 != 0 || change.operation == Operation::Delete {
            continue;
        }
        let [Some(Value::Int(id)), Some(Value::Text(text)), ..] = &change.values[..] else {
            panic!("{change:?}");
        };
        let version = match text.split_at(1) {
            ("u" | "r", number) => number.parse().unwrap(),
            _ => 0,
        };
        let newest = newest.entry(*id).or_default();
        assert!(version >= *newest, "row {id}: {version} after {newest}");
        *newest = version;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_waits_until_a_stream_that_lags_has_brought_what_the_chunk_has_seen() {
    let mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    fill(&mut conn, "leads", 10).await;
    execute(&mut conn, "ALTER TABLE shop.leads ADD COLUMN wide LONGTEXT").await;
    let mut tables = [table("leads", "iud", &["id", "text", "wide"])];
    tables[0].routes.push(route(1, "inserts", "i", &["id"]));
    let mut tap = Tap::open(settings(&mysql), &tables).await;
    execute(&mut conn, "INSERT INTO shop.leads VALUES (11, 'u0', NULL)").await;
    tap.until("the stream", |tap| !tap.rows(0, false).is_empty())
        .await;
    // Nobody takes what comes now, so the stream falls behind.
    for version in 1..=200 {
        let id = 1 + version % 10;
        let sql = format!(
            "UPDATE shop.leads SET text = 'u{version}', wide = REPEAT('w', 30000) WHERE id = {id}"
        );
        execute(&mut conn, &sql).await;
    }
    execute(&mut conn, "INSERT INTO shop.leads VALUES (12, 'u0', NULL)").await;
    let asked = ends_asked(&mut conn).await;
    tap.begin(snapshot(1, &tables)).await;
    // Piece by piece, until the chunk has been read and its end is known.
    while ends_asked(&mut conn).await == asked {
        tap.one().await;
        execute(&mut conn, "DO SLEEP(0.02)").await;
    }
    let behind = tap.rows(0, false).len();
    assert!(
        behind < 150,
        "{behind} changes came: the stream did not lag"
    );
    assert!(tap.rows(0, true).is_empty(), "a chunk came before its time");
    let done = tap.finish().await;
    tap.until("the stream's rest", |tap| tap.rows(1, false).len() == 2)
        .await;
    check_order(&tap);
    let counted = &done.tables[0];
    assert_eq!((counted.rows, counted.overtaken), (11, 1));
    // Those that the stream brought meanwhile went to the other route only.
    assert!(tap.rows(0, true).len() <= 2, "{}", tap.rows(0, true).len());
    // The last row came by the stream after the gate was opened.
    assert_eq!(tap.rows(1, true).len(), 11);
    tap.close().await;
}

/// How often anybody has asked for the end of the binlog.
async fn ends_asked(conn: &mut mysql_async::Conn) -> u64 {
    let rows: Vec<(String, u64)> = conn
        .query("SHOW GLOBAL STATUS LIKE 'Com_show_bin%log_status'")
        .await
        .unwrap();
    rows.into_iter().map(|(_, count)| count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lock_is_held_that_a_writer_could_notice() {
    let options = MysqlOptions {
        extra_args: vec!["--performance-schema=ON".to_owned()],
        ..MysqlOptions::default()
    };
    let mysql = start_mysql(options);
    let mut conn = connect(&mysql).await;
    fill(&mut conn, "leads", 2_000).await;
    let tables = [table("leads", "i", &["id", "text"])];
    let mut settings = settings(&mysql);
    settings.snapshot.chunk_rows = 100;
    settings.snapshot.max_rows_per_second = Some(2_000);
    let mut tap = Tap::open(settings, &tables).await;
    tap.begin(snapshot(1, &tables)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&stop);
    let mut watcher = connect(&mysql).await;
    let watched = tokio::spawn(async move {
        // A lock of any kind on the table or a row of it, from anybody: the snapshot is the only one
        // at work there. InnoDB itself locks rows of its statistics in `mysql`, when it likes.
        let mut looks = 0;
        while !over.load(Ordering::Relaxed) {
            let locks: Option<u64> = watcher
                .query_first(
                    "SELECT COUNT(*) FROM performance_schema.data_locks \
                     WHERE object_schema = 'shop'",
                )
                .await
                .unwrap();
            assert_eq!(locks, Some(0), "a row or a table is locked");
            looks += 1;
        }
        looks
    });
    tap.finish().await;
    stop.store(true, Ordering::Relaxed);
    let looks = watched.await.unwrap();
    assert!(looks >= 10, "looked {looks} times only");

    // A writer that waits for nobody: NOWAIT fails at once where anything is locked.
    tap.begin(snapshot(2, &tables)).await;
    let mut statements = 0;
    while !tap.is_finished() {
        execute(&mut conn, "BEGIN").await;
        execute(&mut conn, "SELECT * FROM shop.leads FOR UPDATE NOWAIT").await;
        execute(
            &mut conn,
            "UPDATE shop.leads SET text = 'w' WHERE id % 50 = 7",
        )
        .await;
        execute(&mut conn, "COMMIT").await;
        statements += 1;
        assert!(tap.failed.is_none());
        tap.listen(std::time::Duration::from_millis(1)).await;
    }
    assert!(statements >= 5, "{statements} statements only");
    tap.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_chunk_at_a_time_is_on_its_way_to_durability() {
    let mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    fill(&mut conn, "leads", 50).await;
    let tables = [table("leads", "i", &["id"])];
    let mut settings = settings(&mysql);
    settings.snapshot.chunk_rows = 10;
    let mut tap = Tap::open(settings, &tables).await;
    tap.holds_durability = true;
    tap.begin(snapshot(1, &tables)).await;
    for chunk in 1..=5 {
        let is_there = |tap: &Tap| tap.snapshot.as_ref().unwrap().tables[0].chunks == chunk;
        tap.until("a chunk", is_there).await;
        // The stream goes on, and the next chunk does not.
        let id = 1_000 + chunk;
        execute(
            &mut conn,
            &format!("INSERT INTO shop.leads VALUES ({id}, 'x')"),
        )
        .await;
        let came = usize::try_from(chunk).unwrap();
        tap.until("the stream", |tap| tap.rows(0, false).len() == came)
            .await;
        tap.listen(std::time::Duration::from_millis(50)).await;
        assert_eq!(tap.rows(0, true).len(), came * 10);
        tap.orders.send(SnapshotOrder::ChunkDurable).await.unwrap();
    }
    assert!(tap.failed.is_none());
    tap.close().await;
}
