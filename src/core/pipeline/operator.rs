//! Routes that an operator paused: nothing of theirs is sent, what they capture is parked in order,
//! and what was under way gets its outcome. A Bulk job that was formed before is under way.

use super::{Pipeline, Route, RoutePause};
use crate::core::acts::{Act, ActKind, OperatorPause};
use crate::core::entry::Entry;
use crate::core::time::{Now, Tick};

/// The page of a route that an operator paused.
const PAGE: &str = "LS6070";

impl Route {
    /// Why it is paused, as it is shown.
    pub(super) fn operator_pause(&self) -> Option<RoutePause> {
        let pause = self.operator.as_ref()?;
        Some(RoutePause {
            page: PAGE,
            text: "an operator paused it".to_owned(),
            remedy: format!("leadstream resume {}", self.name),
            since: Tick(0),
            holds_back: true,
            operator: Some(pause.clone()),
        })
    }
}

impl Pipeline {
    /// Why an operator paused this route; `None` when none did.
    #[must_use]
    pub fn operator_pause(&self, route: &str) -> Option<&OperatorPause> {
        let mut routes = self.routes.iter();
        routes.find(|it| it.name == route)?.operator.as_ref()
    }

    /// Whether nothing of a scope may come off the disk: an operator paused one of its routes, or
    /// a mapping does not fit.
    pub(super) fn is_scope_shut(&self, scope: u16) -> bool {
        self.is_scope_unfit(scope) || self.is_scope_paused_by_operator(scope)
    }

    pub(super) fn is_scope_paused_by_operator(&self, scope: u16) -> bool {
        let mut routes = self.routes.iter().filter(|route| route.scope == scope);
        routes.any(|route| route.operator.is_some())
    }

    /// Takes what a person did. What changes nothing is not entered.
    pub(super) fn take_act(&mut self, act: Act, now: Now) {
        let named = |route: &&mut Route| Some(&route.name) == act.route.as_ref();
        let route = self.routes.iter_mut().find(named);
        let changes = match (act.kind, route) {
            (ActKind::PauseRoute, Some(route)) if route.operator.is_none() => {
                route.operator = Some(OperatorPause {
                    author: act.author.clone(),
                    since: now.wall,
                    reason: act.reason.clone(),
                });
                true
            }
            (ActKind::ResumeRoute, Some(route)) => route.operator.take().is_some(),
            (ActKind::PauseRoute | ActKind::ResumeRoute, _) => false,
            _ => true,
        };
        if changes {
            self.entries.push(Entry::Act(act));
        }
    }
}
