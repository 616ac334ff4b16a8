//! Pausing and resuming a route, asked on the control socket, by the API and the console.

use serde_json::json;

use super::View;
use super::questions::{Reply, check_stage, value};
use crate::runtime::commands::Command;
use crate::runtime::route_acts::{RouteCommand, RouteWish};

/// The status, with who paused which route and why: for those who are known by name.
pub(super) fn status(view: &View) -> Reply {
    let status = view.published.read();
    let mut reply = value(Ok(&*status));
    if let Reply::Value(shown) = &mut reply
        && let Some(routes) = shown["routes"].as_array_mut()
    {
        for (shown, route) in routes.iter_mut().zip(&status.routes) {
            shown["operator_pause"] = json!(route.operator_pause);
        }
    }
    reply
}

/// Answered, with a `RouteActed`, once it is durable.
pub(super) async fn answer(view: View, route: String, wish: RouteWish, author: &str) -> Reply {
    if let Err(declined) = check_stage(&view) {
        return declined.into();
    }
    let author = author.to_owned();
    let command = |answer| {
        Command::Route(RouteCommand {
            route,
            author,
            wish,
            answer,
        })
    };
    match view.commands.ask(command).await {
        Ok(acted) => value(Ok(acted)),
        Err(declined) => declined.into(),
    }
}
