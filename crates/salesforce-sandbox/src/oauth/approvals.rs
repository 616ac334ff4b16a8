//! What users have approved: authorization codes that wait to be exchanged, refresh tokens, approved apps.
//!
//! Invariants: a code is exchanged once at most; no more than [`MAX_CODES`] codes and [`MAX_REFRESH_TOKENS`] refresh
//! tokens of one user for one app are kept, the oldest goes first.
use std::collections::{HashMap, HashSet};

use super::challenge::Challenge;
use crate::org::{ApprovalId, opaque};

/// A code that nobody exchanges is of no use after a quarter of an hour.
const CODE_LIFE_MICROS: u64 = 15 * 60 * 1_000_000;
const MAX_CODES: usize = 1_000;
/// Salesforce keeps five approvals of one user for one app and drops the oldest for a sixth.
const MAX_REFRESH_TOKENS: usize = 5;

/// What a code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) app: usize,
    pub(crate) user: usize,
    pub(crate) scope: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<Challenge>,
}

/// What a refresh token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) id: ApprovalId,
    pub(crate) app: usize,
    pub(crate) user: usize,
    pub(crate) scope: String,
    pub(crate) issued_micros: u64,
}

/// A code as it is found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Fresh(Code),
    /// Exchanged before, or too old.
    Dead,
    Unknown,
}

#[derive(Debug)]
struct Issued {
    code: Code,
    issued_micros: u64,
    serial: u64,
    spent: bool,
}

/// All approvals of the org.
#[derive(Debug, Default)]
pub(crate) struct Approvals {
    codes: HashMap<String, Issued>,
    refresh_tokens: HashMap<String, RefreshToken>,
    /// (app, user): one for each at most.
    approved: HashSet<(usize, usize)>,
    last_serial: u64,
}

impl Approvals {
    /// Issues a code, which makes its app approved.
    pub(crate) fn issue_code(&mut self, code: Code, now_micros: u64) -> String {
        self.codes
            .retain(|_, issued| is_fresh(issued.issued_micros, now_micros));
        if self.codes.len() >= MAX_CODES {
            let oldest = self
                .codes
                .iter()
                .min_by_key(|(_, issued)| issued.serial)
                .map(|(text, _)| text.clone());
            if let Some(text) = oldest {
                self.codes.remove(&text);
            }
        }
        self.approved.insert((code.app, code.user));
        let text = opaque::authorization_code();
        let issued = Issued {
            code,
            issued_micros: now_micros,
            serial: self.next_serial(),
            spent: false,
        };
        self.codes.insert(text.clone(), issued);
        text
    }

    /// Looks a code up without spending it.
    pub(crate) fn find_code(&self, text: &str, now_micros: u64) -> Found {
        match self.codes.get(text) {
            None => Found::Unknown,
            Some(issued) if issued.spent || !is_fresh(issued.issued_micros, now_micros) => {
                Found::Dead
            }
            Some(issued) => Found::Fresh(issued.code.clone()),
        }
    }

    /// Spends a code; false when somebody else was faster.
    pub(crate) fn spend_code(&mut self, text: &str) -> bool {
        self.codes
            .get_mut(text)
            .is_some_and(|issued| !std::mem::replace(&mut issued.spent, true))
    }

    /// Issues a refresh token. Second: the oldest one of this user for this app, if it had to go.
    pub(crate) fn issue_refresh_token(
        &mut self,
        app: usize,
        user: usize,
        scope: String,
        now_micros: u64,
    ) -> (String, ApprovalId, Option<ApprovalId>) {
        self.approved.insert((app, user));
        let mut kept: Vec<(ApprovalId, String)> = self
            .refresh_tokens
            .iter()
            .filter(|(_, token)| (token.app, token.user) == (app, user))
            .map(|(text, token)| (token.id, text.clone()))
            .collect();
        kept.sort_unstable_by_key(|(id, _)| id.0);
        let dropped = match kept.first() {
            Some((id, text)) if kept.len() >= MAX_REFRESH_TOKENS => {
                self.refresh_tokens.remove(text);
                Some(*id)
            }
            _ => None,
        };
        let id = ApprovalId(self.next_serial());
        let text = opaque::refresh_token();
        let token = RefreshToken {
            id,
            app,
            user,
            scope,
            issued_micros: now_micros,
        };
        self.refresh_tokens.insert(text.clone(), token);
        (text, id, dropped)
    }

    pub(crate) fn refresh_token(&self, text: &str) -> Option<&RefreshToken> {
        self.refresh_tokens.get(text)
    }

    /// Puts another text in the place of a refresh token, which is the same approval still; `None` when it is gone.
    pub(crate) fn rotate(&mut self, text: &str) -> Option<String> {
        let token = self.refresh_tokens.remove(text)?;
        let text = opaque::refresh_token();
        self.refresh_tokens.insert(text.clone(), token);
        Some(text)
    }

    /// Takes an approval back; its id tells which sessions die with it.
    pub(crate) fn revoke(&mut self, text: &str) -> Option<ApprovalId> {
        let token = self.refresh_tokens.remove(text)?;
        let pair = (token.app, token.user);
        let others = self.refresh_tokens.values();
        if !others
            .into_iter()
            .any(|other| (other.app, other.user) == pair)
        {
            self.approved.remove(&pair);
        }
        Some(token.id)
    }

    pub(crate) fn has_approved(&self, app: usize, user: usize) -> bool {
        self.approved.contains(&(app, user))
    }

    fn next_serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }
}

fn is_fresh(issued_micros: u64, now_micros: u64) -> bool {
    now_micros.saturating_sub(issued_micros) < CODE_LIFE_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(user: usize) -> Code {
        Code {
            app: 0,
            user,
            scope: "api".into(),
            redirect_uri: "http://localhost/".into(),
            challenge: None,
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_a_quarter_of_an_hour() {
        let mut approvals = Approvals::default();
        let text = approvals.issue_code(code(0), 0);
        assert_eq!(
            approvals.find_code(&text, CODE_LIFE_MICROS - 1),
            Found::Fresh(code(0))
        );
        assert_eq!(approvals.find_code(&text, CODE_LIFE_MICROS), Found::Dead);
        assert!(approvals.spend_code(&text));
        assert!(!approvals.spend_code(&text));
        assert_eq!(approvals.find_code(&text, 0), Found::Dead);
        assert_eq!(approvals.find_code("aPrxelse", 0), Found::Unknown);
    }

    #[test]
    fn codes_that_nobody_exchanges_do_not_pile_up() {
        let mut approvals = Approvals::default();
        let first = approvals.issue_code(code(0), 0);
        let second = approvals.issue_code(code(0), 0);
        for _ in 1..MAX_CODES {
            approvals.issue_code(code(0), 0);
        }
        assert_eq!(approvals.codes.len(), MAX_CODES);
        assert_eq!(approvals.find_code(&first, 0), Found::Unknown);
        assert_eq!(approvals.find_code(&second, 0), Found::Fresh(code(0)));
        approvals.issue_code(code(0), CODE_LIFE_MICROS);
        assert_eq!(approvals.codes.len(), 1);
    }

    #[test]
    fn the_sixth_approval_of_a_user_for_an_app_takes_the_place_of_the_oldest() {
        let mut approvals = Approvals::default();
        let mut issue = |user| approvals.issue_refresh_token(0, user, "api".into(), 0);
        let (oldest, oldest_id, _) = issue(0);
        for _ in 1..MAX_REFRESH_TOKENS {
            assert_eq!(issue(0).2, None);
        }
        assert_eq!(issue(1).2, None, "another user's approvals count apart");
        assert_eq!(issue(0).2, Some(oldest_id));
        assert_eq!(approvals.refresh_token(&oldest), None);
    }

    #[test]
    fn a_rotated_token_stays_the_same_approval_until_it_is_revoked() {
        let mut approvals = Approvals::default();
        let (old, id, _) = approvals.issue_refresh_token(0, 3, "api".into(), 0);
        let new = approvals.rotate(&old).unwrap();
        assert_eq!(approvals.refresh_token(&old), None);
        assert_eq!(approvals.rotate(&old), None);
        assert!(approvals.has_approved(0, 3));
        assert_eq!(approvals.revoke(&old), None);
        assert_eq!(approvals.revoke(&new), Some(id));
        assert!(!approvals.has_approved(0, 3));
    }
}
