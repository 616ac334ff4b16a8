//! `/attention/mend`: one field of a whole group is set to one value: first what would come of it,
//! then, confirmed, on the server piece by piece.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Form, Query, State};
use axum::response::Response;

use super::asking::{ask, fields, look, may_change, or_refused, see};
use super::form::{self, Entry};
use super::given::{Given, Group, new_order};
use super::group::confirmed;
use super::shown::{Eyes, cut, leads, visible};
use super::standing::Standing;
use super::work::{Task, Works, rows, why_refused};
use crate::operator::View;
use crate::operator::access::Identity;
use crate::operator::console::page::{Frame, render};
use crate::operator::console::words::count;
use crate::operator::letters::LetterQuestion;
use crate::operator::questions::Failure;
use crate::runtime::fields::{RouteField, RouteFields, Widget};
use crate::runtime::letters::sheet::RowReport;

/// Letters that are shown as they are and as they would be.
const SHOWN: usize = 20;

/// Letters that are held against Salesforce's rules before anything is changed; a value that passes
/// with these passes with the others, but for those that were erased or are on their way.
const CHECKED: usize = 100;

type Pairs = Vec<(String, String)>;

#[derive(Template)]
#[template(path = "console/mend.html")]
struct Page {
    frame: Frame,
    pairs: [(&'static str, String); 4],
    back: String,
    set: String,
    label: String,
    value: String,
    /// The value, in quotes, for people.
    shown: String,
    entry: Entry,
    checked: String,
    all: String,
    change: u64,
    same: u64,
    refused: Vec<(String, u64)>,
    lines: Vec<Line>,
    more: u64,
    through: u64,
    order: String,
}

struct Line {
    number: u64,
    key: String,
    before: String,
    after: String,
    refused: String,
}

pub async fn preview(
    State(view): State<View>,
    who: Identity,
    Query(given): Query<Pairs>,
) -> Response {
    if let Err(refusal) = may_change(&who) {
        return *refusal;
    }
    let given = Given(given);
    let back = Group::from(&given).address();
    let result = tell(&view, &who, &given).await;
    or_refused(&who, &back, result)
}

/// The field that is to be set, as Salesforce describes it, and the value.
fn wanted(fields: &RouteFields, given: &Given) -> Result<(RouteField, String), Failure> {
    let set = given.text("set");
    let field = fields.field(set).cloned().ok_or_else(|| Failure {
        page: "LS6069".to_owned(),
        text: format!("{:?} is no field of this route's mapping", visible(set)),
        remedy: "Go back and choose one of the fields; nothing was changed.".to_owned(),
    })?;
    let value = match field.widget {
        Widget::Choices { .. } => form::chosen(given, "value").unwrap_or_default(),
        _ => given.text("value").to_owned(),
    };
    Ok((field, value))
}

async fn tell(view: &View, who: &Identity, given: &Given) -> Result<Response, Failure> {
    let group = Group::from(given);
    let fields = fields(view, &group.route).await?;
    let (field, value) = wanted(&fields, given)?;
    let filter = group.filter();
    let found = look(view, move |index| index.letter_page(&filter, CHECKED, 0)).await?;
    if found.total == 0 {
        return Ok(see(&group.address()));
    }
    let numbers: Vec<u64> = found.letters.iter().map(|letter| letter.number).collect();
    let what = LetterQuestion::Import {
        rows: rows(&numbers, &field.name, &value),
        check_only: true,
    };
    let reports = ask::<Vec<RowReport>>(view, &who.name, what).await?;
    let (mut change, mut same) = (0, 0);
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for report in &reports {
        match &report.wrong {
            Some(why) => *refused.entry(why_refused(why, &field.name)).or_default() += 1,
            None if report.changed.is_empty() => same += 1,
            None => change += 1,
        }
    }
    let eyes = Eyes::from(who);
    let quoted = |text: &str| match text {
        "" => "empty".to_owned(),
        text => format!("“{}”", cut(&eyes.value(text))),
    };
    let after = quoted(&value);
    let shown = found.letters.iter().zip(&reports).take(SHOWN);
    let lines = shown.map(|(letter, report)| {
        let standing = Standing::waiting(letter, Some(&fields));
        let before = match standing.cell(&field.name) {
            "" if standing.computed.contains_key(&field.name) => standing.instead(&field.name),
            cell => quoted(cell),
        };
        Line {
            number: letter.number,
            key: cut(&eyes.value(&letter.key)),
            before,
            after: match report.wrong {
                None if report.changed.is_empty() => "stays so".to_owned(),
                _ => after.clone(),
            },
            refused: report
                .wrong
                .as_deref()
                .map_or_else(String::new, |why| why_refused(why, &field.name)),
        }
    });
    let checked = found.letters.len() as u64;
    let page = Page {
        pairs: group.pairs().map(|(name, value)| (name, value.to_owned())),
        back: group.address(),
        set: field.name.clone(),
        label: visible(&field.label),
        entry: Entry::of(&field, "value".to_owned(), &value),
        checked: if checked == found.total {
            format!("Of {}", leads(checked))
        } else {
            format!("Of the first {} of {}", count(checked), leads(found.total))
        },
        all: leads(found.total),
        shown: after.clone(),
        change,
        same,
        refused: refused.into_iter().collect(),
        lines: lines.collect(),
        more: found.total.saturating_sub(SHOWN as u64),
        through: found.last,
        order: new_order(),
        frame: Frame::new(
            format!("Set {} for {}?", visible(&field.label), leads(found.total)),
            "/attention",
            who.clone(),
        ),
        value,
    };
    Ok(render(&page))
}

pub async fn start(
    State(view): State<View>,
    Extension(works): Extension<Works>,
    who: Identity,
    Form(given): Form<Pairs>,
) -> Response {
    if let Err(refusal) = may_change(&who) {
        return *refusal;
    }
    let given = Given(given);
    let back = Group::from(&given).address();
    let result = begin(&view, &who, &works, &given).await;
    or_refused(&who, &back, result)
}

async fn begin(
    view: &View,
    who: &Identity,
    works: &Works,
    given: &Given,
) -> Result<Response, Failure> {
    let group = Group::from(given);
    let (field, value) = wanted(&fields(view, &group.route).await?, given)?;
    let numbers = confirmed(view, &group, given).await?;
    if numbers.is_empty() {
        return Ok(see(&group.address()));
    }
    let task = Task::Mend {
        label: visible(&field.label),
        field: field.name,
        value,
        send: given.get("send").is_some(),
    };
    let order = given.order();
    let author = (view.clone(), Arc::clone(&who.name));
    works.start(&order, group, task, numbers, author)?;
    Ok(see(&format!("/attention/work/{order}")))
}
