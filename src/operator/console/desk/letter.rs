//! `/attention/letter/{n}`: one dead letter: what was refused and why, its fields as Salesforce
//! describes them, and what became of it when it waits no longer.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::asking::{ask, fields, look, may_change, or_refused, remedy, see};
use super::form::{self, Entry};
use super::given::{Given, Group};
use super::group::reason;
use super::sending::{self, Sending};
use super::shown::{Eyes, label, link_to_org, query, visible, waiting};
use super::standing::Standing;
use super::story::{self, Change as Told};
use super::work::why_refused;
use crate::core::letters::ReplayProgress;
use crate::operator::View;
use crate::operator::access::Identity;
use crate::operator::console::causes::Cause;
use crate::operator::console::page::{Frame, render};
use crate::operator::following::follow;
use crate::operator::letters::LetterQuestion;
use crate::operator::questions::Failure;
use crate::runtime::fields::RouteFields;
use crate::runtime::letters::{Change, Edited, Selection};
use crate::state::{LetterStory, TraceEvent};

type Pairs = Vec<(String, String)>;

#[derive(Template)]
#[template(path = "console/letter.html")]
struct Page {
    frame: Frame,
    number: u64,
    says: String,
    cause: Cause,
    route: String,
    key: String,
    salesforce_id: Option<String>,
    link: Option<String>,
    waits: String,
    messages: Vec<String>,
    back: String,
    entries: Vec<Entry>,
    /// Shown in place of a form.
    facts: Vec<(String, String)>,
    /// Why there is no form, to those who might expect one.
    no_form: String,
    /// Steps seen: a form that was made of fewer is told so.
    seen: usize,
    /// Class of the style sheet, and text.
    notice: Option<(&'static str, String)>,
    on_its_way: bool,
    sending: Option<Sending>,
    changes: Vec<Told>,
}

#[derive(Template)]
#[template(path = "console/closed.html")]
struct Closed {
    frame: Frame,
    tone: &'static str,
    says: String,
    salesforce_id: Option<String>,
    link: Option<String>,
    find: String,
    changes: Vec<Told>,
}

/// What a form has given and what came of it.
#[derive(Default)]
struct Tried {
    given: Option<Given>,
    errors: BTreeMap<String, String>,
    notice: Option<(&'static str, String)>,
}

pub async fn page(State(view): State<View>, who: Identity, Path(number): Path<u64>) -> Response {
    let result = show(&view, &who, number, Tried::default()).await;
    or_refused(&who, "/attention", result)
}

async fn story(view: &View, number: u64) -> Result<Option<LetterStory>, Failure> {
    look(view, move |index| index.letter_story(number)).await
}

async fn show(view: &View, who: &Identity, number: u64, tried: Tried) -> Result<Response, Failure> {
    let Some(story) = story(view, number).await? else {
        return closed(view, who, number).await;
    };
    let eyes = Eyes::from(who);
    let status = view.published.read();
    let group = Group {
        route: story.route.clone(),
        class: story.class.clone(),
        code: story.code.clone(),
        field: story.fields.first().cloned().unwrap_or_default(),
    };
    let on_its_way = story
        .steps
        .last()
        .is_some_and(|step| step.kind == "replayed");
    let latest = story
        .steps
        .iter()
        .rev()
        .find(|step| step.kind == "dead_letter");
    let personal = latest.and_then(|step| step.personal.as_ref());
    let id = story.salesforce_id.clone();
    let mut page = Page {
        number,
        cause: group.cause(),
        says: group.cause().says,
        route: visible(&story.route),
        key: eyes.value(&story.key),
        link: id
            .as_ref()
            .and_then(|id| link_to_org(&status, &story.route, id)),
        salesforce_id: id.map(|id| visible(&id)),
        waits: waiting((view.clock)(), story.at),
        messages: personal.map_or_else(Vec::new, |part| story::messages(part, eyes)),
        back: group.address(),
        entries: Vec::new(),
        facts: Vec::new(),
        no_form: String::new(),
        seen: story.steps.len(),
        notice: tried.notice.clone(),
        on_its_way,
        sending: if on_its_way || story.steps.iter().any(|step| step.kind == "replayed") {
            sending::last(view).await
        } else {
            None
        },
        changes: own_story(&story.steps, eyes),
        frame: Frame::new(format!("Dead letter {number}"), "/attention", who.clone()),
    };
    // Another one that was not sent is no news here.
    if let Some(sending) = &mut page.sending {
        sending.not_sent.retain(|(other, _)| *other == number);
        sending.more = 0;
    }
    let fields = fields(view, &story.route).await;
    if page.frame.may_change() {
        match form(fields, &story, &tried) {
            Ok(entries) => page.entries = entries,
            Err(why) => page.no_form = why,
        }
    } else {
        let standing = Standing::told(&story, fields.ok().as_ref());
        page.facts = story::shown(standing.cells, eyes);
    }
    let status = if tried.errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    Ok((status, render(&page)).into_response())
}

/// The form, or why there is none.
fn form(
    fields: Result<RouteFields, Failure>,
    story: &LetterStory,
    tried: &Tried,
) -> Result<Vec<Entry>, String> {
    if story.payload.is_none() {
        return Err("What was kept of it was erased: it can be discarded, not sent.".to_owned());
    }
    let fields = fields.map_err(|failure| format!("{}. {}", failure.text, remedy(&failure)))?;
    let standing = Standing::told(story, Some(&fields));
    let mut entries = form::entries(
        &fields,
        &standing.cells,
        tried.given.as_ref(),
        &tried.errors,
        &story.fields,
    );
    for entry in &mut entries {
        entry.edited = story.edited.contains(&entry.field);
        if let Some(from) = standing.computed.get(&entry.field) {
            entry.hint = format!("It is {from}; what came of it was not accepted");
        }
    }
    Ok(entries)
}

/// What became of a letter that waits no longer.
async fn closed(view: &View, who: &Identity, number: u64) -> Result<Response, Failure> {
    let found = look(view, move |index| {
        let steps = index.letter_steps(number)?;
        // Between the two questions it may have been opened, or closed.
        Ok((steps, index.is_letter_open(number)?))
    });
    let (steps, _) = found.await?;
    let Some(last) = steps.last() else {
        let unknown = Failure {
            page: "LS6010".to_owned(),
            text: format!("nothing is known of a dead letter {number}"),
            remedy: String::new(),
        };
        return Err(unknown);
    };
    let (tone, says) = became(last, number);
    let key = last.personal.as_ref().map_or("", |part| part.key.as_str());
    let find = if key.is_empty() || !who.sees_people() {
        String::new()
    } else {
        format!("/find?{}", query(&[("q", key)]))
    };
    let known = |step: &TraceEvent| Some((step.salesforce_id.clone()?, step.route.clone()?));
    let id = steps.iter().rev().find_map(known);
    let status = view.published.read();
    let page = Closed {
        frame: Frame::new(format!("Dead letter {number}"), "/attention", who.clone()),
        tone,
        says,
        link: id
            .as_ref()
            .and_then(|(id, route)| link_to_org(&status, route, id)),
        salesforce_id: id.map(|(id, _)| visible(&id)),
        find,
        changes: own_story(&steps, Eyes::from(who)),
    };
    Ok(render(&page))
}

/// Without links to the page that it is on.
fn own_story(steps: &[TraceEvent], eyes: Eyes) -> Vec<Told> {
    let mut told = story::changes(&steps.iter().collect::<Vec<_>>(), eyes);
    let steps = told.iter_mut().flat_map(|change| &mut change.steps);
    steps.for_each(|step| step.letter = None);
    told
}

fn became(last: &TraceEvent, number: u64) -> (&'static str, String) {
    let author = visible(last.author.as_deref().unwrap_or("somebody"));
    let told = match last.kind.as_str() {
        "delivered" => return ("good", "It has arrived in Salesforce.".to_owned()),
        "discarded" => format!("{author} discarded it: it was not sent."),
        "outdated" | "superseded" => {
            "A newer change of the same record took its place: nothing is left to mend.".to_owned()
        }
        "skipped" => "It was left out: Salesforce does not need it any more.".to_owned(),
        _ => format!("Dead letter {number} does not wait any more."),
    };
    ("", told)
}

/// Check, save, or save and send.
pub async fn change(
    State(view): State<View>,
    who: Identity,
    Path(number): Path<u64>,
    Form(given): Form<Pairs>,
) -> Response {
    if let Err(refusal) = may_change(&who) {
        return *refusal;
    }
    let result = take(&view, &who, number, Given(given)).await;
    or_refused(&who, &address(number), result)
}

fn address(number: u64) -> String {
    format!("/attention/letter/{number}")
}

async fn take(view: &View, who: &Identity, number: u64, given: Given) -> Result<Response, Failure> {
    let Some(story) = story(view, number).await? else {
        return Ok(see(&address(number)));
    };
    let tell = |tone, text: String, given| Tried {
        given: Some(given),
        notice: Some((tone, text)),
        ..Tried::default()
    };
    if given.number("seen") != Some(story.steps.len() as u64) {
        let text = "Something happened to it since you opened this page: see its history below. \
                    What you entered is still here; nothing was saved.";
        return show(view, who, number, tell("warn", text.to_owned(), given)).await;
    }
    let fields = fields(view, &story.route).await?;
    let standing = Standing::told(&story, Some(&fields));
    let changes = form::changes(&fields, &standing.cells, &given);
    let act = given.text("act").to_owned();
    let check_only = act != "save" && act != "send";
    if changes.is_empty() && act != "send" {
        let text = "Every field is as it was: nothing to save.".to_owned();
        return show(view, who, number, tell("", text, given)).await;
    }
    let is_edited = !changes.is_empty();
    if is_edited {
        let seen = Some(story.steps.len() as u64);
        let what = edit(number, changes.clone(), seen, check_only);
        match ask::<Edited>(view, &who.name, what).await {
            Ok(edited) if check_only => {
                let labels: Vec<String> = edited.changed.iter().map(|it| label(it)).collect();
                let text = format!(
                    "This can be saved: {}. Whether Salesforce takes it is seen when it is sent.",
                    labels.join(", ")
                );
                return show(view, who, number, tell("good", text, given)).await;
            }
            Ok(_) => {}
            Err(failure) if failure.page == "LS6011" => {
                let errors = by_field(view, who, number, changes).await?;
                let text = "Nothing was saved: see what is said beside the fields.".to_owned();
                let tried = Tried {
                    errors,
                    ..tell("bad", text, given)
                };
                return show(view, who, number, tried).await;
            }
            Err(failure) => {
                let text = format!("{}. {}", failure.text, remedy(&failure));
                return show(view, who, number, tell("bad", text, given)).await;
            }
        }
    }
    if act == "send" {
        let what = LetterQuestion::Replay {
            selection: Selection::Numbers(vec![number]),
            force: false,
        };
        if let Err(failure) = ask::<ReplayProgress>(view, &who.name, what).await {
            follow(view).await;
            let begin = if is_edited {
                "It is saved, and was not sent"
            } else {
                "It was not sent"
            };
            let text = format!("{begin}: {}. {}", failure.text, remedy(&failure));
            let notice = Some(("bad", text));
            return show(
                view,
                who,
                number,
                Tried {
                    notice,
                    ..Tried::default()
                },
            )
            .await;
        }
    }
    follow(view).await;
    Ok(see(&address(number)))
}

fn edit(number: u64, changes: Vec<Change>, seen: Option<u64>, check_only: bool) -> LetterQuestion {
    LetterQuestion::Edit {
        number,
        changes,
        seen,
        check_only,
    }
}

/// What is wrong with which field: each is held against Salesforce's rules alone.
async fn by_field(
    view: &View,
    who: &Identity,
    number: u64,
    changes: Vec<Change>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut errors = BTreeMap::new();
    for change in changes {
        let field = change.field.clone();
        let checked = ask::<Edited>(view, &who.name, edit(number, vec![change], None, true)).await;
        match checked {
            Ok(_) => {}
            Err(failure) if failure.page == "LS6011" => {
                let why = why_refused(&failure.text, &field);
                errors.insert(field, why);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(errors)
}

pub async fn discard(
    State(view): State<View>,
    who: Identity,
    Path(number): Path<u64>,
    Form(given): Form<Pairs>,
) -> Response {
    if let Err(refusal) = may_change(&who) {
        return *refusal;
    }
    let back = address(number);
    let discarded = async {
        let reason = reason(&Given(given))?;
        let what = LetterQuestion::Discard {
            selection: Selection::Numbers(vec![number]),
            reason,
        };
        match ask::<u64>(&view, &who.name, what).await {
            // Its page says what became of it meanwhile.
            Ok(_) => {}
            Err(failure) if failure.page == "LS6010" => {}
            Err(failure) => return Err(failure),
        }
        follow(&view).await;
        Ok(see(&back))
    };
    or_refused(&who, &back, discarded.await)
}
