//! A few of a table's newest rows, for a person who wants to see what would become of them.
//!
//! Reads as a snapshot does, value for value, on a connection of its own and without a lock; keeps
//! nothing and orders nothing.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Row};
use tokio::time::timeout;

use super::key::{Key, quoted, quoted_table, table_error};
use super::source::Source;
use super::values::value;
use crate::capture::error::Error;
use crate::capture::settings::SourceSettings;
use crate::core::schema::TableName;
use crate::core::value::Value;

/// What a look may hold in memory: rows of large texts are shown in part.
const BYTES_MAX: usize = 64 << 20;

/// At most `limit` of the table's newest rows, the newest first by the key that a snapshot would
/// read by; of a table without one any rows. Each has the columns in the order given.
///
/// # Errors
/// The table cannot be read, or a value cannot be decoded.
pub async fn newest_rows(
    settings: &SourceSettings,
    table: &TableName,
    columns: &[String],
    limit: u32,
) -> Result<Vec<Vec<Value>>, Error> {
    // Somebody waits for the answer.
    let waited_ms = settings.connect_timeout_ms.saturating_mul(3);
    timeout(
        Duration::from_millis(waited_ms),
        read(settings, table, columns, limit),
    )
    .await
    .unwrap_or(Err(Error::Silent { waited_ms }))
}

async fn read(
    settings: &SourceSettings,
    table: &TableName,
    columns: &[String],
    limit: u32,
) -> Result<Vec<Vec<Value>>, Error> {
    let Source {
        mut conn, server, ..
    } = Source::connect(settings).await?;
    let key = match Key::read(&mut conn, settings, table).await {
        Ok(key) => Some(key),
        Err(Error::SnapshotKey { .. }) => None,
        Err(error) => return Err(error),
    };
    let failed = |error| table_error(settings, table, error);
    // The binary protocol, in which a FLOAT is exact.
    let mut result = conn
        .exec_iter(sql(table, key.as_ref(), columns, limit), Params::Empty)
        .await
        .map_err(failed)?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = result.next().await.map_err(failed)? {
        let values = decode(table, row, columns, &server.collations)?;
        bytes += values.iter().map(Value::heap_bytes).sum::<usize>();
        rows.push(values);
        if bytes >= BYTES_MAX {
            break;
        }
    }
    result.drop_result().await.map_err(failed)?;
    // The server closes its side too; there is nothing to do about a failure here.
    let _ = conn.disconnect().await;
    Ok(rows)
}

fn decode(
    table: &TableName,
    mut row: Row,
    names: &[String],
    numbering: &crate::capture::charset::Numbering,
) -> Result<Vec<Value>, Error> {
    let columns = row.columns();
    let decode = |(index, name): (usize, &String)| {
        let column = columns.get(index).zip(row.take(index));
        column
            .ok_or_else(|| "the answer has another form than expected".to_owned())
            .and_then(|(column, raw)| value(column, raw, numbering))
            .map_err(|reason| Error::SnapshotValue {
                table: table.clone(),
                column: name.clone(),
                reason,
            })
    };
    names.iter().enumerate().map(decode).collect()
}

fn sql(table: &TableName, key: Option<&Key>, columns: &[String], limit: u32) -> String {
    let selected: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let order = key.map(|key| {
        let columns = key.columns.iter();
        let newest: Vec<String> = columns
            .map(|column| format!("{} DESC", quoted(&column.name)))
            .collect();
        let index = quoted(&key.index);
        format!(" FORCE INDEX ({index}) ORDER BY {}", newest.join(", "))
    });
    format!(
        "SELECT {} FROM {}{} LIMIT {limit}",
        selected.join(", "),
        quoted_table(table),
        order.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::key::{Compared, KeyColumn};
    use super::*;

    #[test]
    fn the_newest_come_first_and_a_table_without_key_is_read_all_the_same() {
        let table = TableName {
            schema: "shop".to_owned(),
            table: "odd`name".to_owned(),
        };
        let column = |name: &str| KeyColumn {
            name: name.to_owned(),
            compared: Compared::Integer,
        };
        let key = Key {
            index: "PRIMARY".to_owned(),
            columns: vec![column("a"), column("b")],
        };
        let columns = ["email".to_owned(), "a".to_owned()];
        assert_eq!(
            sql(&table, Some(&key), &columns, 10),
            "SELECT `email`, `a` FROM `shop`.`odd``name` FORCE INDEX (`PRIMARY`) \
             ORDER BY `a` DESC, `b` DESC LIMIT 10"
        );
        assert_eq!(
            sql(&table, None, &columns, 3),
            "SELECT `email`, `a` FROM `shop`.`odd``name` LIMIT 3"
        );
    }
}
