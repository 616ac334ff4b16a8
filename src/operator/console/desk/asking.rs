//! How the desk's pages ask and change: the index for what is read, the one implementation of all
//! questions for what is changed, and a page for what was refused.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use crate::operator::access::Identity;
use crate::operator::console::page::{Frame, render};
use crate::operator::console::words::sentence;
use crate::operator::letters::LetterQuestion;
use crate::operator::problem::Problem;
use crate::operator::questions::{self, Failure, Query, Reply};
use crate::operator::{View, access::Role};
use crate::runtime::fields::RouteFields;
use crate::state::{self, IndexHandle};

/// Asks the index, which reads from disk.
pub async fn look<T: Send + 'static>(
    view: &View,
    question: impl FnOnce(&IndexHandle) -> Result<T, state::Error> + Send + 'static,
) -> Result<T, Failure> {
    let index = view.index.clone();
    let asked = tokio::task::spawn_blocking(move || question(&index));
    match asked.await {
        Ok(answer) => answer.map_err(|error| Failure {
            page: error.page().to_owned(),
            text: error.to_string(),
            remedy: error.remedy().to_string(),
        }),
        Err(_) => Err(inside("the question failed inside")),
    }
}

/// Asks or changes something about dead letters, in the name of who is signed in.
pub async fn ask<T: DeserializeOwned>(
    view: &View,
    author: &str,
    what: LetterQuestion,
) -> Result<T, Failure> {
    parse(questions::answer(Query::Letters { what }, view.clone(), author).await)
}

/// What Salesforce says of a route's fields.
pub async fn fields(view: &View, route: &str) -> Result<RouteFields, Failure> {
    let query = Query::Fields {
        route: route.to_owned(),
    };
    parse(questions::answer(query, view.clone(), "").await)
}

fn parse<T: DeserializeOwned>(reply: Reply) -> Result<T, Failure> {
    match reply {
        Reply::Value(value) => {
            serde_json::from_value(value).map_err(|error| inside(&error.to_string()))
        }
        Reply::Failure(failure) => Err(failure),
    }
}

fn inside(text: &str) -> Failure {
    Failure {
        page: "LS6004".to_owned(),
        text: text.to_owned(),
        remedy: "load the page again; the service's log says more".to_owned(),
    }
}

/// Those of these letters that still wait, in their order.
pub async fn still_open(view: &View, numbers: Vec<u64>) -> Result<Vec<u64>, Failure> {
    let open = look(view, move |index| {
        let mut open = Vec::with_capacity(numbers.len());
        for number in numbers {
            if index.is_letter_open(number)? {
                open.push(number);
            }
        }
        Ok(open)
    });
    open.await
}

/// After a change: to a page that shows what came of it.
pub fn see(address: &str) -> Response {
    match header::HeaderValue::from_str(address) {
        Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Template)]
#[template(path = "console/refused.html")]
struct Refused {
    frame: Frame,
    text: String,
    remedy: String,
    page: String,
    back: String,
}

/// The page, or one that says why there is none.
pub fn or_refused(who: &Identity, back: &str, result: Result<Response, Failure>) -> Response {
    let failure = match result {
        Ok(page) => return page,
        Err(failure) => failure,
    };
    let page = Refused {
        frame: Frame::new("This did not work", "/attention", who.clone()),
        remedy: remedy(&failure),
        text: sentence(&failure.text),
        page: failure.page.clone(),
        back: back.to_owned(),
    };
    let status = Problem::from(failure).status;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, render(&page)).into_response()
}

/// 403 for those who may only look.
///
/// # Errors
/// The answer.
pub fn may_change(who: &Identity) -> Result<(), Box<Response>> {
    who.require(Role::Operator)
        .map_err(|problem| Box::new(problem.into_response()))
}

/// The failure's remedy for somebody without a command line.
pub fn remedy(failure: &Failure) -> String {
    match failure.page.as_str() {
        "LS6006" => "Try again in a moment.",
        "LS6010" => {
            "It was sent, discarded or replaced by a newer change meanwhile: the list shows what \
             still waits."
        }
        "LS6012" => "Wait for its outcome; if it is refused again, it can be changed.",
        "LS6013" => "Wait until it is over, then try again.",
        "LS6015" => "Try again in a moment; nothing was changed.",
        _ => return failure.remedy.clone(),
    }
    .to_owned()
}
