//! What the driver carries between the disk and the pipeline: without room nothing new is begun.

use super::Driver;
use crate::core::pipeline::Input;
use crate::core::time::Micros;
use crate::runtime::status::{DiskStatus, TroubleStatus};
use crate::runtime::{Error, clock};
use crate::state::Room;

impl Driver {
    pub(super) fn take_room(&mut self) -> Result<(), Error> {
        self.note_room();
        self.step(Input::Timer)
    }

    pub(super) fn note_room(&mut self) {
        let room = *self.parts.room.borrow_and_update();
        let low = room != Room::Enough;
        self.parts.pipeline.note_disk(low);
        self.parts.metrics.disk_low.set(i64::from(low));
        self.parts.published.update(|status| {
            let since = status.disk.trouble.as_ref().map(|known| known.since);
            let trouble = trouble(room, since.unwrap_or_else(clock::wall));
            status.disk = DiskStatus { room, trouble };
        });
    }
}

fn trouble(room: Room, since: Micros) -> Option<TroubleStatus> {
    let text = match room {
        Room::Enough => return None,
        Room::Low => "the disk of the state folder is nearly full: nothing is sent",
        Room::Full => "the disk of the state folder is full: commits wait",
    };
    Some(TroubleStatus {
        page: "LS3030".to_owned(),
        text: text.to_owned(),
        remedy: "free space on the disk of the state folder; it goes on by itself".to_owned(),
        since,
        // Nothing is tried: it is looked at every second.
        attempt: 0,
        next_try: None,
    })
}
