//! Sessions of people who signed in: kept in memory, so that a restart ends them all.
//!
//! A session stands for a token and lives no longer than it: whoever revokes the token in the file
//! ends its sessions. What the browser holds is random; here only its hash is kept, so that finding
//! it takes the same time however much of it was guessed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::core::secret::Secret;
use crate::core::time::Micros;

/// A working day.
const LIFE_MICROS: i64 = 8 * 3_600 * 1_000_000;
/// A screen that was left alone.
const IDLE_MICROS: i64 = 30 * 60 * 1_000_000;
/// Far more people than a sales team has; the one that has been idle longest gives way.
const MAX_SESSIONS: usize = 1_000;

/// A person's browsers.
const MAX_OF_ONE_TOKEN: usize = 20;

pub(super) struct Sessions {
    inner: Mutex<HashMap<blake3::Hash, Session>>,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Of the token that it was made with.
    pub token: blake3::Hash,
    /// What forms must send back.
    pub csrf: Arc<str>,
    since: Micros,
    seen: Micros,
}

impl Session {
    fn is_over(&self, now: Micros) -> bool {
        now.0 - self.since.0 >= LIFE_MICROS || now.0 - self.seen.0 >= IDLE_MICROS
    }
}

impl Sessions {
    pub fn new() -> Self {
        Self {
            inner: Mutex::new(HashMap::new()),
        }
    }

    /// Begins one; gives what the browser shall keep.
    pub fn begin(&self, token: blake3::Hash, now: Micros) -> Secret {
        let id = random();
        let session = Session {
            token,
            csrf: random().into(),
            since: now,
            seen: now,
        };
        let mut sessions = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| !session.is_over(now));
        // Of one token first, so that nobody signs all others out.
        let own = |session: &Session| session.token == token;
        if sessions.values().filter(|it| own(it)).count() >= MAX_OF_ONE_TOKEN {
            end_longest_idle(&mut sessions, own);
        }
        if sessions.len() >= MAX_SESSIONS {
            end_longest_idle(&mut sessions, |_| true);
        }
        sessions.insert(blake3::hash(id.as_bytes()), session);
        Secret::new(id)
    }

    /// The session of what a browser sent, if it goes on; that it was used is noted.
    pub fn find(&self, id: &str, now: Micros) -> Option<Session> {
        let id = blake3::hash(id.as_bytes());
        let mut sessions = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get_mut(&id)?;
        if session.is_over(now) {
            sessions.remove(&id);
            return None;
        }
        session.seen = session.seen.max(now);
        Some(session.clone())
    }

    /// Ends one, if it is there.
    pub fn end(&self, id: &str) {
        let id = blake3::hash(id.as_bytes());
        let mut sessions = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&id);
    }
}

fn end_longest_idle(
    sessions: &mut HashMap<blake3::Hash, Session>,
    which: impl Fn(&Session) -> bool,
) {
    let those = sessions.iter().filter(|(_, session)| which(session));
    let idle = those.min_by_key(|(_, session)| session.seen);
    if let Some(idle) = idle.map(|(id, _)| *id) {
        sessions.remove(&idle);
    }
}

/// 256 bits.
fn random() -> String {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * 1_000_000;

    fn token() -> blake3::Hash {
        blake3::hash(b"a token")
    }

    #[test]
    fn a_session_ends_when_idle_and_at_the_end_of_the_day() {
        let sessions = Sessions::new();
        let idle = sessions.begin(token(), Micros(0));
        let busy = sessions.begin(token(), Micros(0));
        assert_ne!(idle.expose(), busy.expose());
        for quarter in 1..32 {
            let now = Micros(quarter * 15 * MINUTE);
            assert!(sessions.find(busy.expose(), now).is_some(), "{quarter}");
        }
        let after = Micros(30 * MINUTE);
        assert!(sessions.find(idle.expose(), after).is_none());
        assert!(
            sessions
                .find(busy.expose(), Micros(8 * 60 * MINUTE))
                .is_none()
        );
    }

    #[test]
    fn a_session_that_was_ended_or_never_was_is_none() {
        let sessions = Sessions::new();
        let id = sessions.begin(token(), Micros(0));
        let found = sessions.find(id.expose(), Micros(1)).unwrap();
        assert_eq!(found.token, token());
        assert_ne!(&*found.csrf, id.expose());
        sessions.end(id.expose());
        assert!(sessions.find(id.expose(), Micros(2)).is_none());
        assert!(sessions.find("", Micros(2)).is_none());
    }

    #[test]
    fn the_one_that_has_been_idle_longest_gives_way() {
        let sessions = Sessions::new();
        let of = |at: i64| blake3::hash(&at.to_le_bytes());
        let first = sessions.begin(of(0), Micros(0));
        let second = sessions.begin(of(1), Micros(1));
        assert!(sessions.find(first.expose(), Micros(2)).is_some());
        for at in 0..MAX_SESSIONS as i64 - 1 {
            sessions.begin(of(2 + at), Micros(3 + at));
        }
        let now = Micros(3 + MAX_SESSIONS as i64);
        assert!(sessions.find(second.expose(), now).is_none());
        assert!(sessions.find(first.expose(), now).is_some());
        assert_eq!(sessions.inner.lock().unwrap().len(), MAX_SESSIONS);
    }

    #[test]
    fn one_token_signs_nobody_else_out() {
        let sessions = Sessions::new();
        let other = sessions.begin(blake3::hash(b"another"), Micros(0));
        let own = sessions.begin(token(), Micros(1));
        for at in 0..=MAX_SESSIONS as i64 {
            sessions.begin(token(), Micros(2 + at));
        }
        let now = Micros(3 + MAX_SESSIONS as i64);
        assert!(sessions.find(other.expose(), now).is_some());
        assert!(sessions.find(own.expose(), now).is_none());
        assert_eq!(sessions.inner.lock().unwrap().len(), MAX_OF_ONE_TOKEN + 1);
    }
}
