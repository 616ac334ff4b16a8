//! Why a row and its record do not agree, as the ledger tells it.

use serde::{Deserialize, Serialize};

use super::Difference;
use crate::core::time::Micros;

/// A step of a lead's life, as a trace shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Step {
    pub kind: String,
    pub at: Micros,
    pub route: Option<String>,
    pub salesforce_id: Option<String>,
    pub letter: Option<u64>,
    pub code: Option<String>,
    pub rule: Option<String>,
}

/// What the ledger says about a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub reason: Reason,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salesforce_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letter: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was delivered, and Salesforce does not have it any more.
    DeletedThere,
    /// It was delivered, and one of the two sides has changed it since.
    ChangedSince,
    /// It waits for a person, as a dead letter.
    DeadLetter,
    /// It was a dead letter, and a person decided that it is not sent.
    Discarded,
    /// Durable here, and goes on by itself.
    Parked,
    /// Sent and not answered, or to be sent again.
    UnderWay,
    /// Left out by a rule of the route; the code names it.
    Skipped,
    /// The row changed while it was looked at, or the stream has not come to it yet.
    Moving,
    /// The ledger knows nothing: never captured, past its retention, or erased.
    Unknown,
    /// It was delivered from a row that MySQL no longer has.
    RowGone,
    /// Nothing of ours: somebody else wrote this external id.
    NeverOurs,
    /// The last step is one of a later version.
    Other,
}

impl Reason {
    /// Whether sending the row again may mend it.
    #[must_use]
    pub fn is_repairable(self) -> bool {
        match self {
            Reason::DeletedThere | Reason::ChangedSince | Reason::Unknown => true,
            // What a step means that this version does not know, it cannot decide to undo.
            Reason::Other
            | Reason::DeadLetter
            | Reason::Discarded
            | Reason::Parked
            | Reason::UnderWay
            | Reason::Skipped
            | Reason::Moving
            | Reason::RowGone
            | Reason::NeverOurs => false,
        }
    }

    /// Whether it goes on by itself.
    #[must_use]
    pub fn is_on_its_way(self) -> bool {
        matches!(self, Reason::Parked | Reason::UnderWay | Reason::Moving)
    }

    /// For people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Reason::DeletedThere => "delivered, and deleted in Salesforce since",
            Reason::ChangedSince => "delivered, and changed since, in MySQL or in Salesforce",
            Reason::DeadLetter => "waits for a person, as a dead letter",
            Reason::Discarded => "discarded as a dead letter: a person decided not to send it",
            Reason::Parked => "parked: it goes on by itself",
            Reason::UnderWay => "sent and not answered yet, or to be sent again",
            Reason::Skipped => "left out by a rule of the route",
            Reason::Moving => "changed while it was looked at, or the stream is not there yet",
            Reason::Unknown => {
                "the ledger knows nothing of it: never captured, past its retention, or erased"
            }
            Reason::RowGone => "delivered from a row that MySQL no longer has",
            Reason::NeverOurs => "not ours by the ledger: written by somebody else, or long ago",
            Reason::Other => "its last step in the ledger is of another kind",
        }
    }
}

/// The last word of the story, for this route.
#[must_use]
pub fn explain(difference: Difference, route: &str, story: &[Step]) -> Explanation {
    let own = |step: &&Step| step.route.as_deref().is_none_or(|it| it == route);
    let last = story.iter().rev().find(own);
    // What the last step superseded, or what a snapshot found again, does not undo a delivery.
    let delivered = story
        .iter()
        .rev()
        .filter(own)
        .find(|step| step.kind == "delivered");
    let Some(last) = last else {
        let reason = match difference {
            Difference::Extra => Reason::NeverOurs,
            Difference::OnItsWay => Reason::Moving,
            Difference::Missing | Difference::Different => Reason::Unknown,
        };
        return Explanation {
            reason,
            at: None,
            salesforce_id: None,
            letter: None,
            code: None,
        };
    };
    let after_delivery = match difference {
        Difference::Missing => Reason::DeletedThere,
        Difference::Extra => Reason::RowGone,
        Difference::Different | Difference::OnItsWay => Reason::ChangedSince,
    };
    let reason = match last.kind.as_str() {
        "delivered" => after_delivery,
        // Open until it is closed, a replay that was cut off included: nothing sends that again by itself.
        "dead_letter" | "edited" | "replayed" => Reason::DeadLetter,
        "retried" | "unanswered" if last.letter.is_some() => Reason::DeadLetter,
        "discarded" => Reason::Discarded,
        // A newer image was delivered and closed the letter; its own step may have gone with retention.
        "outdated" => after_delivery,
        "parked" => Reason::Parked,
        "retried" | "unanswered" => Reason::UnderWay,
        "superseded" if delivered.is_some() => after_delivery,
        "superseded" => Reason::UnderWay,
        // A change that the route does not carry is what became of the record since.
        "skipped" if delivered.is_some() => after_delivery,
        "skipped" => Reason::Skipped,
        _ => Reason::Other,
    };
    let told = match delivered {
        Some(delivered) if reason == after_delivery => delivered,
        _ => last,
    };
    // Edits and replays have no code of their own: the refusal has.
    let refused = || {
        let mut refusals = story.iter().rev().filter(own);
        refusals.find(|step| step.kind == "dead_letter" && step.letter == told.letter)
    };
    let refused = match reason {
        Reason::DeadLetter | Reason::Discarded => refused(),
        _ => None,
    };
    Explanation {
        reason,
        at: Some(told.at),
        salesforce_id: told.salesforce_id.clone(),
        letter: told.letter,
        code: told
            .code
            .clone()
            .or_else(|| refused.and_then(|step| step.code.clone()))
            .or_else(|| told.rule.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: &str) -> Step {
        Step {
            kind: kind.to_owned(),
            at: Micros(7),
            route: Some("leads".to_owned()),
            ..Step::default()
        }
    }

    #[track_caller]
    fn check(difference: Difference, kinds: &[&str], reason: Reason) {
        let story: Vec<Step> = kinds.iter().map(|kind| step(kind)).collect();
        assert_eq!(explain(difference, "leads", &story).reason, reason);
    }

    #[test]
    fn the_last_step_explains_and_a_delivery_stays_one() {
        use Difference::{Different, Extra, Missing};
        check(Missing, &[], Reason::Unknown);
        check(Extra, &[], Reason::NeverOurs);
        check(Missing, &["retried", "delivered"], Reason::DeletedThere);
        check(Different, &["delivered", "skipped"], Reason::ChangedSince);
        check(Extra, &["delivered"], Reason::RowGone);
        check(Missing, &["delivered", "dead_letter"], Reason::DeadLetter);
        check(Missing, &["skipped"], Reason::Skipped);
        check(Missing, &["parked"], Reason::Parked);
        check(Missing, &["of a later version"], Reason::Other);
        check(
            Missing,
            &["delivered", "dead_letter", "delivered", "outdated"],
            Reason::DeletedThere,
        );
        let mut other = step("delivered");
        other.route = Some("others".to_owned());
        assert_eq!(explain(Missing, "leads", &[other]).reason, Reason::Unknown);
    }

    #[test]
    fn a_letter_is_open_until_it_is_closed_whatever_people_did_with_it() {
        let letter = |kind: &str| Step {
            letter: Some(17),
            ..step(kind)
        };
        let refused = Step {
            code: Some("STRING_TOO_LONG".to_owned()),
            ..letter("dead_letter")
        };
        for (kinds, reason) in [
            (&["edited"][..], Reason::DeadLetter),
            (&["edited", "replayed"], Reason::DeadLetter),
            (&["replayed", "retried"], Reason::DeadLetter),
            (&["replayed", "unanswered"], Reason::DeadLetter),
            (&["edited", "discarded"], Reason::Discarded),
        ] {
            let mut story = vec![refused.clone()];
            story.extend(kinds.iter().map(|kind| letter(kind)));
            let told = explain(Difference::Missing, "leads", &story);
            assert_eq!(told.reason, reason, "{kinds:?}");
            assert_eq!(told.code.as_deref(), Some("STRING_TOO_LONG"), "{kinds:?}");
            assert!(!told.reason.is_repairable() && !told.reason.is_on_its_way());
        }
    }

    #[test]
    fn nothing_is_sent_again_that_goes_on_by_itself_or_waits_for_a_person() {
        for reason in [
            Reason::DeadLetter,
            Reason::Parked,
            Reason::Skipped,
            Reason::Other,
        ] {
            assert!(!reason.is_repairable());
        }
        assert!(Reason::DeletedThere.is_repairable() && Reason::Unknown.is_repairable());
        assert!(Reason::Moving.is_on_its_way() && !Reason::DeadLetter.is_on_its_way());
    }
}
