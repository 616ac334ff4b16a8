//! Reads the books, and looks through the binlog for where they hold: from our place to the end
//! that the binlog has after they were read.
//!
//! The same code reads the stream here as later, with no table routed: what it takes for a change
//! of a table is the same.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use mysql_async::Conn;
use tokio::time::timeout;

use super::{Book, Names, told};
use crate::capture::assembler::Assembler;
use crate::capture::connection::{connect, stream_error};
use crate::capture::dump::request;
use crate::capture::error::Error;
use crate::capture::mariadb;
use crate::capture::progress::Progress;
use crate::capture::routing::Routing;
use crate::capture::server::Server;
use crate::capture::session::{Context, heartbeat, in_time, patience_ms, prepare};
use crate::capture::settings::SourceSettings;
use crate::core::position::FilePosition;

/// So often an idle server says how far it is: the end is not waited for longer than that.
const HEARTBEAT_MS: u64 = 100;

/// What can be told of the routed tables for rows behind `progress`.
pub(in crate::capture) async fn learn(
    context: &Context,
    server: &Server,
    conn: &mut Conn,
    progress: &Progress,
) -> Result<Names, Error> {
    let settings = &context.settings;
    let books = in_time(settings, read(context, conn)).await?;
    // Only now: what was altered before is in the books, what was altered since is before the end.
    let end = in_time(settings, end(server, conn, settings)).await?;
    let mut names = look_through(context, server, progress, &end).await?;
    for (index, book) in books.into_iter().enumerate() {
        names.books[index] = match names.met[index].take() {
            Some(altered) => Book::Altered(altered),
            None => book,
        };
    }
    Ok(names)
}

async fn read(context: &Context, conn: &mut Conn) -> Result<Vec<Book>, Error> {
    let settings = &context.settings;
    let collations = told::collations(conn, settings).await?;
    let mut books = Vec::with_capacity(context.tables.len());
    for table in &context.tables {
        let told = told::read(conn, settings, &table.name, &collations).await?;
        books.push(match told {
            Some(told) => Book::Told(told.into()),
            None => Book::Missing {
                user: settings.user.clone(),
            },
        });
    }
    Ok(books)
}

async fn end(
    server: &Server,
    conn: &mut Conn,
    settings: &SourceSettings,
) -> Result<FilePosition, Error> {
    if server.is_mariadb {
        return mariadb::end(conn, settings).await;
    }
    Ok(server.now(conn, settings).await?.0)
}

/// Reads everything from `progress` to `end`; notes the statements that may have altered a table.
async fn look_through(
    context: &Context,
    server: &Server,
    progress: &Progress,
    end: &FilePosition,
) -> Result<Names, Error> {
    let settings = SourceSettings {
        heartbeat_ms: context.settings.heartbeat_ms.min(HEARTBEAT_MS),
        ..context.settings.clone()
    };
    let mut conn = connect(&settings).await?;
    let set_up = async {
        prepare(&mut conn, &settings).await?;
        if server.is_mariadb {
            let ours = mariadb::position(&progress.position)?;
            mariadb::prepare(&mut conn, &settings, ours).await?;
        }
        Ok(())
    };
    in_time(&settings, set_up).await?;
    let (mut stream, at, _) = in_time(&settings, request(conn, context, progress)).await?;
    let routing = Arc::new(Routing::new(&[], false));
    let mut assembler = Assembler::new(routing, progress.clone(), at, context.clock);
    let tables = context.tables.iter().map(|table| table.name.clone());
    assembler.maps.names = Names::watching(tables);
    let waited_ms = patience_ms(&context.settings);
    // The place that is known before the first event may be another server's.
    let mut is_there = false;
    while !is_there {
        let read = timeout(Duration::from_millis(waited_ms), stream.next()).await;
        let event = match read.map_err(|_| Error::Silent { waited_ms })? {
            Some(Ok(event)) => event,
            Some(Err(error)) => return Err(stream_error(&settings, context.server_id, error)),
            None => return Err(Error::Disconnected),
        };
        assembler.accept(&event)?;
        assembler.flush();
        while assembler.pop().is_some() {}
        is_there = match heartbeat(&event) {
            Some(heard) => !heard.is_before(end),
            None => !assembler.at().is_before(end) && assembler.is_between_transactions(),
        };
    }
    Ok(std::mem::take(&mut assembler.maps.names))
}
