//! Whether the stream gets on: what the reader hears, held against what the server has.
//!
//! Not whether a process or a connection is alive: a reader that is connected and gets its
//! heartbeats may still be stuck. It is stuck when the server's binlog reaches beyond the last event
//! that came, nothing has come for a while, and nothing here keeps it from coming. A quiet server,
//! a full window and a transaction that takes hours are none of that.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::core::position::{FilePosition, Gtids};

/// What the reader has heard; written by the session, read by the observer.
#[derive(Default)]
pub(super) struct Pulse(Mutex<Heard>);

#[derive(Clone, Default)]
pub(super) struct Heard {
    /// Events so far, heartbeats apart.
    pub(super) beats: u64,
    /// Where the last of them ends; `None` before the first from this server.
    pub(super) reached: Option<FilePosition>,
    /// Whether `reached` is the end of an event, not where the server said that it would begin.
    pub(super) is_exact: bool,
    /// When the last event was written, by the server's clock: seconds since 1970.
    pub(super) written_at: Option<u32>,
    /// Of the server that is read, or was last.
    pub(super) server_uuid: String,
    /// Transactions that came on this stream, and are no part of our position: undecided.
    pub(super) undecided: Gtids,
    /// The oldest of them, if there is one.
    pub(super) held: Option<Held>,
    /// The dump was asked for.
    pub(super) streams: bool,
    /// The reader waits for room: what it does not read now is not held back by the server.
    pub(super) waits_for_room: bool,
}

/// A prepared transaction that is undecided: a restart must read it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Where it begins.
    pub(super) at: FilePosition,
    /// When it was prepared, by the server's clock: seconds since 1970.
    pub(super) written_at: u32,
}

/// Of an event's header.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) log_pos: u32,
    pub(super) timestamp: u32,
}

const ROTATE: u8 = 4;
const HEARTBEAT: u8 = 27;
const HEARTBEAT_V2: u8 = 41;

impl Pulse {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn heard(&self) -> Heard {
        self.lock().clone()
    }

    /// A stream stands.
    pub(super) fn begin(&self, server_uuid: &str) {
        let mut heard = self.lock();
        // Places in one server's binlog mean nothing in another's.
        if heard.server_uuid != server_uuid {
            server_uuid.clone_into(&mut heard.server_uuid);
            heard.reached = None;
            heard.is_exact = false;
        }
        heard.streams = true;
        heard.waits_for_room = false;
        heard.undecided = Gtids::None;
        heard.held = None;
    }

    pub(super) fn note_undecided(&self, gtids: Gtids, oldest: Option<&Held>) {
        let mut heard = self.lock();
        heard.undecided = gtids;
        heard.held = oldest.cloned();
    }

    /// It stands no more.
    pub(super) fn end(&self) {
        self.lock().streams = false;
    }

    pub(super) fn wait_for_room(&self, waits: bool) {
        self.lock().waits_for_room = waits;
    }

    /// A part of a large event came.
    pub(super) fn part_came(&self) {
        self.lock().beats += 1;
    }

    /// An event came, and `at` is where it ends.
    pub(super) fn beat(&self, header: Header, at: &FilePosition) {
        if matches!(header.kind, HEARTBEAT | HEARTBEAT_V2) {
            return;
        }
        let is_exact = header.log_pos != 0;
        // What the server makes up for us (it has no place of its own) says only where it begins.
        if !is_exact && header.kind != ROTATE {
            return;
        }
        let mut heard = self.lock();
        heard.beats += 1;
        heard.reached = Some(at.clone());
        heard.is_exact = is_exact;
        if header.timestamp > 0 {
            heard.written_at = Some(header.timestamp);
        }
    }
}

/// One look at both sides.
pub(super) struct Sight<'a> {
    pub(super) now_ms: u64,
    /// Taken before `end` was asked for: what came in between only makes the reader look better.
    pub(super) heard: &'a Heard,
    pub(super) end: &'a FilePosition,
    /// Whether the server has transactions that we lack; `None` when it cannot be told, because it
    /// skips what we have.
    pub(super) lacks: Option<bool>,
}

/// Decides when a reader is stuck.
pub(super) struct Watchdog {
    timeout_ms: u64,
    beats: u64,
    behind_since_ms: Option<u64>,
    is_stalled: bool,
}

impl Watchdog {
    pub(super) fn new(timeout_ms: u64) -> Self {
        Self {
            timeout_ms,
            beats: 0,
            behind_since_ms: None,
            is_stalled: false,
        }
    }

    /// From the first alarm until events come again, or nothing is missing.
    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// True: the stream must be opened anew. Said once for each time-out.
    pub(super) fn look(&mut self, sight: &Sight<'_>) -> bool {
        let heard = sight.heard;
        let has_moved = std::mem::replace(&mut self.beats, heard.beats) != heard.beats;
        // What a new connection begins with proves nothing yet.
        if has_moved && heard.is_exact {
            self.is_stalled = false;
        }
        let streams = heard.streams && !heard.waits_for_room;
        if has_moved || !streams {
            self.behind_since_ms = None;
            return false;
        }
        if !is_behind(sight) {
            self.behind_since_ms = None;
            self.is_stalled = false;
            return false;
        }
        let since = *self.behind_since_ms.get_or_insert(sight.now_ms);
        if sight.now_ms.saturating_sub(since) < self.timeout_ms {
            return false;
        }
        self.behind_since_ms = None;
        self.is_stalled = true;
        true
    }
}

fn is_behind(sight: &Sight<'_>) -> bool {
    let Some(reached) = &sight.heard.reached else {
        // A stream begins with an event, however quiet the server is.
        return true;
    };
    let lacks = match sight.lacks {
        Some(lacks) => lacks,
        None => sight.heard.is_exact,
    };
    lacks && reached.is_before(sight.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::testing::at;

    fn heard(beats: u64, offset: u64) -> Heard {
        Heard {
            beats,
            reached: Some(at(offset)),
            is_exact: true,
            streams: true,
            ..Heard::default()
        }
    }

    /// Looks each 10 s at a reader that heard `beats(n)` while the server was at `end(n)`; the looks
    /// that raised the alarm, with a time-out of 60 s.
    fn alarms(heard_at: impl Fn(u64) -> Heard, end: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut watchdog = Watchdog::new(60_000);
        (0..30)
            .filter(|n| {
                watchdog.look(&Sight {
                    now_ms: n * 10_000,
                    heard: &heard_at(*n),
                    end: &at(end(*n)),
                    lacks: None,
                })
            })
            .collect()
    }

    #[test]
    fn a_reader_that_hears_nothing_while_the_binlog_grows_is_stuck() {
        // Noticed at the second look (the first one sees a beat), and again after each time-out.
        assert_eq!(alarms(|_| heard(5, 100), |_| 200), [7, 14, 21, 28]);
        assert_eq!(alarms(|_| heard(5, 100), |n| 200 + n), [7, 14, 21, 28]);
    }

    #[test]
    fn quiet_servers_flowing_transactions_and_full_windows_are_no_stall() {
        let none: [u64; 0] = [];
        assert_eq!(alarms(|_| heard(5, 100), |_| 100), none, "quiet");
        assert_eq!(alarms(|n| heard(n, 100), |n| 200 + n), none, "flowing");
        let full = |_| Heard {
            waits_for_room: true,
            ..heard(5, 100)
        };
        assert_eq!(alarms(full, |n| 200 + n), none, "window full");
        let away = |_| Heard {
            streams: false,
            ..heard(5, 100)
        };
        assert_eq!(alarms(away, |n| 200 + n), none, "not connected");
        let begun = |_| Heard {
            is_exact: false,
            ..heard(5, 4)
        };
        assert_eq!(alarms(begun, |_| 200), none, "skipped at the beginning");
        let nothing = |_| Heard {
            reached: None,
            ..heard(5, 4)
        };
        assert_eq!(alarms(nothing, |_| 200), [7, 14, 21, 28], "no beginning");
    }

    #[test]
    fn with_gtids_only_what_is_lacking_counts() {
        let begun = Heard {
            is_exact: false,
            ..heard(5, 4)
        };
        for (lacks, expected) in [(true, 1), (false, 0)] {
            let mut watchdog = Watchdog::new(60_000);
            let alarms = (0..10).filter(|n| {
                watchdog.look(&Sight {
                    now_ms: n * 10_000,
                    heard: &begun,
                    end: &at(200),
                    lacks: Some(lacks),
                })
            });
            assert_eq!(alarms.count(), expected);
        }
    }

    #[test]
    fn heartbeats_and_invented_events_are_no_beats() {
        let pulse = Pulse::default();
        pulse.begin("a");
        let header = |kind, log_pos| Header {
            kind,
            log_pos,
            timestamp: 7,
        };
        for kind in [HEARTBEAT, HEARTBEAT_V2] {
            pulse.beat(header(kind, 500), &at(500));
        }
        pulse.beat(header(15, 0), &at(4));
        assert_eq!(pulse.heard().beats, 0);
        pulse.beat(header(ROTATE, 0), &at(4));
        assert!(!pulse.heard().is_exact);
        pulse.beat(header(16, 90), &at(90));
        let heard = pulse.heard();
        assert_eq!((heard.beats, heard.is_exact), (2, true));
        assert_eq!(heard.written_at, Some(7));
        assert_eq!(heard.reached, Some(at(90)));
    }
}
