//! Sessions: opaque tokens, who holds them, when they die.
use std::collections::HashMap;

use aws_lc_rs::rand;

use super::id;

/// Characters of a token after the `!`.
const TOKEN_CHARACTERS: usize = 95;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

#[derive(Debug)]
struct Session {
    app: usize,
    last_used_micros: u64,
}

/// All living sessions of the org.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_token: HashMap<String, Session>,
}

impl Sessions {
    /// A token for the app: the newest living one when `reuse` is set, else a new one.
    pub(crate) fn open(
        &mut self,
        app: usize,
        reuse: bool,
        idle_micros: Option<u64>,
        now_micros: u64,
    ) -> String {
        self.by_token
            .retain(|_, session| is_alive(session, idle_micros, now_micros));
        if reuse
            && let Some((token, session)) = self
                .by_token
                .iter_mut()
                .filter(|(_, session)| session.app == app)
                .max_by_key(|(_, session)| session.last_used_micros)
        {
            session.last_used_micros = now_micros;
            return token.clone();
        }
        let token = new_token();
        self.by_token.insert(
            token.clone(),
            Session {
                app,
                last_used_micros: now_micros,
            },
        );
        token
    }

    /// The app behind a token, if the session lives; its idle time starts anew.
    pub(crate) fn touch(
        &mut self,
        token: &str,
        idle_micros: Option<u64>,
        now_micros: u64,
    ) -> Option<usize> {
        let session = self.by_token.get_mut(token)?;
        if !is_alive(session, idle_micros, now_micros) {
            self.by_token.remove(token);
            return None;
        }
        session.last_used_micros = now_micros;
        Some(session.app)
    }

    /// Sessions that live.
    pub(crate) fn count(&self, idle_micros: Option<u64>, now_micros: u64) -> u64 {
        self.by_token
            .values()
            .filter(|session| is_alive(session, idle_micros, now_micros))
            .count() as u64
    }

    pub(crate) fn revoke(&mut self, token: &str) -> bool {
        self.by_token.remove(token).is_some()
    }

    pub(crate) fn revoke_all(&mut self) {
        self.by_token.clear();
    }
}

fn is_alive(session: &Session, idle_micros: Option<u64>, now_micros: u64) -> bool {
    idle_micros.is_none_or(|idle| now_micros.saturating_sub(session.last_used_micros) < idle)
}

/// `{15-character org id}!{95 characters}` (facts 1.2).
fn new_token() -> String {
    let mut random = [0_u8; TOKEN_CHARACTERS];
    rand::fill(&mut random).expect("the system's random source works");
    let mut token = String::with_capacity(16 + TOKEN_CHARACTERS);
    token.push_str(&id::org()[..15]);
    token.push('!');
    token.extend(
        random
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 64)])),
    );
    token
}
