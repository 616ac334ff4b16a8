//! Running a request's work under its fault plan: waits, holds, refusals, what replaces a reply, what is done to it.
use axum::http::{HeaderValue, header};
use serde_json::Value;

use super::delivery::{Delivery, Pace};
use super::reply::Reply;
use super::token;
use crate::faults::{Change, Instead, Plan, hold};
use crate::org::{Org, Refusal};

/// Lists of results in replies that are objects.
const RESULT_LISTS: [&str; 4] = ["compositeResponse", "results", "graphs", "records"];

/// Runs `work` (which commits and builds the reply) as the plan wants it; `token` is the session of the call.
pub(super) async fn run(
    org: &Org,
    token: Option<&str>,
    plan: Plan,
    work: impl FnOnce() -> Reply + Send,
) -> Reply {
    if plan.hits > 0 {
        org.watch.count(|stats| stats.faults_applied += plan.hits);
    }
    if !plan.wait_before.is_zero() {
        tokio::time::sleep(plan.wait_before).await;
    }
    if let Some(at) = plan.hold_before {
        hold(org, at, false).await;
    }
    let mut reply = match plan.refuse {
        Some(refuse) => instead(org, token, refuse),
        None => work(),
    };
    if !plan.wait_after.is_zero() {
        tokio::time::sleep(plan.wait_after).await;
    }
    if let Some(at) = plan.hold_after {
        hold(org, at, true).await;
    }
    if let Some(after) = plan.after {
        reply = instead(org, token, after);
    }
    for done in plan.changes {
        change(&mut reply, done);
    }
    reply.headers.extend(plan.headers);
    reply.faulted = true;
    reply
}

/// The documented 401 of a dead session.
pub(super) fn session_expired() -> Reply {
    Reply::error(
        401,
        &Refusal::new("INVALID_SESSION_ID", "Session expired or invalid"),
    )
}

fn instead(org: &Org, token: Option<&str>, instead: Instead) -> Reply {
    match instead {
        Instead::Json { status, refusal } => Reply::error(status, &refusal),
        Instead::SessionExpired { revoke, message } => {
            if let (true, Some(token)) = (revoke, token) {
                org.sessions().revoke(token);
            }
            match message {
                Some(message) => Reply::error(401, &Refusal::new("INVALID_SESSION_ID", message)),
                None => session_expired(),
            }
        }
        Instead::Token { error, description } => token::refused(&error, description.as_deref()),
        Instead::Html(status) => Reply::html(status),
        Instead::Redirect { status, location } => Reply {
            redirect: Some(location),
            ..Reply::empty(status)
        },
        Instead::Cut => Reply::cut(),
        Instead::Stall => Reply::stalled(),
    }
}

fn change(reply: &mut Reply, change: Change) {
    reply.gather();
    match change {
        Change::Trickle { bytes, pause } => {
            if let Some(pace) = pace(reply) {
                (pace.piece, pace.pause) = (bytes, pause);
            }
        }
        Change::Truncate if reply.body.is_empty() => reply.delivery = Delivery::Cut,
        Change::Truncate => {
            if let Some(pace) = pace(reply) {
                pace.cut_short = true;
            }
        }
        Change::Corrupt => {
            let half = reply.body.len() / 2;
            reply.body.truncate(half);
            if half == 0 {
                reply.body = b"{".to_vec();
            }
        }
        Change::ResultCount(change) => recount(reply, change),
    }
}

/// How the body goes out, to be changed; none when there will be no body.
fn pace(reply: &mut Reply) -> Option<&mut Pace> {
    if reply.delivery == Delivery::Whole {
        reply.delivery = Delivery::Paced(Pace::default());
    }
    match &mut reply.delivery {
        Delivery::Paced(pace) => Some(pace),
        Delivery::Whole | Delivery::Cut | Delivery::Stall => None,
    }
}

/// Makes a list of results longer, by repeating its last, or shorter.
fn recount(reply: &mut Reply, change: i32) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else {
        return;
    };
    let list = match &mut body {
        Value::Array(list) => Some(list),
        Value::Object(object) => RESULT_LISTS
            .iter()
            .find(|name| object.get(**name).is_some_and(Value::is_array))
            .and_then(|name| object.get_mut(*name)?.as_array_mut()),
        _ => None,
    };
    let Some(list) = list else {
        return;
    };
    let by = change.unsigned_abs() as usize;
    if change < 0 {
        list.truncate(list.len().saturating_sub(by));
    } else {
        let last = list.last().cloned().unwrap_or(Value::Null);
        list.extend(std::iter::repeat_n(last, by));
    }
    reply.body = body.to_string().into_bytes();
}

/// Completes a reply that sends the client to another instance: the path stays, the host is another.
pub(super) fn complete_redirect(reply: &mut Reply, path_and_query: &str) {
    if let Some(base) = reply.redirect.take()
        && let Ok(value) =
            HeaderValue::try_from(format!("{}{path_and_query}", base.trim_end_matches('/')))
    {
        reply.headers.push((header::LOCATION, value));
    }
}
