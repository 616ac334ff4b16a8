//! The console: pages for people, made on the server and live by server-sent events. Everything
//! that a page needs is in the binary.

mod activity;
mod asked;
mod assets;
mod causes;
mod chart;
mod desk;
mod faults;
mod health;
mod overview;
mod page;
mod report;
mod routes;
mod snapshot;
#[cfg(test)]
mod testing;
mod waiting;
mod words;

use axum::{Router, middleware};

use super::View;

#[cfg(test)]
pub(super) use desk::tests::bench;
pub(super) use page::render;

/// Pages and what they load. Each page is a module with its own router, merged here.
pub(super) fn router() -> Router<View> {
    Router::new()
        .merge(assets::router())
        .merge(desk::router())
        .merge(overview::router())
        .merge(routes::router())
        .merge(snapshot::router())
        .merge(report::router())
        .merge(activity::router())
        .fallback(faults::nothing_here)
        .layer(middleware::from_fn(faults::as_pages))
}
