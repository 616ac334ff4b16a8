//! A snapshot's reader on a real server, capture alone: values as the binlog gives them, every kind
//! of key, rows that change while they are read, and what it refuses.

mod changes;
mod keys;
mod values;

use std::time::Duration;

use leadstream::capture::{Error, SnapshotOrder, check_snapshot};
use leadstream::core::change::StreamItem;
use leadstream::rehearsal::MysqlOptions;

use crate::harness::tap::{Tap, connect, execute, route, settings, snapshot, start_mysql, table};

async fn fill(conn: &mut mysql_async::Conn, name: &str, rows: u32) {
    for statement in [
        "CREATE DATABASE IF NOT EXISTS shop".to_owned(),
        format!("DROP TABLE IF EXISTS shop.{name}"),
        format!("CREATE TABLE shop.{name} (id INT PRIMARY KEY, text VARCHAR(100))"),
    ] {
        execute(conn, &statement).await;
    }
    for first in (1..=rows).step_by(1_000) {
        let last = (first + 999).min(rows);
        let values: Vec<String> = (first..=last).map(|id| format!("({id},'t{id}')")).collect();
        let values = values.join(",");
        execute(conn, &format!("INSERT INTO shop.{name} VALUES {values}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_routes_come_one_after_the_other_and_conditions_hold() {
    let mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    fill(&mut conn, "one", 250).await;
    fill(&mut conn, "two", 30).await;
    execute(&mut conn, "CREATE TABLE shop.none (id INT PRIMARY KEY)").await;
    let mut tables = [
        table("one", "i", &["id", "text"]),
        table("two", "i", &["id"]),
        table("none", "i", &["id"]),
    ];
    tables[0].routes.push(route(1, "second", "iu", &["text"]));
    tables[1].routes[0].route.0 = 2;
    tables[2].routes[0].route.0 = 3;
    let mut settings = settings(&mysql);
    settings.snapshot.chunk_rows = 100;
    let mut wanted = snapshot(1, &tables);
    // A comment at its end must not swallow what follows.
    wanted.tables[1].condition = Some("id % 2 = 0 OR id = 1 -- the even ones".to_owned());
    check_snapshot(&settings, &tables, &wanted).await.unwrap();
    let mut tap = Tap::open(settings, &tables).await;
    let done = tap.run(wanted).await;
    let told: Vec<_> = done.tables.iter().map(|t| (t.rows, t.chunks)).collect();
    assert_eq!(told, [(250, 3), (16, 1), (0, 1)]);
    assert!(done.tables[0].estimated_rows.is_some());
    let count = |route| tap.rows(route, true).len();
    assert_eq!([0, 1, 2, 3].map(count), [250, 250, 16, 0]);
    // Both routes of a row stand together, and only the last is the last.
    let [StreamItem::Row(first), StreamItem::Row(second)] = &tap.items[..2] else {
        panic!("{:?}", &tap.items[..2]);
    };
    assert_eq!((first.last_of_row, second.last_of_row), (false, true));
    assert_eq!(first.id.transaction, second.id.transaction);
    tap.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_rows_make_small_chunks() {
    let mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    fill(&mut conn, "wide", 60).await;
    execute(&mut conn, "ALTER TABLE shop.wide MODIFY text LONGTEXT").await;
    execute(&mut conn, "UPDATE shop.wide SET text = REPEAT('x', 100000)").await;
    let tables = [table("wide", "i", &["id", "text"])];
    let mut tap = Tap::open(settings(&mysql), &tables).await;
    let done = tap.run(snapshot(1, &tables)).await;
    assert_eq!(done.tables[0].rows, 60);
    // A chunk ends with the row that reaches a mebibyte.
    let mut rows = 0;
    for item in &tap.items {
        match item {
            StreamItem::ChunkEnd(_) => rows = 0,
            _ => rows += 1,
        }
        assert!(rows <= 11, "{rows} rows of 100 kB in a chunk");
    }
    tap.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_goes_on_where_it_was_and_through_restarts_of_the_server() {
    let mut mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    fill(&mut conn, "leads", 3_000).await;
    let tables = [table("leads", "i", &["id"])];
    let mut settings = settings(&mysql);
    settings.snapshot.chunk_rows = 100;
    let mut tap = Tap::open(settings.clone(), &tables).await;
    let chunks = |tap: &Tap, count| tap.snapshot.as_ref().unwrap().tables[0].chunks >= count;
    tap.begin(snapshot(1, &tables)).await;
    tap.until("a few chunks", |tap| chunks(tap, 3)).await;
    drop(conn);
    tokio::task::block_in_place(|| mysql.restart().unwrap());
    tap.until("more chunks", |tap| chunks(tap, 8)).await;
    tap.orders.send(SnapshotOrder::Cancel).await.unwrap();
    // What was on its way may still come; a new process would not know of it.
    tap.listen(Duration::from_millis(300)).await;
    let half = tap.snapshot.clone().unwrap();
    let read = half.tables[0].rows;
    assert!((800..3_000).contains(&read), "{half:?}");
    assert_eq!(tap.rows(0, true).len() as u64, read);
    tap.close().await;

    let mut tap = Tap::open(settings, &tables).await;
    let done = tap.run(half).await;
    assert_eq!(done.tables[0].rows, 3_000);
    assert_eq!(tap.rows(0, true).len() as u64, 3_000 - read);
    tap.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_refused_before_it_begins_and_ends_the_snapshot_alone() {
    let mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    fill(&mut conn, "leads", 10).await;
    for statement in [
        "CREATE TABLE shop.keyless (id INT, UNIQUE (id))",
        "CREATE TABLE shop.prefixed (text TEXT NOT NULL, UNIQUE (text(5)))",
    ] {
        execute(&mut conn, statement).await;
    }
    let tables = [
        table("leads", "i", &["id", "text"]),
        table("keyless", "i", &["id"]),
        table("prefixed", "i", &["text"]),
        table("missing", "i", &["id"]),
    ];
    let settings = settings(&mysql);
    let mut pages = Vec::new();
    for one in &tables[1..] {
        let wanted = snapshot(1, std::slice::from_ref(one));
        let error = check_snapshot(&settings, &tables, &wanted).await;
        pages.push(error.unwrap_err().page());
    }
    assert_eq!(pages, ["LS1085", "LS1085", "LS1011"]);
    for condition in [
        "secret_name = 'Ada'",
        "id = 1)",
        "id = 1) OR (id = 2",
        "id = ",
        "id = ?",
        "id = 1 LIMIT 1",
        "id = 1; DROP TABLE shop.leads",
    ] {
        let mut wanted = snapshot(1, &tables[..1]);
        wanted.tables[0].condition = Some(condition.to_owned());
        let error = check_snapshot(&settings, &tables, &wanted)
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::SnapshotCondition { .. }),
            "{condition}: {error:?}"
        );
        let text = format!("{error} {error:?}");
        assert!(!text.contains("Ada") && !text.contains("id ="), "{text}");
    }
    // A snapshot of a table that is gone ends; the stream goes on.
    let mut tap = Tap::open(settings, &tables[..1]).await;
    tap.begin(snapshot(1, &tables[3..])).await;
    tap.until("the end", |tap| tap.failed.is_some()).await;
    assert_eq!(tap.failed.as_ref().unwrap().page(), "LS1087");
    execute(&mut conn, "INSERT INTO shop.leads VALUES (11, 'x')").await;
    tap.until("the row", |tap| !tap.rows(0, false).is_empty())
        .await;
    assert_eq!(tap.run(snapshot(2, &tables[..1])).await.tables[0].rows, 11);
    tap.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_change_in_the_middle_ends_it_or_does_no_harm() {
    let mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    let mut settings = settings(&mysql);
    settings.snapshot.chunk_rows = 10;
    settings.snapshot.max_rows_per_second = Some(200);
    for (change, page) in [
        ("ADD COLUMN more INT FIRST, MODIFY text TEXT", None),
        ("DROP COLUMN text", Some("LS1012")),
        ("DROP PRIMARY KEY, ADD PRIMARY KEY (text)", Some("LS1089")),
        ("DROP PRIMARY KEY", Some("LS1085")),
        ("RENAME TO shop.away", Some("LS1011")),
    ] {
        fill(&mut conn, "leads", 200).await;
        execute(
            &mut conn,
            "ALTER TABLE shop.leads MODIFY text VARCHAR(100) NOT NULL",
        )
        .await;
        let tables = [table("leads", "i", &["id", "text"])];
        let mut tap = Tap::open(settings.clone(), &tables).await;
        tap.begin(snapshot(1, &tables)).await;
        let begun = |tap: &Tap| tap.snapshot.as_ref().unwrap().tables[0].chunks >= 2;
        tap.until("two chunks", begun).await;
        // Nothing of the snapshot's is in its way for longer than a chunk.
        execute(&mut conn, "SET SESSION lock_wait_timeout = 5").await;
        execute(&mut conn, &format!("ALTER TABLE shop.leads {change}")).await;
        let over = |tap: &Tap| tap.failed.is_some() || tap.is_finished();
        tap.until("the end", over).await;
        assert_eq!(tap.failed.as_ref().map(Error::page), page, "{change}");
        if page.is_none() {
            assert_eq!(tap.rows(0, true).len(), 200);
        }
        tap.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_holds_back_while_the_server_is_busy_and_says_so() {
    let mysql = start_mysql(MysqlOptions::default());
    let mut conn = connect(&mysql).await;
    fill(&mut conn, "leads", 10).await;
    let tables = [table("leads", "i", &["id"])];
    let mut settings = settings(&mysql);
    // Asking runs on a thread, too.
    settings.snapshot.max_source_threads = 0;
    let mut tap = Tap::open(settings, &tables).await;
    tap.begin(snapshot(1, &tables)).await;
    tap.until("the wait", |tap| !tap.waits.is_empty()).await;
    assert!(
        tap.waits[0].contains("max_source_threads = 0"),
        "{:?}",
        tap.waits
    );
    assert!(tap.rows(0, true).is_empty());
    tap.close().await;
}
