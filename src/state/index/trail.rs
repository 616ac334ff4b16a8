//! Where the audit trail begins: nothing that ended before is known any more.

use serde::{Deserialize, Serialize};

use super::IndexHandle;
use crate::core::time::Micros;
use crate::state::error::Error;
use crate::state::journal::segment_start;
use crate::state::journal::segments::list_segments;

/// How often the oldest segment may go while it is looked for.
const TRIES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailStart {
    /// Steps from here on are kept.
    pub trail_begins_at: Micros,
    /// It begins with the store: retention has dropped nothing yet.
    pub trail_is_whole: bool,
}

impl IndexHandle {
    /// Where the trail begins, by the oldest segment that is kept.
    ///
    /// # Errors
    /// When that segment cannot be read.
    pub fn trail_start(&self) -> Result<TrailStart, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let oldest = list_segments(&self.journal)?.first().copied();
            let missing = || Error::Missing {
                path: self.journal.to_path_buf(),
            };
            match segment_start(&self.journal, oldest.ok_or_else(missing)?) {
                // Its retention was over just now.
                Err(_) if tries < TRIES => {}
                Err(error) => return Err(error),
                Ok(start) => {
                    return Ok(TrailStart {
                        trail_begins_at: start.opened_at,
                        trail_is_whole: start.commits == 0,
                    });
                }
            }
        }
    }
}
