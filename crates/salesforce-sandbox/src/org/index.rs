//! From a key's value to the leads that carry it.
use std::borrow::Cow;
use std::collections::HashMap;

/// Leads by the value of one field.
#[derive(Debug)]
pub(crate) struct Index {
    /// Case matters only when the field says so (facts 0.11).
    case_sensitive: bool,
    places: HashMap<Box<str>, Places>,
}

#[derive(Debug)]
enum Places {
    One(u32),
    Many(Vec<u32>),
}

impl Index {
    pub(crate) fn new(case_sensitive: bool) -> Index {
        Index {
            case_sensitive,
            places: HashMap::new(),
        }
    }

    /// The places of the leads with this key, in the order in which they got it.
    pub(crate) fn find(&self, key: &str) -> &[u32] {
        match self.places.get(fold(self.case_sensitive, key).as_ref()) {
            None => &[],
            Some(Places::One(place)) => std::slice::from_ref(place),
            Some(Places::Many(places)) => places,
        }
    }

    pub(crate) fn insert(&mut self, key: &str, place: u32) {
        let key = fold(self.case_sensitive, key);
        match self.places.get_mut(key.as_ref()) {
            None => {
                self.places.insert(key.into(), Places::One(place));
            }
            Some(Places::Many(places)) => places.push(place),
            Some(one) => {
                let Places::One(first) = *one else { return };
                *one = Places::Many(vec![first, place]);
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &str, place: u32) {
        let key = fold(self.case_sensitive, key);
        let empty = match self.places.get_mut(key.as_ref()) {
            None => false,
            Some(Places::One(_)) => true,
            Some(Places::Many(places)) => {
                places.retain(|p| *p != place);
                places.is_empty()
            }
        };
        if empty {
            self.places.remove(key.as_ref());
        }
    }

    pub(crate) fn clear(&mut self) {
        self.places.clear();
    }
}

/// The form of a key under which it is compared.
pub(crate) fn fold(case_sensitive: bool, key: &str) -> Cow<'_, str> {
    let plain = key.bytes().all(|c| c.is_ascii() && !c.is_ascii_uppercase());
    if case_sensitive || plain {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(key.to_lowercase())
    }
}
