//! From armed faults to what happens to one request.
//!
//! Invariant: all counting (`times`, `skip`, hits) happens here, once per request, under the lock of [`super::Faults`].
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::{Action, Endpoint, Fault, FaultId, FaultStatus, Outage};
use crate::org::Refusal;

/// What happens to one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) wait_before: Duration,
    pub(crate) hold_before: Option<FaultId>,
    /// Instead of a commit.
    pub(crate) refuse: Option<Refuse>,
    /// (index of the record, why).
    pub(crate) records: Vec<(usize, Refusal)>,
    pub(crate) wait_after: Duration,
    pub(crate) hold_after: Option<FaultId>,
    /// Instead of the reply.
    pub(crate) after: Option<After>,
    pub(crate) hits: u64,
}

impl Plan {
    /// Whether time passes between the arrival and the commit.
    pub(crate) fn waits_before(&self) -> bool {
        self.hold_before.is_some() || !self.wait_before.is_zero()
    }
}

/// A refusal of the whole request, before anything is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refuse {
    Json {
        status: u16,
        refusal: Refusal,
    },
    SessionExpired {
        revoke: bool,
        message: Option<String>,
    },
    Token {
        error: String,
        description: Option<String>,
    },
    Html(u16),
    Cut,
}

/// What replaces the reply after the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Html(u16),
    Cut,
}

#[derive(Debug)]
pub(super) struct ArmedFault {
    pub(super) id: FaultId,
    pub(super) fault: Fault,
    wanted: Option<HashSet<String>>,
    seen: u64,
    hits: u64,
    /// For actions on records: how often each key was hit.
    hits_by_key: HashMap<String, u64>,
}

/// The list behind [`super::Faults`].
#[derive(Debug, Default)]
pub(super) struct Armed {
    pub(super) faults: Vec<ArmedFault>,
    last_id: u64,
}

impl Armed {
    pub(super) fn add(&mut self, fault: Fault) -> FaultId {
        self.last_id += 1;
        let id = FaultId(self.last_id);
        let wanted = fault
            .keys
            .as_ref()
            .map(|keys| keys.iter().cloned().collect());
        self.faults.push(ArmedFault {
            id,
            fault,
            wanted,
            seen: 0,
            hits: 0,
            hits_by_key: HashMap::new(),
        });
        id
    }

    pub(super) fn remove(&mut self, id: FaultId) -> bool {
        let before = self.faults.len();
        self.faults.retain(|armed| armed.id != id);
        self.faults.len() < before
    }

    pub(super) fn contains(&self, id: FaultId) -> bool {
        self.faults.iter().any(|armed| armed.id == id)
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn list(&self) -> Vec<FaultStatus> {
        self.faults
            .iter()
            .map(|armed| FaultStatus {
                id: armed.id,
                fault: armed.fault.clone(),
                hits: armed.hits,
            })
            .collect()
    }

    pub(super) fn outage(&mut self, endpoint: Endpoint) -> Option<Outage> {
        self.faults.iter_mut().find_map(|armed| {
            let Action::Down { outage } = armed.fault.action else {
                return None;
            };
            (armed.is_for(endpoint) && armed.draw(&[])).then_some(outage)
        })
    }

    pub(super) fn plan(&mut self, endpoint: Endpoint, keys: &[&str]) -> Plan {
        let mut plan = Plan::default();
        for armed in &mut self.faults {
            let elsewhere =
                matches!(armed.fault.action, Action::Down { .. }) || armed.is_for_jobs();
            if !armed.is_for(endpoint) || elsewhere {
                continue;
            }
            if matches!(armed.fault.action, Action::RecordError { .. }) {
                armed.draw_records(keys, &mut plan);
            } else if armed.draw(keys) {
                plan.hits += 1;
                armed.act(&mut plan);
            }
        }
        plan
    }

    /// The plan for a composite call as a whole, or for one part of it of that kind. Faults on records, `poison`
    /// among them, are for the parts that carry the records; all others are for the whole and act once.
    pub(super) fn plan_composite(&mut self, part: Option<Endpoint>, keys: &[&str]) -> Plan {
        let mut plan = Plan::default();
        for armed in &mut self.faults {
            let is_for = armed.is_for(Endpoint::Composite)
                || part.is_some_and(|endpoint| armed.is_for(endpoint));
            let on_records = match armed.fault.action {
                Action::RecordError { .. } | Action::Poison { .. } => true,
                Action::Down { .. } => continue,
                _ => false,
            };
            if !is_for || armed.is_for_jobs() || on_records != part.is_some() {
                continue;
            }
            if matches!(armed.fault.action, Action::RecordError { .. }) {
                armed.draw_records(keys, &mut plan);
            } else if armed.draw(keys) {
                plan.hits += 1;
                armed.act(&mut plan);
            }
        }
        plan
    }
}

impl ArmedFault {
    pub(super) fn is_for(&self, endpoint: Endpoint) -> bool {
        let action_fits = match self.fault.action {
            Action::TokenError { .. } => endpoint == Endpoint::Token,
            Action::SessionExpired { .. } => !matches!(endpoint, Endpoint::Token | Endpoint::Login),
            _ => true,
        };
        let part_of_bulk = matches!(
            endpoint,
            Endpoint::BulkCreate
                | Endpoint::BulkUpload
                | Endpoint::BulkState
                | Endpoint::BulkInfo
                | Endpoint::BulkResults
        );
        action_fits
            && (self.fault.on == Endpoint::All
                || self.fault.on == endpoint
                || (self.fault.on == Endpoint::Bulk && part_of_bulk))
    }

    fn picks(&self, key: &str) -> bool {
        self.wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(key))
            && self
                .fault
                .probability
                .is_none_or(|share| is_drawn(self.fault.seed, key, share))
    }

    /// Whether it acts on this request; counts it.
    pub(super) fn draw(&mut self, keys: &[&str]) -> bool {
        let picked = match (&self.wanted, self.fault.probability) {
            (None, None) => true,
            (None, Some(share)) if keys.is_empty() => {
                // Each such request is drawn by its number.
                is_drawn(self.fault.seed, &self.seen.to_string(), share)
            }
            _ => keys.iter().any(|key| self.picks(key)),
        };
        if !picked {
            self.seen += u64::from(keys.is_empty());
            return false;
        }
        self.seen += 1;
        let acts =
            self.seen > self.fault.skip && self.fault.times.is_none_or(|times| self.hits < times);
        self.hits += u64::from(acts);
        acts
    }

    pub(super) fn draw_records(&mut self, keys: &[&str], plan: &mut Plan) {
        let Action::RecordError {
            status_code,
            message,
            fields,
        } = &self.fault.action
        else {
            return;
        };
        for (index, key) in keys.iter().enumerate() {
            if !self.picks(key) {
                continue;
            }
            // Counting per key costs memory, so it is only done where something depends on it.
            if self.fault.times.is_some() || self.fault.skip > 0 {
                let seen = self.hits_by_key.entry((*key).to_owned()).or_insert(0);
                *seen += 1;
                let acted = seen.saturating_sub(self.fault.skip);
                if acted == 0 || self.fault.times.is_some_and(|times| acted > times) {
                    continue;
                }
            }
            self.hits += 1;
            plan.hits += 1;
            if plan.records.iter().all(|(taken, _)| *taken != index) {
                let refusal = Refusal {
                    code: status_code.clone().into(),
                    message: message.clone(),
                    fields: fields.clone(),
                    details: None,
                };
                plan.records.push((index, refusal));
            }
        }
    }

    fn act(&self, plan: &mut Plan) {
        match &self.fault.action {
            Action::Delay {
                milliseconds,
                after_commit: false,
            } => {
                plan.wait_before += Duration::from_millis(*milliseconds);
            }
            Action::Delay {
                milliseconds,
                after_commit: true,
            } => {
                plan.wait_after += Duration::from_millis(*milliseconds);
            }
            Action::Hold {
                after_commit: false,
            } => plan.hold_before = plan.hold_before.or(Some(self.id)),
            Action::Hold { after_commit: true } => {
                plan.hold_after = plan.hold_after.or(Some(self.id))
            }
            Action::SessionExpired { revoke, message } => {
                plan.refuse_with(Refuse::SessionExpired {
                    revoke: *revoke,
                    message: message.clone(),
                });
            }
            Action::Refuse {
                status,
                code,
                message,
            } => {
                let refusal = Refusal {
                    code: code.clone().into(),
                    message: message.clone(),
                    fields: Vec::new(),
                    details: None,
                };
                plan.refuse_with(Refuse::Json {
                    status: *status,
                    refusal,
                });
            }
            Action::TokenError { error, description } => {
                plan.refuse_with(Refuse::Token {
                    error: error.clone(),
                    description: description.clone(),
                });
            }
            Action::Html {
                status,
                commit: false,
            } => plan.refuse_with(Refuse::Html(*status)),
            Action::Html {
                status,
                commit: true,
            } => plan.after = plan.after.or(Some(After::Html(*status))),
            Action::Drop { commit: false } => plan.refuse_with(Refuse::Cut),
            Action::Drop { commit: true } => plan.after = plan.after.or(Some(After::Cut)),
            Action::Poison { message } => {
                let message = message.clone().unwrap_or_else(|| {
                    "Cannot deserialize instance of datetime from VALUE_STRING value 0000-00-00 00:00:00 or request \
                     may be missing a required field at [line:1, column:179]"
                        .into()
                });
                plan.refuse_with(Refuse::Json {
                    status: 400,
                    refusal: Refusal::parser(message),
                });
            }
            Action::RecordError { .. }
            | Action::Down { .. }
            | Action::BulkFail { .. }
            | Action::BulkHold { .. }
            | Action::BulkDelay { .. }
            | Action::BulkShuffle
            | Action::BulkExpire => {}
        }
    }
}

impl Plan {
    fn refuse_with(&mut self, refuse: Refuse) {
        if self.refuse.is_none() {
            self.refuse = Some(refuse);
        }
    }
}

/// The same seed and text always give the same answer, on every run of one build.
fn is_drawn(seed: u64, text: &str, share: f64) -> bool {
    let mut hasher = DefaultHasher::new();
    (seed, text).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64 <= share && share > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(code: &str) -> Action {
        Action::RecordError {
            status_code: code.into(),
            message: "m".into(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn record_errors_count_for_each_key_by_itself() {
        let mut armed = Armed::default();
        armed.add(
            Fault::new(locked("UNABLE_TO_LOCK_ROW"))
                .times(1)
                .keys(["a", "b"]),
        );
        let hit = |plan: Plan| plan.records.iter().map(|(i, _)| *i).collect::<Vec<_>>();
        assert_eq!(hit(armed.plan(Endpoint::Collections, &["a", "x"])), [0]);
        assert_eq!(hit(armed.plan(Endpoint::Collections, &["a", "b"])), [1]);
        assert_eq!(
            hit(armed.plan(Endpoint::Collections, &["a", "b"])),
            [] as [usize; 0]
        );
    }

    #[test]
    fn a_fault_acts_after_its_skips_and_is_spent_after_its_times() {
        let mut armed = Armed::default();
        armed.add(
            Fault::new(Action::Html {
                status: 503,
                commit: false,
            })
            .skip(1)
            .times(2),
        );
        let acts: Vec<bool> = (0..5)
            .map(|_| armed.plan(Endpoint::Other, &[]).refuse.is_some())
            .collect();
        assert_eq!(acts, [false, true, true, false, false]);
    }

    #[test]
    fn probability_picks_about_its_share_of_keys_and_always_the_same_ones() {
        let keys: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let pick = || {
            let mut armed = Armed::default();
            armed.add(Fault::new(locked("X")).probability(0.1, 7));
            armed
                .plan(Endpoint::Single, &keys)
                .records
                .into_iter()
                .map(|(i, _)| i)
                .collect::<Vec<_>>()
        };
        assert_eq!(pick(), pick());
        assert!((800..1200).contains(&pick().len()), "{}", pick().len());
    }
}
