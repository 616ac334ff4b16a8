//! Sessions: opaque tokens, who holds them, when they die.
//!
//! Invariant: no more than [`MAX_SESSIONS`] are kept, however often somebody logs in; the one that was unused for the
//! longest time goes first.
use std::collections::HashMap;

use super::opaque;

/// Far more than any rehearsal needs, and a few megabytes at most.
pub(crate) const MAX_SESSIONS: usize = 10_000;

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Number of the user.
    pub(crate) user: usize,
    /// Number of the app; none for a login by SOAP.
    pub(crate) app: Option<usize>,
}

/// How long sessions live, on the org's clock; for ever where nothing is said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lifetimes {
    /// Since the last call.
    pub(crate) idle_micros: Option<u64>,
    /// Since the login.
    pub(crate) whole_micros: Option<u64>,
}

/// Names a refresh token that sessions were opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ApprovalId(pub(crate) u64);

/// What a session is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) identity: Identity,
    /// Separated by blanks.
    pub(crate) scope: String,
    /// The refresh token behind it, with which it dies.
    pub(crate) approval: Option<ApprovalId>,
}

/// A living session, for those who ask about it.
#[derive(Debug, Clone)]
pub(crate) struct SessionStatus {
    pub(crate) identity: Identity,
    pub(crate) scope: String,
    pub(crate) opened_micros: u64,
    pub(crate) last_used_micros: u64,
}

#[derive(Debug)]
struct Session {
    opening: Opening,
    opened_micros: u64,
    last_used_micros: u64,
    /// Tells apart sessions of the same microsecond.
    serial: u64,
}

/// All living sessions of the org.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_token: HashMap<String, Session>,
    lifetimes: Lifetimes,
    last_serial: u64,
}

impl Sessions {
    pub(crate) fn new(lifetimes: Lifetimes) -> Sessions {
        Sessions {
            lifetimes,
            ..Sessions::default()
        }
    }

    /// A token: that of the newest living session of the same kind when `reuse` is set, else a new one.
    pub(crate) fn open(&mut self, opening: Opening, reuse: bool, now_micros: u64) -> String {
        let lifetimes = self.lifetimes;
        self.by_token
            .retain(|_, session| session.lives(lifetimes, now_micros));
        if reuse
            && let Some((token, session)) = self
                .by_token
                .iter_mut()
                .filter(|(_, session)| session.opening == opening)
                .max_by_key(|(_, session)| session.serial)
        {
            session.last_used_micros = now_micros;
            return token.clone();
        }
        if self.by_token.len() >= MAX_SESSIONS {
            self.drop_longest_unused();
        }
        self.last_serial += 1;
        let token = opaque::access_token();
        self.by_token.insert(
            token.clone(),
            Session {
                opening,
                opened_micros: now_micros,
                last_used_micros: now_micros,
                serial: self.last_serial,
            },
        );
        token
    }

    /// Whose session it is, if it lives; its idle time starts anew.
    pub(crate) fn touch(&mut self, token: &str, now_micros: u64) -> Option<Identity> {
        let session = self.by_token.get_mut(token)?;
        if !session.lives(self.lifetimes, now_micros) {
            self.by_token.remove(token);
            return None;
        }
        session.last_used_micros = now_micros;
        Some(session.opening.identity)
    }

    /// Number of the user whose session it is or was, for the records that are written in it.
    pub(crate) fn holder(&self, token: &str) -> Option<u16> {
        let session = self.by_token.get(token)?;
        u16::try_from(session.opening.identity.user).ok()
    }

    /// What is known of a living session; asking does not prolong it.
    pub(crate) fn status(&self, token: &str, now_micros: u64) -> Option<SessionStatus> {
        let session = self.by_token.get(token)?;
        session
            .lives(self.lifetimes, now_micros)
            .then(|| SessionStatus {
                identity: session.opening.identity,
                scope: session.opening.scope.clone(),
                opened_micros: session.opened_micros,
                last_used_micros: session.last_used_micros,
            })
    }

    /// Sessions that live.
    pub(crate) fn count(&self, now_micros: u64) -> u64 {
        self.by_token
            .values()
            .filter(|session| session.lives(self.lifetimes, now_micros))
            .count() as u64
    }

    pub(crate) fn revoke(&mut self, token: &str) -> bool {
        self.by_token.remove(token).is_some()
    }

    /// Ends the sessions that were opened with a refresh token.
    pub(crate) fn revoke_approval(&mut self, approval: ApprovalId) {
        self.by_token
            .retain(|_, session| session.opening.approval != Some(approval));
    }

    pub(crate) fn revoke_all(&mut self) {
        self.by_token.clear();
    }

    fn drop_longest_unused(&mut self) {
        let oldest = self
            .by_token
            .iter()
            .min_by_key(|(_, session)| (session.last_used_micros, session.serial))
            .map(|(token, _)| token.clone());
        if let Some(token) = oldest {
            self.by_token.remove(&token);
        }
    }
}

impl Session {
    fn lives(&self, lifetimes: Lifetimes, now_micros: u64) -> bool {
        let younger = |since: u64, limit: Option<u64>| {
            limit.is_none_or(|limit| now_micros.saturating_sub(since) < limit)
        };
        younger(self.last_used_micros, lifetimes.idle_micros)
            && younger(self.opened_micros, lifetimes.whole_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(user: usize) -> Opening {
        Opening {
            identity: Identity { user, app: Some(0) },
            scope: "api".into(),
            approval: None,
        }
    }

    #[test]
    fn use_prolongs_the_idle_time_but_not_the_whole_life() {
        let mut sessions = Sessions::new(Lifetimes {
            idle_micros: Some(10),
            whole_micros: Some(25),
        });
        let token = sessions.open(opening(0), true, 0);
        assert!(sessions.touch(&token, 9).is_some());
        assert!(
            sessions.status(&token, 18).is_some(),
            "asking prolongs nothing"
        );
        assert!(sessions.touch(&token, 18).is_some());
        assert!(
            sessions.touch(&token, 24).is_some(),
            "idle for 6 of 10, 24 of 25 old"
        );
        assert!(sessions.touch(&token, 25).is_none());
        assert!(
            sessions.touch(&token, 0).is_none(),
            "a dead session stays dead"
        );
        let idle = sessions.open(opening(0), true, 30);
        assert_ne!(idle, token);
        assert!(sessions.touch(&idle, 40).is_none());
    }

    #[test]
    fn logins_without_end_drop_the_longest_unused_session_and_keep_the_used_one() {
        let mut sessions = Sessions::default();
        let used = sessions.open(opening(0), false, 0);
        let unused = sessions.open(opening(0), false, 0);
        let fill = u64::try_from(MAX_SESSIONS).unwrap();
        for now in 1..fill {
            sessions.touch(&used, now).unwrap();
            sessions.open(opening(0), false, now);
        }
        assert_eq!(sessions.by_token.len(), MAX_SESSIONS);
        assert!(sessions.touch(&used, fill).is_some());
        assert!(sessions.touch(&unused, fill).is_none());
    }

    #[test]
    fn only_a_login_of_the_same_kind_gets_the_living_session() {
        let mut sessions = Sessions::default();
        let token = sessions.open(opening(0), true, 0);
        assert_eq!(sessions.open(opening(0), true, 1), token);
        assert_ne!(sessions.open(opening(1), true, 1), token);
        let approved = Opening {
            approval: Some(ApprovalId(1)),
            ..opening(0)
        };
        let bound = sessions.open(approved.clone(), true, 2);
        assert_ne!(bound, token);
        assert_eq!(sessions.open(approved, true, 2), bound);
        sessions.revoke_approval(ApprovalId(1));
        assert!(sessions.touch(&bound, 3).is_none());
        assert!(sessions.touch(&token, 3).is_some());
    }
}
