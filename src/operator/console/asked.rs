//! Questions of pages, answered where all questions are, with the answer in its own type.

use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use crate::operator::View;
use crate::operator::access::Identity;
use crate::operator::problem::Problem;
use crate::operator::questions::{Query, Reply, answer};

/// Asks in the name of who looks at the page.
///
/// # Errors
/// What the question was declined with, or failed of.
pub(super) async fn ask<T: DeserializeOwned>(
    view: &View,
    who: &Identity,
    query: Query,
) -> Result<T, Problem> {
    match answer(query, view.clone(), &who.name).await {
        Reply::Value(value) => serde_json::from_value(value).map_err(|error| {
            tracing::error!(%error, "an answer is of another shape than its question");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "LS6004",
                "the question failed inside",
                "ask again; the service's log says more",
            )
        }),
        Reply::Failure(failure) => Err(failure.into()),
    }
}
