//! What all pages share: the frame around them, and an answer made of a template.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::assets;
use crate::operator::access::{Identity, Role};
use crate::operator::problem::Problem;

/// What the frame `templates/console/frame.html` shows: a field `frame` of every page's template.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The page's own name, before ` · leadstream` in the title.
    pub title: String,
    /// Which entry of the navigation is lit: its path.
    pub here: &'static str,
    pub who: Identity,
}

impl Frame {
    #[must_use]
    pub fn new(title: impl Into<String>, here: &'static str, who: Identity) -> Self {
        Self {
            title: title.into(),
            here,
            who,
        }
    }

    /// What forms send back as `csrf`.
    #[must_use]
    pub fn csrf(&self) -> &str {
        self.who.csrf.as_deref().unwrap_or_default()
    }

    /// Whether buttons that change something are shown.
    #[must_use]
    pub fn may_change(&self) -> bool {
        self.who.role >= Role::Operator
    }

    /// The role's name.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match self.who.role {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// Where the style sheet is.
    #[must_use]
    pub fn style(&self) -> &'static str {
        assets::style()
    }

    /// Where the script is.
    #[must_use]
    pub fn script(&self) -> &'static str {
        assets::script()
    }
}

/// A page, or 500 when its template fails.
pub fn render(template: &impl Template) -> Response {
    match template.render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "LS6004",
                "this page cannot be made",
                "the service's log says why",
            )
            .into_response()
        }
    }
}
