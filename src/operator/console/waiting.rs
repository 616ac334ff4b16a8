//! What waits for a person, in plain words, for the page that points to it.

use super::words::{relative, several};
use super::{causes, desk};
use crate::core::time::Micros;
use crate::operator::View;
use crate::operator::letters::LetterQuestion;
use crate::operator::questions::{Query, Reply, answer};
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

/// The groups, the largest first; or why they cannot be told.
pub(super) async fn groups(view: &View, author: &str) -> Result<Vec<Group>, String> {
    let now = (view.clock)();
    let query = Query::Letters {
        what: LetterQuestion::Groups {
            filter: DeadLetterFilter::default(),
        },
    };
    match answer(query, view.clone(), author).await {
        Reply::Value(value) => {
            let groups: Vec<LetterGroup> =
                serde_json::from_value(value).map_err(|error| error.to_string())?;
            Ok(groups.into_iter().map(|it| Group::new(it, now)).collect())
        }
        Reply::Failure(failure) => Err(failure.text),
    }
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
