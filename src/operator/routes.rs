//! Questions about the routes' mappings, and rows looked at through them.

use std::sync::LazyLock;

use tokio::sync::Semaphore;

use super::View;
use super::questions::{Reply, check_stage, value};
use crate::runtime::commands::{Command, Declined};

/// Rows at most: a page for a person, not an export.
const MOST_ROWS: u32 = 100;

/// Each look has a connection of its own to MySQL: one at a time is enough for people.
static LOOKING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(1));

pub(super) async fn outlines(view: &View) -> Reply {
    let asked = async {
        check_stage(view)?;
        let ask = |answer| Command::Routes { answer };
        view.commands.ask(ask).await
    };
    match asked.await {
        Ok(outlines) => value(Ok(outlines)),
        Err(declined) => declined.into(),
    }
}

pub(super) async fn preview(view: &View, route: String, rows: u32, masked: bool) -> Reply {
    let asked = async {
        check_stage(view)?;
        let Ok(_permit) = LOOKING.try_acquire() else {
            return Err(Declined::not_now("somebody else looks at rows"));
        };
        let ask = |answer| Command::Sample { route, answer };
        let sample = view.commands.ask(ask).await?;
        sample.look(rows.clamp(1, MOST_ROWS), masked).await
    };
    match asked.await {
        Ok(judged) => value(Ok(judged)),
        Err(declined) => declined.into(),
    }
}
