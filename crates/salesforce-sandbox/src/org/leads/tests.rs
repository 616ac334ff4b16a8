//! The store against a model of it: random changes, then everything must be where it should.
use std::collections::BTreeMap;

use super::{LeadStore, Stamp};
use crate::config::OrgConfig;
use crate::org::recycle_bin::RecycleBin;
use crate::rules::{DuplicateRule, Rules};
use crate::schema::Schema;
use crate::value::Value;

const DAY: i64 = 86_400_000_000;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// What is known of a lead: its key, its city, and when it was deleted.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    key: String,
    city: Option<String>,
    deleted: Option<i64>,
}

struct World {
    schema: Schema,
    store: LeadStore,
    model: BTreeMap<u32, Known>,
    now: i64,
    key: u16,
    city: u16,
}

impl World {
    fn new() -> World {
        let config = OrgConfig {
            duplicate_rules: vec![DuplicateRule {
                match_fields: vec!["City".into()],
                ..DuplicateRule::default()
            }],
            ..OrgConfig::default()
        };
        let schema = Schema::new(&config);
        let rules = Rules::compile(&config, &schema).unwrap();
        let keys = rules.duplicates.iter().map(|rule| rule.key().clone());
        World {
            store: LeadStore::new(&schema, keys.collect(), RecycleBin::new(15, 40)),
            model: BTreeMap::new(),
            now: 0,
            key: schema.find("MySQL_Id__c").unwrap(),
            city: schema.find("City").unwrap(),
            schema,
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            user: 0,
            micros: self.now,
        }
    }

    fn values(&self, known: &Known) -> Vec<(u16, Value<'static>)> {
        let city = known.city.clone();
        let mut values = vec![
            (self.key, Value::Text(known.key.clone().into())),
            (
                self.city,
                city.map_or(Value::Null, |city| Value::Text(city.into())),
            ),
        ];
        values.sort_by_key(|(field, _)| *field);
        values
    }

    fn some(&self, random: &mut Random, deleted: bool) -> Option<u32> {
        let of_kind: Vec<u32> = self
            .model
            .iter()
            .filter(|(_, known)| known.deleted.is_some() == deleted)
            .map(|(place, _)| *place)
            .collect();
        let at = random.below(of_kind.len().max(1) as u64);
        of_kind.get(at as usize).copied()
    }

    fn step(&mut self, random: &mut Random) {
        self.now += 1;
        let city = (random.below(3) > 0).then(|| format!("Town {}", random.below(4)));
        match random.below(10) {
            0..=3 => {
                let known = Known {
                    key: format!("key {}", self.store.end()),
                    city,
                    deleted: None,
                };
                let place = self.store.insert(&self.values(&known), self.stamp());
                // Some calls are undone; the last insertion is then the first to go.
                if random.below(3) == 0 {
                    self.store.forget(place);
                } else {
                    self.model.insert(place, known);
                }
            }
            4..=5 => {
                if let Some(place) = self.some(random, false) {
                    let known = Known {
                        city,
                        ..self.model[&place].clone()
                    };
                    let before = self
                        .store
                        .update(place, &self.values(&known), self.stamp())
                        .unwrap();
                    if random.below(3) == 0 {
                        self.store.restore(place, before);
                    } else {
                        self.model.insert(place, known);
                    }
                }
            }
            6..=7 => {
                if let Some(place) = self.some(random, false) {
                    self.store.delete(place, self.stamp()).unwrap();
                    self.model.get_mut(&place).unwrap().deleted = Some(self.now);
                }
            }
            8 => {
                if let Some(place) = self.some(random, true) {
                    self.store.undelete(place, self.stamp()).unwrap();
                    self.model.get_mut(&place).unwrap().deleted = None;
                }
            }
            _ => {
                self.now += DAY;
                self.empty_bin();
            }
        }
    }

    /// What the store keeps is what is young enough; how many it keeps at most is told elsewhere.
    fn empty_bin(&mut self) {
        self.store.empty_bin(self.now);
        let store = &self.store;
        self.model.retain(|place, known| {
            let Some(deleted) = known.deleted else {
                return true;
            };
            let is_kept = store.is_in_bin(*place);
            assert!(
                !is_kept || self.now - deleted < 15 * DAY,
                "{place} stays for ever"
            );
            is_kept
        });
    }

    #[track_caller]
    fn check(&mut self) {
        let live: Vec<u32> = self
            .model
            .iter()
            .filter(|(_, known)| known.deleted.is_none())
            .map(|(place, _)| *place)
            .collect();
        assert_eq!(
            self.store
                .iter()
                .map(|(place, _)| place)
                .collect::<Vec<_>>(),
            live
        );
        let all: Vec<u32> = self.model.keys().copied().collect();
        assert_eq!(
            self.store
                .iter_all()
                .map(|(place, _)| place)
                .collect::<Vec<_>>(),
            all
        );
        assert_eq!(self.store.count(), live.len() as u64);
        for place in 0..self.store.end() {
            let known = self.model.get(&place);
            let seen = self.store.seen(place, true);
            assert_eq!(seen.is_some(), known.is_some(), "{place}");
            if let (Some(seen), Some(known)) = (seen, known) {
                let city = seen.value(self.city);
                assert_eq!(
                    city,
                    known.city.clone().map(|city| Value::Text(city.into()))
                );
            }
        }
        for (place, known) in self.model.clone() {
            let found = self.store.find(&self.schema, self.key, &known.key);
            let expected: &[u32] = if known.deleted.is_none() {
                &[place]
            } else {
                &[]
            };
            assert_eq!(found, expected);
        }
        for town in 0..4 {
            let town = format!("Town {town}");
            let expected: Vec<u32> = live
                .iter()
                .filter(|place| self.model[place].city.as_ref() == Some(&town))
                .copied()
                .collect();
            let key = format!("{}\u{1f}", town.to_lowercase());
            assert_eq!(self.store.find_duplicates(0, &key), expected);
            assert_eq!(self.store.find(&self.schema, self.city, &town), expected);
        }
    }
}

#[test]
fn everything_is_found_where_it_is_after_any_changes() {
    for seed in 1..=20 {
        let mut random = Random(seed);
        let mut world = World::new();
        for _ in 0..40 {
            for _ in 0..10 {
                world.step(&mut random);
            }
            world.check();
        }
    }
}
