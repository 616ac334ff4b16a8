//! Running a request's work under its fault plan: waits, holds, refusals, and what replaces a reply.
use super::reply::Reply;
use super::token;
use crate::faults::{After, Plan, Refuse, hold};
use crate::org::{Org, Refusal};

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
    if let Some(fault) = plan.hold_before {
        hold(org, fault).await;
    }
    if let Some(refuse) = plan.refuse {
        return refusal(org, token, refuse);
    }
    let reply = work();
    if !plan.wait_after.is_zero() {
        tokio::time::sleep(plan.wait_after).await;
    }
    if let Some(fault) = plan.hold_after {
        hold(org, fault).await;
    }
    match plan.after {
        None => reply,
        Some(After::Html(status)) => Reply::html(status),
        Some(After::Cut) => Reply::cut(),
    }
}

/// The documented 401 of a dead session.
pub(super) fn session_expired() -> Reply {
    Reply::error(
        401,
        &Refusal::new("INVALID_SESSION_ID", "Session expired or invalid"),
    )
}

fn refusal(org: &Org, token: Option<&str>, refuse: Refuse) -> Reply {
    match refuse {
        Refuse::Json { status, refusal } => Reply::error(status, &refusal),
        Refuse::SessionExpired { revoke, message } => {
            if let (true, Some(token)) = (revoke, token) {
                org.sessions().revoke(token);
            }
            match message {
                Some(message) => Reply::error(401, &Refusal::new("INVALID_SESSION_ID", message)),
                None => session_expired(),
            }
        }
        Refuse::Token { error, description } => token::refused(&error, description.as_deref()),
        Refuse::Html(status) => Reply::html(status),
        Refuse::Cut => Reply::cut(),
    }
}
