//! The request for the dump: everything behind a place, in the words of the protocol.

use std::sync::Arc;

use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, GnoInterval, Sid};
use mysql_common::packets::Tag;

use super::connection::stream_error;
use super::error::Error;
use super::progress::Progress;
use super::session::{Context, Reads};
use crate::core::position::{FilePosition, GtidSet, Position};

/// Asks for everything behind `progress`; also gives the place where the stream will begin.
pub(super) async fn request(
    conn: Conn,
    context: &Context,
    progress: &Progress,
) -> Result<(BinlogStream, FilePosition, Reads), Error> {
    let request = BinlogStreamRequest::new(context.server_id);
    let (request, at) = match progress.held.as_ref().unwrap_or(&progress.position) {
        Position::Gtid(set) => (
            request.with_gtid().with_gtid_set(sids(set)?),
            progress.end.clone(),
        ),
        // Where is said in a variable of the session.
        Position::MariaDb(_) => (request, progress.end.clone()),
        Position::File(end) => {
            let at = dump_start(end);
            (
                request
                    .with_filename(end.file.as_bytes())
                    .with_pos(at.offset),
                at,
            )
        }
    };
    let reads = conn.reads();
    let stream = conn
        .get_binlog_stream(request)
        .await
        .map_err(|error| stream_error(&context.settings, context.server_id, error))?;
    Ok((stream, at, reads))
}

/// The protocol has 32 bits for the position: beyond, the file is read from its start, and what is
/// behind us passes by.
fn dump_start(end: &FilePosition) -> FilePosition {
    let offset = match u32::try_from(end.offset) {
        Ok(_) => end.offset,
        Err(_) => 4,
    };
    FilePosition {
        file: Arc::clone(&end.file),
        offset,
    }
}

fn sids(set: &GtidSet) -> Result<Vec<Sid<'static>>, Error> {
    set.iter()
        .map(|(source, intervals)| {
            let mut sid = Sid::new(source.uuid);
            if let Some(tag) = &source.tag {
                let tag = Tag::try_from(tag.to_string()).map_err(|error| Error::Query {
                    what: "send a tagged gtid",
                    source: error.to_string().into(),
                })?;
                sid = sid.with_tag(tag);
            }
            for (first, last) in intervals {
                // On the wire the end does not belong to the interval.
                sid = sid.with_interval(GnoInterval::new(*first, last + 1));
            }
            Ok(sid)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_beyond_4_gib_is_reached_from_the_start_of_its_file() {
        let start = |offset| {
            let file = "binlog.000007".into();
            dump_start(&FilePosition { file, offset }).offset
        };
        assert_eq!(start(157), 157);
        assert_eq!(start((1 << 32) - 1), (1 << 32) - 1);
        assert_eq!(start(1 << 32), 4);
        assert_eq!(start(5 << 32), 4);
    }
}
