//! The model's operator: pauses and resumes routes at random moments, and leaves none paused when
//! the world is healed.

use super::{ROUTES, World};
use crate::core::acts::{Act, ActKind};
use crate::core::pipeline::Pipeline;

pub(super) fn act(world: &mut World, pipeline: &Pipeline) -> Option<Act> {
    let paused = |name: &&str| pipeline.operator_pause(name).is_some();
    let (kind, route) = if world.faults {
        if world.random.below(60) > 0 {
            return None;
        }
        let kinds = [ActKind::PauseRoute, ActKind::ResumeRoute];
        let kind = kinds[world.random.below(2) as usize];
        (kind, ROUTES[world.random.below(2) as usize])
    } else {
        (ActKind::ResumeRoute, ROUTES.into_iter().find(paused)?)
    };
    Some(Act {
        kind,
        author: "ada".into(),
        route: Some(route.into()),
        reason: String::new(),
    })
}
