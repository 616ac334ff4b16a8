//! What others do to leads while a client is not looking: for oracles, rehearsals, and tests of reconciliation.
//!
//! Nothing here is a call to the API: it costs none, is not logged, and no fault touches it.
use serde::de::DeserializeSeed;
use serde_json::{Map, Value as Json};

use super::leads::Stamp;
use super::save::taken;
use super::{Draft, LeadStore, Org, Outcome, Refusal, Target, Transaction, WriteOptions, id};
use crate::value::Value;
use crate::value::convert::{Failure, FieldValue};

/// Somebody with every right, as the first user of the org.
pub struct Administrator<'s> {
    org: &'s Org,
}

/// Why the org would not do it, as it would tell a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refused {
    pub code: String,
    pub message: String,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused {
            code: refusal.code.into_owned(),
            message: refusal.message,
        }
    }
}

impl<'s> Administrator<'s> {
    pub(crate) fn new(org: &'s Org) -> Administrator<'s> {
        Administrator { org }
    }

    /// Converts a lead: it becomes read-only and points to an account, a contact and an opportunity.
    pub fn convert(&self, lead: &str) -> Result<(), Refused> {
        self.act(lead, |store, place, stamp| {
            match store.get(place) {
                Some(lead) if lead.converted => return Err(Refusal::converted()),
                Some(_) => {}
                None => return Err(missing(store, place)),
            }
            let schema = &self.org.schema;
            let today = stamp.micros.div_euclid(86_400_000_000);
            let mut values = vec![
                ("IsConverted", Value::Boolean(true)),
                (
                    "ConvertedDate",
                    Value::Date(i32::try_from(today).unwrap_or(0)),
                ),
                ("Status", Value::Text("Closed - Converted".into())),
            ];
            for (name, object) in [
                ("ConvertedAccountId", "Account"),
                ("ConvertedContactId", "Contact"),
                ("ConvertedOpportunityId", "Opportunity"),
            ] {
                values.push((name, Value::Text(id::converted(object, place).into())));
            }
            let mut values: Vec<(u16, Value<'_>)> = values
                .into_iter()
                .filter_map(|(name, value)| Some((schema.standard(name)?, value)))
                .collect();
            values.sort_by_key(|(field, _)| *field);
            store.update(place, &values, stamp);
            store.mark_converted(place);
            Ok(())
        })
    }

    /// Changes fields of a lead, by API name and with values as the REST API takes them. The org's rules apply, but for
    /// assignment.
    pub fn change(&self, lead: &str, fields: &Map<String, Json>) -> Result<(), Refused> {
        let place = parse(lead)?;
        let schema = &self.org.schema;
        let texts: Vec<(u16, String)> = fields
            .iter()
            .map(|(name, value)| match schema.find(name) {
                Some(number) => Ok((number, value.to_string())),
                None => Err(Refusal::no_such_column(name)),
            })
            .collect::<Result<_, Refusal>>()?;
        let failure = Failure::default();
        let mut values = Vec::new();
        for (number, text) in &texts {
            let seed = FieldValue {
                field: schema.field(*number),
                failure: &failure,
            };
            let value = seed
                .deserialize(&mut serde_json::Deserializer::from_str(text))
                .map_err(|error| {
                    let told = failure.take();
                    told.unwrap_or_else(|| Refusal::parser(error.to_string()))
                })?;
            values.push((*number, value));
        }
        let draft = Draft::new(schema, Target::Place(place), values);
        let mut transaction = Transaction::begin(self.org, false);
        let options = WriteOptions {
            update_only: true,
            now_micros: self.org.clock.wall_micros(),
            ..WriteOptions::default()
        };
        let outcome = transaction.write(vec![draft], options).pop();
        let trigger_runs = transaction.take_trigger_runs();
        drop(transaction);
        self.org
            .watch
            .count(|stats| stats.trigger_runs += trigger_runs);
        let refusal = match outcome {
            Some(Outcome::Updated(_)) => return Ok(()),
            Some(Outcome::Failed(refusals)) => refusals.into_iter().next(),
            _ => None,
        };
        Err(refusal.unwrap_or_else(|| unknown(lead)).into())
    }

    /// Moves a lead to the recycle bin.
    pub fn delete(&self, lead: &str) -> Result<(), Refused> {
        self.act(lead, |store, place, stamp| {
            let deleted = store.delete(place, stamp);
            deleted.map(|_| ()).ok_or_else(|| missing(store, place))
        })
    }

    /// Takes a lead out of the recycle bin, unless another one has its unique values by now.
    pub fn undelete(&self, lead: &str) -> Result<(), Refused> {
        self.act(lead, |store, place, stamp| {
            let schema = &self.org.schema;
            let Some(deleted) = store.seen(place, true).filter(|lead| lead.deleted) else {
                return Err(Refusal::new(
                    "UNDELETE_FAILED",
                    "Entity is not in the recycle bin",
                ));
            };
            let keys: Vec<(u16, String)> = schema
                .unique()
                .iter()
                .filter_map(|field| Some((*field, deleted.value(*field)?.key_text()?.into_owned())))
                .collect();
            for (field, key) in keys {
                if let [other, ..] = store.find(schema, field, &key) {
                    return Err(taken(schema.field(field), *other));
                }
            }
            store.undelete(place, stamp);
            Ok(())
        })
    }

    /// Holds the row of a lead, as a long transaction does: so many writes of it are refused with
    /// `UNABLE_TO_LOCK_ROW`; all of them, when no number is given, until it is unlocked.
    pub fn lock(&self, lead: &str, writes: Option<u32>) -> Result<(), Refused> {
        self.act(lead, |store, place, _| {
            store.get(place).ok_or_else(|| missing(store, place))?;
            store.locks.hold(place, writes);
            Ok(())
        })
    }

    /// Lets go of the row of a lead.
    pub fn unlock(&self, lead: &str) -> Result<(), Refused> {
        self.act(lead, |store, place, _| {
            store.locks.release(place);
            Ok(())
        })
    }

    /// Locks a lead as an approval process does (`ENTITY_IS_LOCKED`), or ends the process.
    pub fn set_approval(&self, lead: &str, pending: bool) -> Result<(), Refused> {
        self.act(lead, |store, place, _| {
            if pending {
                store.get(place).ok_or_else(|| missing(store, place))?;
            }
            store.locks.set_approval(place, pending);
            Ok(())
        })
    }

    fn act(
        &self,
        lead: &str,
        act: impl FnOnce(&mut LeadStore, u32, Stamp) -> Result<(), Refusal>,
    ) -> Result<(), Refused> {
        let place = parse(lead)?;
        let stamp = Stamp {
            user: 0,
            micros: self.org.clock.wall_micros(),
        };
        let mut transaction = Transaction::begin(self.org, false);
        let done = act(transaction.store(), place, stamp);
        drop(transaction);
        self.org
            .watch
            .count(|stats| stats.leads = self.org.lead_count());
        Ok(done?)
    }
}

fn parse(lead: &str) -> Result<u32, Refusal> {
    id::parse_lead(lead).ok_or_else(|| unknown(lead))
}

fn unknown(lead: &str) -> Refusal {
    Refusal::no_such_key(lead)
}

fn missing(store: &LeadStore, place: u32) -> Refusal {
    if store.is_in_bin(place) {
        Refusal::deleted()
    } else {
        unknown(&id::lead(place))
    }
}
