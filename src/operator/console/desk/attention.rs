//! `/attention`: what waits for a person, by cause: how many, how long, what to do and who can.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::asking::{look, or_refused};
use super::given::Group;
use super::sending::{self, Sending};
use super::shown::{leads, waiting};
use crate::operator::View;
use crate::operator::access::Identity;
use crate::operator::console::page::{Frame, render};
use crate::operator::console::words::{machine, several};
use crate::operator::questions::Failure;
use crate::state::DeadLetterFilter;

#[derive(Template)]
#[template(path = "console/attention.html")]
struct Page {
    frame: Frame,
    groups: Vec<Row>,
    /// `3 causes, 214 leads`.
    sum: String,
    many_routes: bool,
    sending: Option<Sending>,
    rebuilding: bool,
}

struct Row {
    address: String,
    title: String,
    todo: &'static str,
    who: &'static str,
    waits: String,
    machine_at: String,
    route: String,
    code: String,
    /// Found here, before anything was sent.
    never_sent: bool,
}

pub async fn page(State(view): State<View>, who: Identity) -> Response {
    let result = groups(&view, &who).await;
    or_refused(&who, "/", result)
}

async fn groups(view: &View, who: &Identity) -> Result<Response, Failure> {
    let found = look(view, |index| {
        index.letter_groups(&DeadLetterFilter::default())
    });
    let found = found.await?;
    let now = (view.clock)();
    let all: u64 = found.iter().map(|group| group.count).sum();
    let causes = several(found.len() as u64, "cause", "causes");
    let sum = format!("{causes}, {}", leads(all));
    let rows = found.into_iter().map(|found| {
        let group = Group::from(&found);
        let cause = group.cause();
        Row {
            address: group.address(),
            title: format!("{}: {}", leads(found.count), cause.says),
            todo: cause.todo,
            who: cause.who.text(),
            waits: waiting(now, found.oldest),
            machine_at: machine(found.oldest),
            route: super::shown::visible(&group.route),
            code: super::shown::visible(&group.code),
            never_sent: group.class == "mapping",
        }
    });
    let page = Page {
        groups: rows.collect(),
        sum,
        many_routes: view.published.read().routes.len() > 1,
        sending: sending::last(view).await.filter(|sending| sending.running),
        rebuilding: view.index.lag().rebuilding,
        frame: Frame::new("Needs attention", "/attention", who.clone()),
    };
    Ok(render(&page))
}
