//! From a key's value to the leads that carry it.
use std::borrow::Cow;
use std::collections::HashMap;

/// Leads by a key.
#[derive(Debug)]
pub(crate) struct Index {
    /// Case matters only when the field says so (facts 0.11).
    case_sensitive: bool,
    places: HashMap<Box<str>, Places>,
}

#[derive(Debug)]
enum Places {
    One(u32),
    /// Ascending, two or more.
    Many(Vec<u32>),
}

impl Index {
    pub(crate) fn new(case_sensitive: bool) -> Index {
        Index {
            case_sensitive,
            places: HashMap::new(),
        }
    }

    /// The places of the leads with this key, oldest first.
    pub(crate) fn find(&self, key: &str) -> &[u32] {
        match self.places.get(fold(self.case_sensitive, key).as_ref()) {
            None => &[],
            Some(Places::One(place)) => std::slice::from_ref(place),
            Some(Places::Many(places)) => places,
        }
    }

    pub(crate) fn insert(&mut self, key: &str, place: u32) {
        let key = fold(self.case_sensitive, key);
        let Some(places) = self.places.get_mut(key.as_ref()) else {
            self.places.insert(key.into(), Places::One(place));
            return;
        };
        match places {
            Places::One(first) if *first == place => {}
            Places::One(first) => {
                *places = Places::Many(vec![place.min(*first), place.max(*first)]);
            }
            Places::Many(places) => {
                if let Err(at) = places.binary_search(&place) {
                    places.insert(at, place);
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &str, place: u32) {
        let key = fold(self.case_sensitive, key);
        let Some(places) = self.places.get_mut(key.as_ref()) else {
            return;
        };
        match places {
            Places::One(only) if *only == place => {
                self.places.remove(key.as_ref());
            }
            Places::One(_) => {}
            Places::Many(many) => {
                if let Ok(at) = many.binary_search(&place) {
                    many.remove(at);
                }
                if let [only] = many[..] {
                    *places = Places::One(only);
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_key_stand_in_order_whatever_order_they_came_in() {
        let mut index = Index::new(false);
        for place in [7, 3, 9, 3] {
            index.insert("Key", place);
        }
        assert_eq!(index.find("kEY"), [3, 7, 9]);
        index.remove("key", 8);
        index.remove("key", 3);
        assert_eq!(index.find("key"), [7, 9]);
        index.remove("key", 9);
        index.remove("key", 9);
        assert_eq!(index.find("key"), [7]);
        index.remove("key", 7);
        assert!(index.find("key").is_empty());
    }

    #[test]
    fn case_matters_where_it_shall() {
        let mut index = Index::new(true);
        index.insert("a", 1);
        index.insert("A", 2);
        assert_eq!((index.find("a"), index.find("A")), (&[1][..], &[2][..]));
    }
}
