//! What a route does with refusals that are nobody's mistake: its own settings, held here because
//! only the pipeline knows which record they meet.

use super::Pipeline;
use crate::core::batching::Handle;
use crate::core::entry::{Entry, SkipRule};
use crate::core::outcome::Rejection;

use super::answers::Timing;

/// A converted lead lives on as contact and account; Salesforce lets nobody change it any more.
const CONVERTED: &str = "CANNOT_UPDATE_CONVERTED_LEAD";

/// What becomes of a change of a lead that is converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConverted {
    /// A person sees to it.
    #[default]
    DeadLetter,
    /// Counted as skipped.
    Skip,
}

/// The settings of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutePolicy {
    pub on_converted: OnConverted,
}

impl RoutePolicy {
    pub(super) fn skips(self, rejection: &Rejection) -> Option<SkipRule> {
        (self.on_converted == OnConverted::Skip && rejection.code == CONVERTED)
            .then_some(SkipRule::Converted)
    }
}

impl Pipeline {
    /// Gives the routes, by their numbers, settings other than the defaults.
    #[must_use]
    pub fn with_policies(mut self, policies: Vec<RoutePolicy>) -> Self {
        for (route, policy) in self.routes.iter_mut().zip(policies) {
            route.policy = policy;
        }
        self
    }

    /// Skips a refused record if its route says so; tells whether it did.
    pub(super) fn skip_by_policy(
        &mut self,
        handle: Handle,
        rejection: &Rejection,
        timing: Timing,
    ) -> bool {
        let route = self.planner.record(handle).subject.id.route;
        let Some(rule) = self.route(route).policy.skips(rejection) else {
            return false;
        };
        let attempt = self.attempt(handle, timing);
        let record = self.take_out(handle);
        self.entries.push(Entry::SkippedRecord {
            subject: record.subject,
            rule,
            code: rejection.code.clone(),
            attempt,
        });
        true
    }
}
