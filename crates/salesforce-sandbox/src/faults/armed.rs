//! The list of armed faults, and the decision which of them act on a request.
//!
//! Invariant: all counting (`times`, `skip`, hits) happens here, once per request, under the lock of [`super::Faults`].
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::plan::{Occasion, Plan};
use super::when;
use super::{Action, Endpoint, Fault, FaultId, FaultState, FaultStatus, Outage};

/// Keys that a fault counts by themselves. Beyond that it passes over new ones, so that memory stays bounded.
const MAX_COUNTED_KEYS: usize = 1_000_000;

#[derive(Debug)]
pub(super) struct ArmedFault {
    pub(super) id: FaultId,
    pub(super) fault: Fault,
    armed_micros: u64,
    wanted: Option<HashSet<String>>,
    seen: u64,
    hits: u64,
    /// For actions on records: how often each key was seen, by hash. Two keys of one hash among a million are a
    /// matter of luck beyond reason.
    seen_by_key: HashMap<u64, u64>,
}

/// The list behind [`super::Faults`].
#[derive(Debug, Default)]
pub(super) struct Armed {
    pub(super) faults: Vec<ArmedFault>,
    last_id: u64,
    pub(super) hasher: RandomState,
}

impl Armed {
    /// The fault is sound, and has a seed when it draws.
    pub(super) fn add(&mut self, fault: Fault, now_micros: u64) -> FaultId {
        self.last_id += 1;
        let id = FaultId(self.last_id);
        let wanted = fault
            .keys
            .as_ref()
            .map(|keys| keys.iter().cloned().collect());
        self.faults.push(ArmedFault {
            id,
            fault,
            armed_micros: now_micros,
            wanted,
            seen: 0,
            hits: 0,
            seen_by_key: HashMap::new(),
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

    pub(super) fn len(&self) -> usize {
        self.faults.len()
    }

    pub(super) fn list(&self, now_micros: u64) -> Vec<FaultStatus> {
        self.faults
            .iter()
            .map(|armed| FaultStatus {
                id: armed.id,
                fault: armed.fault.clone(),
                hits: armed.hits,
                state: armed.state(now_micros),
            })
            .collect()
    }

    pub(super) fn outage(&mut self, occasion: &Occasion<'_>, now_micros: u64) -> Option<Outage> {
        self.faults.iter_mut().find_map(|armed| {
            let Action::Down { outage } = armed.fault.action else {
                return None;
            };
            (armed.is_for(occasion, now_micros) && armed.draw::<&str>(&[])).then_some(outage)
        })
    }

    pub(super) fn plan(&mut self, occasion: &Occasion<'_>, now_micros: u64) -> Plan {
        let mut plan = Plan::default();
        for armed in &mut self.faults {
            let elsewhere = matches!(armed.fault.action, Action::Down { .. })
                || armed.fault.action.is_on_jobs();
            if elsewhere || !armed.is_for(occasion, now_micros) {
                continue;
            }
            if armed.fault.action.is_on_records() {
                armed.draw_records(occasion.keys, &self.hasher, &mut plan);
            } else if armed.draw(occasion.keys) {
                plan.take(armed.id, &armed.fault, occasion);
            }
        }
        plan
    }

    /// The plan for a composite call as a whole, or for one part of it of that kind. Faults on records, `poison`
    /// among them, are for the parts that carry the records; all others are for the whole and act once.
    pub(super) fn plan_composite(
        &mut self,
        part: Option<Endpoint>,
        occasion: &Occasion<'_>,
        now_micros: u64,
    ) -> Plan {
        let mut plan = Plan::default();
        for armed in &mut self.faults {
            let action = &armed.fault.action;
            let for_parts = action.is_on_records() || matches!(action, Action::Poison { .. });
            let elsewhere = matches!(action, Action::Down { .. }) || action.is_on_jobs();
            if elsewhere || for_parts != part.is_some() {
                continue;
            }
            let endpoints = [Some(Endpoint::Composite), part];
            let is_for = endpoints.into_iter().flatten().any(|endpoint| {
                let occasion = Occasion {
                    endpoint,
                    ..*occasion
                };
                armed.is_for(&occasion, now_micros)
            });
            if !is_for {
                continue;
            }
            if armed.fault.action.is_on_records() {
                armed.draw_records(occasion.keys, &self.hasher, &mut plan);
            } else if armed.draw(occasion.keys) {
                plan.take(armed.id, &armed.fault, occasion);
            }
        }
        plan
    }
}

impl ArmedFault {
    fn state(&self, now_micros: u64) -> FaultState {
        let spent = !self.fault.action.is_on_records()
            && self.fault.times.is_some_and(|times| self.hits >= times);
        if spent {
            return FaultState::Spent;
        }
        when::state(&self.fault, self.armed_micros, now_micros)
    }

    pub(super) fn is_for(&self, occasion: &Occasion<'_>, now_micros: u64) -> bool {
        let fault = &self.fault;
        let action_fits = match fault.action {
            Action::TokenError { .. } => occasion.endpoint == Endpoint::Token,
            Action::SessionExpired { .. } => {
                !matches!(occasion.endpoint, Endpoint::Token | Endpoint::Login)
            }
            _ => true,
        };
        action_fits
            && fault.on.covers(occasion.endpoint)
            && fault
                .method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(occasion.method))
            && fault
                .path
                .as_ref()
                .is_none_or(|prefix| occasion.path.starts_with(prefix.as_str()))
            && when::state(fault, self.armed_micros, now_micros) == FaultState::Active
    }

    fn picks(&self, key: &str) -> bool {
        self.wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(key))
            && self
                .fault
                .probability
                .is_none_or(|share| when::is_drawn(self.seed(), key, share))
    }

    fn seed(&self) -> u64 {
        self.fault.seed.unwrap_or_default()
    }

    /// Whether it acts on this request; counts it.
    pub(super) fn draw<K: AsRef<str>>(&mut self, keys: &[K]) -> bool {
        let picked = match (&self.wanted, self.fault.probability) {
            (None, None) => true,
            (None, Some(share)) if keys.is_empty() => {
                // Each such request is drawn by its number.
                when::is_drawn(self.seed(), &self.seen.to_string(), share)
            }
            _ => keys.iter().any(|key| self.picks(key.as_ref())),
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

    pub(super) fn draw_records<K: AsRef<str>>(
        &mut self,
        keys: &[K],
        hasher: &RandomState,
        plan: &mut Plan,
    ) {
        for (index, key) in keys.iter().enumerate() {
            let key = key.as_ref();
            if self.picks(key) && self.counts_in(hasher.hash_one(key)) {
                self.hits += 1;
                plan.take_record(&self.fault, index);
            }
        }
    }

    /// Whether it is this key's turn.
    fn counts_in(&mut self, key: u64) -> bool {
        // Counting by key costs memory, so it is only done where something depends on it.
        if self.fault.times.is_none() && self.fault.skip == 0 {
            return true;
        }
        if self.seen_by_key.len() >= MAX_COUNTED_KEYS && !self.seen_by_key.contains_key(&key) {
            return false;
        }
        let seen = self.seen_by_key.entry(key).or_insert(0);
        *seen += 1;
        let acted = seen.saturating_sub(self.fault.skip);
        acted > 0 && self.fault.times.is_none_or(|times| acted <= times)
    }
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

    fn plan(armed: &mut Armed, endpoint: Endpoint, keys: &[&str], now_seconds: u64) -> Plan {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let occasion = Occasion {
            endpoint,
            method: "PATCH",
            path: "/services/data/v67.0/composite/sobjects/Lead/MySQL_Id__c",
            keys: &keys,
        };
        armed.plan(&occasion, now_seconds * 1_000_000)
    }

    fn hit(plan: &Plan) -> Vec<usize> {
        plan.records.iter().map(|(index, _)| *index).collect()
    }

    #[test]
    fn record_errors_count_for_each_key_by_itself() {
        let mut armed = Armed::default();
        armed.add(
            Fault::new(locked("UNABLE_TO_LOCK_ROW"))
                .times(1)
                .keys(["a", "b"]),
            0,
        );
        let mut hits = |keys: &[&str]| hit(&plan(&mut armed, Endpoint::Collections, keys, 0));
        assert_eq!(hits(&["a", "x"]), [0]);
        assert_eq!(hits(&["a", "b"]), [1]);
        assert_eq!(hits(&["a", "b"]), [] as [usize; 0]);
    }

    #[test]
    fn a_fault_acts_after_its_skips_and_is_spent_after_its_times() {
        let mut armed = Armed::default();
        let page = Action::Html {
            status: 503,
            commit: false,
        };
        armed.add(Fault::new(page).skip(1).times(2), 0);
        let acts: Vec<bool> = (0..5)
            .map(|_| plan(&mut armed, Endpoint::Other, &[], 0).refuse.is_some())
            .collect();
        assert_eq!(acts, [false, true, true, false, false]);
        assert_eq!(armed.list(0)[0].state, FaultState::Spent);
    }

    #[test]
    fn probability_picks_about_its_share_of_keys_and_always_the_same_ones() {
        let keys: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let pick = || {
            let mut armed = Armed::default();
            armed.add(Fault::new(locked("X")).probability(0.1, 7), 0);
            hit(&plan(&mut armed, Endpoint::Single, &keys, 0))
        };
        assert_eq!(pick(), pick());
        assert!((800..1200).contains(&pick().len()), "{}", pick().len());
    }

    #[test]
    fn method_path_endpoint_and_time_must_all_fit() {
        let page = || {
            Fault::new(Action::Html {
                status: 503,
                commit: false,
            })
        };
        let acts = |fault: Fault, now_seconds| {
            let mut armed = Armed::default();
            armed.add(fault, 0);
            plan(&mut armed, Endpoint::Collections, &[], now_seconds)
                .refuse
                .is_some()
        };
        assert!(acts(
            page().method("patch").path("/services/data/v67.0/"),
            0
        ));
        assert!(!acts(page().method("GET"), 0));
        assert!(!acts(page().path("/services/data/v66.0/"), 0));
        assert!(!acts(page().on(Endpoint::Single), 0));
        assert!(acts(page().after_seconds(5).for_seconds(5), 7));
        assert!(!acts(page().after_seconds(5).for_seconds(5), 4));
        assert!(!acts(page().after_seconds(5).for_seconds(5), 10));
    }

    #[test]
    fn keys_that_are_counted_by_themselves_are_bounded() {
        let mut armed = Armed::default();
        armed.add(Fault::new(locked("X")).times(1), 0);
        armed.faults[0].seen_by_key = (0..MAX_COUNTED_KEYS as u64).map(|n| (n, 1)).collect();
        assert!(!armed.faults[0].counts_in(u64::MAX));
        assert_eq!(armed.faults[0].seen_by_key.len(), MAX_COUNTED_KEYS);
    }
}
