//! What waits for a person, in plain words, for the page that points to it.

use super::words::{relative, several};
use super::{causes, desk};
use crate::core::time::Micros;
use crate::operator::View;
use crate::state::{DeadLetterFilter, LetterGroup};

/// Dead letters of one cause.
pub(super) struct Group {
    /// `214 leads: State is not in the list`.
    pub says: String,
    pub route: String,
    /// Who can mend it.
    pub who: &'static str,
    pub since: String,
    pub oldest: Micros,
    /// Its page.
    pub link: String,
}

/// The groups, the largest first; or why they cannot be told. The page is told anew every few
/// seconds, so that it does not wait for an index that is behind.
pub(super) async fn groups(view: &View) -> Result<Vec<Group>, String> {
    let now = (view.clock)();
    let groups = desk::look(view, |index| {
        index.letter_groups(&DeadLetterFilter::default())
    });
    let groups = groups.await.map_err(|failure| failure.text)?;
    Ok(groups.into_iter().map(|it| Group::new(it, now)).collect())
}

impl Group {
    fn new(group: LetterGroup, now: Micros) -> Self {
        let cause = causes::cause(&group.class, &group.code, &group.field);
        let link = desk::Group::from(&group).address();
        Self {
            says: format!("{}: {}", several(group.count, "lead", "leads"), cause.says),
            route: group.route,
            who: cause.who.text(),
            since: relative(group.oldest, now),
            oldest: group.oldest,
            link,
        }
    }
}
