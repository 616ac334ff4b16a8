//! Commands that come twice with one `Idempotency-Key`: the second gets the first one's answer, and
//! nothing is done again. In memory: a restart forgets.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use serde_json::Value;

use crate::operator::problem::Problem;

/// Keys that are remembered; the oldest is forgotten first.
const KEPT: usize = 256;
/// Longer answers are not kept: a repetition is answered with `null`.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// As long as people make them, with room.
const MAX_KEY_BYTES: usize = 128;

/// What was asked under a key: who asked, and the key itself.
type Name = (Arc<str>, String);

/// Answers that are remembered; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeats(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    known: HashMap<Name, Known>,
    /// Those of `known`, the oldest first.
    order: VecDeque<Name>,
}

#[derive(Debug)]
struct Known {
    /// Of path and body.
    fingerprint: blake3::Hash,
    /// `None` while it is under way.
    answer: Option<Value>,
}

/// Whether a command is to be carried out.
#[derive(Debug)]
pub(super) enum Claimed {
    /// It is; the claim takes its answer.
    First(Claim),
    /// It was, and this was the answer.
    Again(Value),
}

/// A command under way; dropped without an answer, its key is free again.
#[derive(Debug)]
pub(super) struct Claim {
    repeats: Repeats,
    name: Option<Name>,
}

impl Repeats {
    /// # Errors
    /// When the key is no key, was used for something else, or its command is still under way.
    pub fn claim(
        &self,
        author: &Arc<str>,
        key: &str,
        fingerprint: blake3::Hash,
    ) -> Result<Claimed, Problem> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(refused(
                "the Idempotency-Key is empty or too long",
                &format!("send 1 to {MAX_KEY_BYTES} characters, a UUID for example"),
            ));
        }
        let name = (Arc::clone(author), key.to_owned());
        let mut kept = self.kept();
        match kept.known.get(&name) {
            Some(known) if known.fingerprint != fingerprint => {
                return Err(refused(
                    "this Idempotency-Key was sent with another command",
                    "use a new key for each command, and the same one to ask for its answer again",
                ));
            }
            Some(Known { answer: None, .. }) => {
                return Err(refused(
                    "the command of this Idempotency-Key is still under way",
                    "ask again in a moment; it is not carried out twice",
                ));
            }
            Some(Known {
                answer: Some(answer),
                ..
            }) => return Ok(Claimed::Again(answer.clone())),
            None => {}
        }
        if kept.order.len() == KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.known.remove(&oldest);
        }
        kept.order.push_back(name.clone());
        let known = Known {
            fingerprint,
            answer: None,
        };
        kept.known.insert(name.clone(), known);
        Ok(Claimed::First(Claim {
            repeats: self.clone(),
            name: Some(name),
        }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Every change is made under one lock, so one who panicked left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Remembers what the command was answered with.
    pub fn answered(mut self, answer: &Value) {
        let small = answer.to_string().len() <= MAX_ANSWER_BYTES;
        let known = small.then(|| answer.clone());
        if let Some(name) = &self.name
            && let Some(kept) = self.repeats.kept().known.get_mut(name)
        {
            kept.answer = Some(known.unwrap_or(Value::Null));
        }
        self.name = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        let mut kept = self.repeats.kept();
        kept.known.remove(&name);
        kept.order.retain(|other| *other != name);
    }
}

fn refused(text: &str, remedy: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "LS6062", text, remedy)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn print(text: &str) -> blake3::Hash {
        blake3::hash(text.as_bytes())
    }

    #[track_caller]
    fn first(repeats: &Repeats, author: &str, key: &str) -> Claim {
        match repeats.claim(&author.into(), key, print("one")) {
            Ok(Claimed::First(claim)) => claim,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_repetition_gets_the_first_answer() {
        let repeats = Repeats::default();
        let anna: Arc<str> = "anna".into();
        let claim = first(&repeats, "anna", "k");
        let waits = repeats.claim(&anna, "k", print("one")).unwrap_err();
        assert_eq!((waits.status, waits.page.as_str()), (409, "LS6062"));
        claim.answered(&json!({"number": 1}));
        let again = repeats.claim(&anna, "k", print("one")).unwrap();
        assert!(matches!(again, Claimed::Again(value) if value == json!({"number": 1})));
        let other = repeats.claim(&anna, "k", print("two")).unwrap_err();
        assert!(other.title.contains("another command"), "{other:?}");
        // Another person's key is another key.
        first(&repeats, "bert", "k");
    }

    #[test]
    fn what_was_not_carried_out_may_be_tried_again() {
        let repeats = Repeats::default();
        drop(first(&repeats, "anna", "k"));
        first(&repeats, "anna", "k");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let repeats = Repeats::default();
        for number in 0..=KEPT {
            first(&repeats, "anna", &number.to_string()).answered(&json!(number));
        }
        assert_eq!(repeats.kept().known.len(), KEPT);
        first(&repeats, "anna", "0");
        let author: Arc<str> = "anna".into();
        for key in ["", &"x".repeat(MAX_KEY_BYTES + 1)] {
            assert!(repeats.claim(&author, key, print("one")).is_err());
        }
        let claim = first(&repeats, "anna", "long");
        claim.answered(&json!("x".repeat(MAX_ANSWER_BYTES)));
        let again = repeats.claim(&author, "long", print("one")).unwrap();
        assert!(matches!(again, Claimed::Again(Value::Null)));
    }
}
