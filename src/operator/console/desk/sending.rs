//! How the last sending again stands, in words: one runs at a time, whoever asked for it.

use super::asking::ask;
use super::shown::leads;
use crate::core::letters::{Declined, ReplayProgress};
use crate::operator::View;
use crate::operator::console::words::{count, several};
use crate::operator::letters::LetterQuestion;

/// Reasons that are told; a number of them says more than a list without end.
const REASONS_TOLD: usize = 10;

/// What pages show of it.
pub struct Sending {
    pub running: bool,
    pub done: u64,
    pub asked: u64,
    pub says: String,
    /// Letters that were not sent, and why.
    pub not_sent: Vec<(u64, &'static str)>,
    pub more: u64,
}

/// `None` when nothing was sent again since the start, or nobody can say.
pub async fn last(view: &View) -> Option<Sending> {
    let asked = ask::<Option<ReplayProgress>>(view, "", LetterQuestion::ReplayStatus);
    asked.await.ok().flatten().map(|progress| tell(&progress))
}

fn tell(progress: &ReplayProgress) -> Sending {
    let declined = progress.declined_count;
    let done = progress.delivered + progress.refused + progress.closed + declined;
    let mut parts = vec![format!(
        "{} of {} arrived in Salesforce",
        count(progress.delivered),
        leads(progress.asked)
    )];
    let mut part = |number: u64, text: &str| {
        if number > 0 {
            parts.push(several(number, text, text));
        }
    };
    part(progress.refused, "refused again");
    part(progress.closed, "no longer needed");
    part(declined, "not sent");
    part(progress.under_way + progress.waiting, "to go");
    let begun = if progress.running {
        "Sending again"
    } else if progress.cancelled {
        "Sending again was stopped"
    } else {
        "The last time that something was sent again"
    };
    let declined = progress.declined.iter().take(REASONS_TOLD);
    Sending {
        running: progress.running,
        done,
        asked: progress.asked,
        says: format!("{begun}: {}.", parts.join(", ")),
        not_sent: declined
            .map(|(number, why)| (*number, why_not_sent(why)))
            .collect(),
        more: (progress.declined.len().saturating_sub(REASONS_TOLD)) as u64,
    }
}

/// For people without a command line.
pub fn why_not_sent(why: &Declined) -> &'static str {
    match why {
        Declined::NotOpen => "it does not wait any more",
        Declined::NewerDelivered => {
            "a newer change of the same record has reached Salesforce: discard this one"
        }
        Declined::HistoryGone => {
            "it has waited so long that nobody can say whether something newer has arrived: look at the \
             record, and ask whoever looks after leadstream"
        }
        Declined::NewerOnItsWay => "another change of the same record is on its way: try later",
        Declined::KeyUnknown => {
            "its key was not known, so nobody can say whether something newer has arrived: ask \
             whoever looks after leadstream"
        }
        Declined::NoRoute => "its route is not in the configuration any more",
        Declined::Unreadable => "what was kept of it cannot be read: it was erased",
        Declined::Unmappable(_) => "something in it is still wrong: open it and mend it",
        Declined::Cancelled => "it was stopped before its turn",
        Declined::IndexBehind => "the search was being built anew: try again",
    }
}
