//! `GET /api/v1/events`: the status whenever it changes, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::serving::Serving;
use crate::operator::View;
use crate::operator::problem::Problem;

/// Before proxies call a quiet connection dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) fn listen(view: View, serving: &Serving) -> Result<Response, Problem> {
    let Ok(permit) = Arc::clone(&serving.listeners).try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "LS6063",
            "too many listen to events already",
            "close windows of the console that nobody looks at, or read /api/v1/status now and then",
        ));
    };
    let listener = view.events.listen();
    let told = stream::unfold(
        (listener, view, permit),
        |(mut listener, view, permit)| async move {
            let status = listener.next(|| view.published.read()).await?;
            // A status is always JSON.
            let event = Event::default().event("status").json_data(&*status).ok()?;
            Some((Ok::<_, Infallible>(event), (listener, view, permit)))
        },
    );
    let heartbeat = KeepAlive::new().interval(HEARTBEAT);
    Ok(Sse::new(told).keep_alive(heartbeat).into_response())
}
