//! What an operator asks of a route: to wait, and to go on.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::commands::Declined;
use crate::core::acts::OperatorPause;

/// Carried out by the driver, answered when it is durable.
#[derive(Debug)]
pub struct RouteCommand {
    pub route: String,
    pub author: String,
    pub wish: RouteWish,
    pub answer: oneshot::Sender<Result<RouteActed, Declined>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteWish {
    /// For this reason.
    Pause(String),
    Resume,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteActed {
    pub route: String,
    /// False: it was so already.
    pub changed: bool,
    /// Who paused it, since when and why; `None` when it is not paused now.
    pub pause: Option<OperatorPause>,
}

/// A reason is a sentence.
pub const MAX_REASON_BYTES: usize = 500;

impl RouteWish {
    pub(super) fn check(&self) -> Result<(), Declined> {
        let RouteWish::Pause(reason) = self else {
            return Ok(());
        };
        if !reason.trim().is_empty() && reason.len() <= MAX_REASON_BYTES {
            return Ok(());
        }
        Err(Declined {
            page: "LS6072".to_owned(),
            text: format!("a pause needs a reason of 1 to {MAX_REASON_BYTES} bytes"),
            remedy: "say in a sentence why the route waits: whoever finds it paused reads it"
                .to_owned(),
        })
    }
}

pub(super) fn no_such_route(route: &str, known: &[&str]) -> Declined {
    Declined {
        page: "LS6071".to_owned(),
        text: format!("the configuration has no route {route:?}"),
        remedy: format!("name one of its routes: {}", known.join(", ")),
    }
}
