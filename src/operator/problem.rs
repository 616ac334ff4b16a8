//! Errors over HTTP: problem details of RFC 9457, with the page and the remedy that every error of
//! leadstream has.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::access::Role;
use super::questions::Failure;
use crate::runtime::commands::Declined;

/// `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// HTTP's status.
    pub status: u16,
    /// The page, `LS6006`.
    #[serde(rename = "type")]
    pub page: String,
    /// What is wrong, for a person. No personal data beyond what the asker sent.
    pub title: String,
    /// How to mend it.
    pub detail: String,
}

impl Problem {
    #[must_use]
    pub fn new(status: StatusCode, page: &str, title: &str, detail: &str) -> Self {
        Self {
            status: status.as_u16(),
            page: page.to_owned(),
            title: title.to_owned(),
            detail: detail.to_owned(),
        }
    }

    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "LS6050",
            "this needs a token or a session",
            "send `Authorization: Bearer TOKEN`, or sign in at /login",
        )
    }

    #[must_use]
    pub fn forbidden(needed: Role) -> Self {
        let needed = match needed {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        };
        Self::new(
            StatusCode::FORBIDDEN,
            "LS6051",
            &format!("this needs the role {needed}"),
            "use a token of that role, or ask one who has it",
        )
    }

    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "LS6052",
            what,
            "it is not there, or no longer",
        )
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let Failure { page, text, remedy } = failure;
        let status = match page.as_str() {
            // Nothing is wrong with the question: it comes too early or too late.
            "LS6006" => StatusCode::SERVICE_UNAVAILABLE,
            "LS6004" => StatusCode::INTERNAL_SERVER_ERROR,
            // The state is sound, and refuses what would lose or send what it must not.
            "LS3040" | "LS3062" => StatusCode::UNPROCESSABLE_ENTITY,
            page if page.starts_with("LS3") => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, &page, &text, &remedy)
    }
}

impl From<Declined> for Problem {
    fn from(declined: Declined) -> Self {
        let Declined { page, text, remedy } = declined;
        Failure { page, text, remedy }.into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let body = axum::Json(&self).into_response().into_body();
        let mut response = (status, kind, body).into_response();
        // The console makes a page of it.
        response.extensions_mut().insert(self);
        response
    }
}
