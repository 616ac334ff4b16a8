//! What the mapping has refused of letters, as text: what the pages show of them, for those who have
//! no page.

use std::collections::BTreeMap;

use super::Letters;
use crate::core::mapping::Refused;
use crate::runtime::commands::Command;
use crate::runtime::fields::RouteFields;
use crate::state::LetterStory;

/// Asks for each route once.
pub struct Refusals<'l> {
    letters: &'l Letters,
    /// `None` of a route that is gone, or not known yet.
    routes: BTreeMap<String, Option<RouteFields>>,
}

impl<'l> Refusals<'l> {
    #[must_use]
    pub fn new(letters: &'l Letters) -> Self {
        Self {
            letters,
            routes: BTreeMap::new(),
        }
    }

    /// By API name; nothing of a field that is worked out, which has no one value.
    pub async fn of(&mut self, story: &LetterStory) -> BTreeMap<String, String> {
        let Some(row) = &story.row else {
            return BTreeMap::new();
        };
        let route = &story.route;
        if !self.routes.contains_key(route) {
            let name = route.clone();
            let command = |answer| Command::Fields {
                route: name,
                answer,
            };
            let fields = self.letters.commands.ask(command).await.ok();
            self.routes.insert(route.clone(), fields);
        }
        let Some(Some(fields)) = self.routes.get(route) else {
            return BTreeMap::new();
        };
        let payload = story.payload.as_ref().map_or("{}", |payload| payload.get());
        let sent = super::sheet::cells(payload);
        let is_settled = |name: &str| {
            let is_edited = story.edited.iter().any(|it| it.eq_ignore_ascii_case(name));
            is_edited || sent.contains_key(name)
        };
        let refused = fields.refused(row.get(), is_settled).into_iter();
        let texts = refused.filter_map(|(name, refused)| match refused {
            Refused::Text(text) => Some((name, text)),
            Refused::ComputedFrom(_) => None,
        });
        texts.collect()
    }
}
