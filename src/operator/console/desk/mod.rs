//! The desk of sales operations: find a lead, see what needs attention, mend it, send it again or
//! discard it.
//!
//! Reads the index; everything that changes something goes through [`crate::operator::questions`]
//! with the token's name as its author.

mod asking;
mod attention;
mod find;
mod form;
mod given;
mod group;
mod letter;
mod mend;
mod sending;
mod shown;
mod standing;
mod story;
mod work;

#[cfg(test)]
pub mod tests;

pub(super) use asking::look;
pub(super) use given::Group;
pub(super) use shown::visible;

use axum::routing::{get, post};
use axum::{Extension, Router};

use crate::operator::View;

pub(super) fn router() -> Router<View> {
    Router::new()
        .route("/find", get(find::page))
        .route("/attention", get(attention::page))
        .route("/attention/group", get(group::page))
        .route("/attention/chosen", post(group::chosen))
        .route("/attention/all", get(group::confirm).post(group::all))
        .route("/attention/mend", get(mend::preview).post(mend::start))
        .route("/attention/work/{id}", get(work::page))
        .route(
            "/attention/letter/{number}",
            get(letter::page).post(letter::change),
        )
        .route("/attention/letter/{number}/discard", post(letter::discard))
        .layer(Extension(work::Works::default()))
}
