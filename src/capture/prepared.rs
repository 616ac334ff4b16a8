//! XA transactions that are prepared when a stream begins: their rows lie before its place, so what
//! is committed of them later would be missed.
//!
//! A place is good once every transaction that was prepared when it was taken is decided; those
//! that are prepared behind it are the stream's. So the list is asked for behind the place.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use tokio::time::sleep;

use super::connection::query_error;
use super::error::Error;
use super::preflight::CheckResult;
use super::settings::{SourceSettings, Start};

/// `XAER_RMERR`, which MySQL says instead of naming the privilege, and the plain refusals.
const REFUSALS: [u16; 3] = [1401, 1227, 1142];
/// Where XA is at home, some are always between the two; each is soon decided.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// The columns of one line of XA RECOVER: they are its name.
type Xid = Vec<Option<Value>>;

/// Waits a little for those that were prepared when the place was taken.
pub(super) async fn check_decided(conn: &mut Conn, settings: &SourceSettings) -> Result<(), Error> {
    // What the oldest file has of them comes; what older ones had is gone in any case.
    if settings.start == Start::Earliest {
        return Ok(());
    }
    let Some(mut undecided) = list(conn, settings).await? else {
        return Ok(());
    };
    for _ in 0..LOOKS {
        if undecided.is_empty() {
            return Ok(());
        }
        sleep(BETWEEN_LOOKS).await;
        let now = list(conn, settings).await?.unwrap_or_default();
        undecided.retain(|xid| now.contains(xid));
    }
    match undecided.len() {
        0 => Ok(()),
        count => Err(Error::XaPrepared { count }),
    }
}

/// What `check` says of them.
pub(super) async fn look(conn: &mut Conn, settings: &SourceSettings) -> CheckResult {
    match list(conn, settings).await {
        Ok(Some(xids)) if xids.is_empty() => CheckResult::Passed("none is prepared".to_owned()),
        Ok(Some(xids)) => CheckResult::Warning(Error::XaPrepared { count: xids.len() }),
        Ok(None) => CheckResult::Warning(Error::XaUnseen {
            user: settings.user.clone(),
        }),
        Err(error) => CheckResult::Failed(error),
    }
}

/// All that are prepared; `None` when the user may not know.
async fn list(conn: &mut Conn, settings: &SourceSettings) -> Result<Option<Vec<Xid>>, Error> {
    let listed: Result<Vec<Row>, _> = conn.query("XA RECOVER").await;
    match listed {
        Ok(rows) => Ok(Some(rows.into_iter().map(Row::unwrap_raw).collect())),
        Err(mysql_async::Error::Server(error)) if REFUSALS.contains(&error.code) => Ok(None),
        Err(error) => Err(query_error(
            settings,
            "list prepared xa transactions",
            error,
        )),
    }
}
