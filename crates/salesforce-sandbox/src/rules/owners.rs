//! Who may own a lead: active users, and queues (facts 7.1).
use std::collections::HashMap;

use super::{Assignments, check_id};
use crate::config::OrgConfig;
use crate::org::{Refusal, Users, id};

/// The users and queues of an org.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// By the id's 18 characters.
    known: HashMap<String, Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    active: bool,
    /// Of a user who can log in.
    number: Option<u16>,
}

impl Owners {
    pub(super) fn new(config: &OrgConfig, mistakes: &mut Vec<String>) -> Owners {
        let mut owners = Owners::default();
        for (number, user) in Users::new(config).iter().enumerate() {
            let known = owners.add(&id::user(number), user.active);
            known.number = u16::try_from(number).ok();
        }
        for number in 0..config.queues.len() {
            owners.add(&id::group(number), true);
        }
        // What a rule names exists, or the rule could not have been saved.
        for owner in Assignments::owners(config) {
            if !owners.known.contains_key(&id::eighteen(owner)) {
                owners.add(owner, true);
            }
        }
        for (i, owner) in config.owners.iter().enumerate() {
            check_id(
                &format!("owners[{i}].id"),
                &owner.id,
                &["005", "00G"],
                mistakes,
            );
            owners.add(&owner.id, owner.active);
        }
        owners
    }

    fn add(&mut self, id: &str, active: bool) -> &mut Known {
        let nobody = Known {
            active,
            number: None,
        };
        let known = self.known.entry(id::eighteen(id)).or_insert(nobody);
        known.active = active;
        known
    }

    /// Whether a lead may be given to this id of 18 characters.
    pub(crate) fn check(&self, owner: &str) -> Result<(), Refusal> {
        match self.known.get(owner) {
            Some(Known { active: true, .. }) => Ok(()),
            Some(Known { active: false, .. }) => Err(Refusal::new(
                "INACTIVE_OWNER_OR_USER",
                format!("operation performed with inactive user [{owner}] as owner of lead"),
            )),
            None => Err(Refusal::unknown_id()),
        }
    }

    /// The ids of 18 characters that the configuration names without saying whose they are.
    pub(crate) fn unnamed(config: &OrgConfig) -> Vec<(String, bool)> {
        let rules = Assignments::owners(config).map(|owner| (id::eighteen(owner), true));
        let owners = config.owners.iter();
        // Later ones come first: what is said of an owner itself counts.
        owners
            .map(|owner| (id::eighteen(&owner.id), owner.active))
            .chain(rules)
            .collect()
    }

    /// Whether there is such a user, active or not.
    pub(crate) fn is_user(&self, id: &str) -> bool {
        id.starts_with("005") && self.known.contains_key(id)
    }

    /// The number of the user with this id, if it is one who can log in.
    pub(crate) fn user_number(&self, id: &str) -> Option<u16> {
        self.known.get(id)?.number
    }
}
