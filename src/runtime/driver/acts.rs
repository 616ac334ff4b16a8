//! What people ask of the running service, noted with who asked; and routes that they pause.

use super::{Driver, Error};
use crate::core::acts::{Act, ActKind};
use crate::core::pipeline::Input;
use crate::runtime::commands::Answer;
use crate::runtime::route_acts::{RouteActed, RouteCommand, RouteWish, no_such_route};

impl Driver {
    /// Notes who asked for something that was done.
    pub(super) fn note_act(&mut self, kind: ActKind, author: String) -> Result<(), Error> {
        self.step(Input::Act(Act {
            kind,
            author,
            route: None,
            reason: String::new(),
        }))
    }

    /// The level itself is changed already, beside the loop.
    pub(super) fn note_log_level(
        &mut self,
        author: String,
        now: String,
        answer: Answer,
    ) -> Result<(), Error> {
        self.step(Input::Act(Act {
            kind: ActKind::SetLogLevel,
            author,
            route: None,
            reason: now,
        }))?;
        // Who asked may have gone meanwhile.
        self.letters.once_durable(move || drop(answer.send(Ok(0))));
        Ok(())
    }

    pub(super) fn take_route_command(&mut self, command: RouteCommand) -> Result<(), Error> {
        let RouteCommand {
            route,
            author,
            wish,
            answer,
        } = command;
        let routes: Vec<&str> = self.parts.routes.iter().map(|it| &*it.name).collect();
        let known = routes.contains(&route.as_str());
        let checked = if known {
            wish.check()
        } else {
            Err(no_such_route(&route, &routes))
        };
        if let Err(declined) = checked {
            // Who asked may have gone meanwhile, here and below.
            let _ = answer.send(Err(declined));
            return Ok(());
        }
        let was_paused = self.parts.pipeline.operator_pause(&route).is_some();
        let (kind, reason) = match wish {
            RouteWish::Pause(reason) => (ActKind::PauseRoute, reason),
            RouteWish::Resume => (ActKind::ResumeRoute, String::new()),
        };
        self.step(Input::Act(Act {
            kind,
            author,
            route: Some(route.clone()),
            reason,
        }))?;
        let pause = self.parts.pipeline.operator_pause(&route).cloned();
        self.publish();
        let acted = RouteActed {
            changed: was_paused != pause.is_some(),
            route,
            pause,
        };
        // Also when nothing changed: what it is already may not be durable yet.
        self.letters
            .once_durable(move || drop(answer.send(Ok(acted))));
        Ok(())
    }
}
