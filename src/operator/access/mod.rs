//! Who asks over HTTP, and what they may do.
//!
//! Tokens come from a file that holds their hashes ([`token_file`]); a person turns one into a
//! session at `/login`, a program sends it with every request. One layer ([`gate`]) stands before
//! all routes: it finds out who asks, or turns the request away.

pub mod gate;
mod limits;
mod login;
mod origin;
mod sessions;
pub mod token_file;
mod tokens;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

pub(super) use login::router;

use super::problem::Problem;

/// What a person or a program may do; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks; personal values are masked.
    Viewer,
    /// Sees personal values, mends dead letters, starts snapshots, pauses routes.
    Operator,
    /// Erases people, besides.
    Admin,
}

impl Role {
    /// As it stands in token files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Role::Viewer, Role::Operator, Role::Admin];
        let found = all.into_iter().find(|role| role.name() == text);
        found.ok_or("a role is viewer, operator or admin")
    }
}

/// Who asks. Put into the request's extensions by the layer that looks at tokens and sessions;
/// handlers take it as an argument, and a request without one is answered 401 before they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's name: the author of what is changed.
    pub name: Arc<str>,
    pub role: Role,
    /// What forms must send back; `None` for a bearer token, which no other site can make a
    /// browser send.
    pub csrf: Option<Arc<str>>,
}

impl Identity {
    /// Whether personal values are shown.
    #[must_use]
    pub fn sees_people(&self) -> bool {
        self.role >= Role::Operator
    }

    /// Refuses those whose role is below this one.
    ///
    /// # Errors
    /// 403, naming the role that is needed.
    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            Ok(())
        } else {
            Err(Problem::forbidden(role))
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Identity>().cloned();
        found.ok_or_else(Problem::unauthorized)
    }
}

#[cfg(test)]
mod tests;
