//! Looking for leads from outside of the API: by key, by a piece of text, newest first.
//!
//! Invariant: however many leads there are, the lock is held for a piece of the search at a time, and a search ends.
use std::borrow::Cow;

use super::{LeadSnapshot, Org, id};
use crate::schema::{Field, Schema};
use crate::value::packed;

/// Leads looked at under one lock.
const PIECE: usize = 5_000;
/// Leads looked at in one search; it says so when there were more.
const MOST: usize = 500_000;
/// Fields that are searched, besides names and external ids.
const SEARCHED: [&str; 2] = ["Company", "Email"];

/// A window of leads, newest first.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Window {
    pub(crate) leads: Vec<LeadSnapshot>,
    /// Whether older ones follow.
    pub(crate) more: bool,
    /// Whether the search ended before it had looked at all leads.
    pub(crate) cut_short: bool,
}

impl Org {
    /// The lead of an id of 15 or 18 characters.
    pub(crate) fn lead(&self, text: &str) -> Option<LeadSnapshot> {
        let place = id::parse_lead(text)?;
        self.leads().show(&self.schema, place)
    }

    /// The leads whose `field` (an external id or Email) holds one of the keys, in the order of the keys; none when
    /// the field is no key.
    pub(crate) fn leads_by_key<'k>(
        &self,
        field: &str,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Option<Vec<LeadSnapshot>> {
        let field = self.schema.find(field)?;
        let description = self.schema.field(field);
        if !description.is_upsert_key() || description.name == "Id" {
            return None;
        }
        let mut found = Vec::new();
        for key in keys {
            let mut store = self.leads();
            let places = store.find(&self.schema, field, key.trim()).to_vec();
            let leads = places
                .into_iter()
                .filter_map(|place| store.show(&self.schema, place));
            found.extend(leads);
        }
        Some(found)
    }

    /// The field that keys are looked up in when nobody names one.
    pub(crate) fn usual_key(&self) -> &str {
        self.schema
            .fields()
            .find(|(_, field)| field.external_id)
            .map_or("Email", |(_, field)| field.name.as_str())
    }

    /// Leads whose keys, names, company or e-mail address contain the text in any case, or whose id is the text;
    /// all leads when it is empty.
    pub(crate) fn newest_leads(&self, search: &str, offset: usize, limit: usize) -> Window {
        let wanted = search.trim().to_lowercase();
        if let Some(lead) = self.lead(search.trim()) {
            return Window {
                leads: vec![lead],
                ..Window::default()
            };
        }
        let searched = Searched::new(&self.schema);
        let mut window = Window::default();
        let (mut skipped, mut looked_at) = (0, 0);
        let mut below = self.leads().end();
        let mut text = String::new();
        while below > 0 {
            let store = self.leads();
            for (place, lead) in store.iter_newest(below).take(PIECE) {
                below = place;
                looked_at += 1;
                if !wanted.is_empty() && !searched.contains(&lead.packed, &wanted, &mut text) {
                    continue;
                }
                if skipped < offset {
                    skipped += 1;
                } else if window.leads.len() < limit {
                    window.leads.extend(store.show(&self.schema, place));
                } else {
                    window.more = true;
                    return window;
                }
            }
            if store.iter_newest(below).next().is_none() {
                return window;
            }
            if looked_at >= MOST {
                window.cut_short = true;
                return window;
            }
        }
        window
    }
}

/// The fields that a search looks at.
struct Searched {
    plain: Vec<u16>,
    first_name: Option<u16>,
    last_name: Option<u16>,
}

impl Searched {
    fn new(schema: &Schema) -> Searched {
        let is_searched =
            |field: &Field| field.external_id || SEARCHED.contains(&field.name.as_str());
        Searched {
            plain: schema
                .fields()
                .filter(|(_, field)| is_searched(field))
                .map(|(number, _)| number)
                .collect(),
            first_name: schema.standard("FirstName"),
            last_name: schema.standard("LastName"),
        }
    }

    /// Whether a lead contains the text, which is in lower case; `text` is a buffer to be used again.
    fn contains(&self, packed: &[u8], wanted: &str, text: &mut String) -> bool {
        text.clear();
        let mut name = [None, None];
        for (number, value) in packed::decode(packed) {
            let part = [self.first_name, self.last_name]
                .iter()
                .position(|field| *field == Some(number));
            if let Some(part) = part {
                name[part] = value.key_text().map(Cow::into_owned);
            } else if self.plain.contains(&number)
                && let Some(value) = value.key_text()
            {
                push_folded(text, &value);
                // No text runs over from one field to the next.
                text.push('\n');
            }
        }
        for part in name.iter().flatten() {
            push_folded(text, part);
            text.push(' ');
        }
        text.contains(wanted)
    }
}

fn push_folded(text: &mut String, value: &str) {
    text.extend(value.chars().flat_map(char::to_lowercase));
}
