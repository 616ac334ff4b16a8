//! `/find`: one box for whatever somebody knows of a lead, and the lead's story.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::asking::{look, or_refused};
use super::given::Given;
use super::shown::Eyes;
use super::story::{self, Lead};
use crate::operator::View;
use crate::operator::access::Identity;
use crate::operator::console::page::{Frame, render};
use crate::operator::console::words::moment;
use crate::operator::following::follow;
use crate::operator::questions::Failure;
use crate::state::TraceQuery;

/// Longer than any key that Salesforce takes.
const LONGEST: usize = 400;

#[derive(Template)]
#[template(path = "console/find.html")]
struct Page {
    frame: Frame,
    asked: String,
    /// Whether anything was asked for.
    searched: bool,
    /// What it was taken for, in words.
    tried: Vec<&'static str>,
    found_as: Option<&'static str>,
    leads: Vec<Lead>,
    /// A dead letter of this number, open or closed.
    letter: Option<u64>,
    /// The oldest that can be found.
    kept_since: Option<String>,
    rebuilding: bool,
}

/// What somebody may have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meant {
    Trace(TraceQuery),
    Letter(u64),
}

impl Meant {
    fn words(&self) -> &'static str {
        match self {
            Meant::Trace(TraceQuery::Key(_)) => "a key",
            Meant::Trace(TraceQuery::SalesforceId(_)) => "a Salesforce id",
            Meant::Trace(TraceQuery::Email(_)) => "an e-mail address",
            Meant::Letter(_) => "the number of a dead letter",
        }
    }
}

/// The likely ones first, told by its look: an address has an `@`; an id of Salesforce has 15 or 18
/// letters and digits, among them three that name its object; a number may be a dead letter's.
fn meant(text: &str) -> Vec<Meant> {
    let key = Meant::Trace(TraceQuery::Key(text.to_owned()));
    let id = matches!(text.len(), 15 | 18)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let lower = text.to_lowercase();
    let named = ["dead letter", "letter", "#"]
        .iter()
        .find_map(|word| lower.strip_prefix(word));
    if let Some(number) = named.and_then(|rest| rest.trim().trim_start_matches('#').parse().ok()) {
        return vec![Meant::Letter(number), key];
    }
    if text.contains('@') {
        return vec![Meant::Trace(TraceQuery::Email(text.to_owned())), key];
    }
    if id {
        let id = Meant::Trace(TraceQuery::SalesforceId(text.to_owned()));
        return if text.starts_with("00") {
            vec![id, key]
        } else {
            vec![key, id]
        };
    }
    match text.parse() {
        Ok(number) => vec![key, Meant::Letter(number)],
        Err(_) => vec![key],
    }
}

pub async fn page(
    State(view): State<View>,
    who: Identity,
    Query(given): Query<Vec<(String, String)>>,
) -> Response {
    let given = Given(given);
    let result = find(&view, &who, given.text("q")).await;
    or_refused(&who, "/find", result)
}

async fn find(view: &View, who: &Identity, asked: &str) -> Result<Response, Failure> {
    let asked: String = asked.trim().chars().take(LONGEST).collect();
    let eyes = Eyes::from(who);
    let meant = if asked.is_empty() {
        Vec::new()
    } else {
        meant(&asked)
    };
    if !meant.is_empty() {
        follow(view).await;
    }
    let mut page = Page {
        frame: Frame::new("Find a lead", "/find", who.clone()),
        searched: !asked.is_empty(),
        asked,
        tried: meant.iter().map(Meant::words).collect(),
        found_as: None,
        leads: Vec::new(),
        letter: None,
        kept_since: None,
        rebuilding: view.index.lag().rebuilding,
    };
    for one in meant {
        let words = one.words();
        match one {
            Meant::Letter(number) => {
                let known = look(view, move |index| {
                    Ok(index.is_letter_open(number)? || !index.letter_steps(number)?.is_empty())
                });
                if known.await? {
                    page.letter = Some(number);
                }
            }
            Meant::Trace(query) if page.leads.is_empty() => {
                page.leads = leads(view, query, eyes).await?;
                if !page.leads.is_empty() {
                    page.found_as = Some(words);
                }
            }
            Meant::Trace(_) => {}
        }
    }
    if page.searched && page.leads.is_empty() && page.letter.is_none() {
        let since = look(view, |index| index.kept_since()).await?;
        page.kept_since = since.map(moment);
    }
    Ok(render(&page))
}

async fn leads(view: &View, query: TraceQuery, eyes: Eyes) -> Result<Vec<Lead>, Failure> {
    let status = view.published.read();
    let told = look(view, move |index| {
        let events = index.trace(&query)?;
        let mut letters: Vec<u64> = events.iter().filter_map(|event| event.letter).collect();
        letters.sort_unstable();
        letters.dedup();
        let mut open = Vec::new();
        for letter in letters {
            if index.is_letter_open(letter)? {
                open.push(letter);
            }
        }
        Ok(story::tell(&events, &open, &status, eyes))
    });
    told.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let words: Vec<&str> = meant(text).iter().map(Meant::words).collect();
        assert_eq!(words, expected, "{text}");
    }

    #[test]
    fn what_is_looked_for_is_told_by_its_look() {
        check("ann@example.org", &["an e-mail address", "a key"]);
        check("00Q5g00000AbCdEEAV", &["a Salesforce id", "a key"]);
        check("00Q5g00000AbCdE", &["a Salesforce id", "a key"]);
        check("a0B5g00000AbCdE", &["a key", "a Salesforce id"]);
        check("214", &["a key", "the number of a dead letter"]);
        check("#214", &["the number of a dead letter", "a key"]);
        check("Dead letter 214", &["the number of a dead letter", "a key"]);
        check("L-00000042", &["a key"]);
        check("'; DROP TABLE leads", &["a key"]);
    }
}
