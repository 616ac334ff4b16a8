//! Two images of one key become one, field by field: what the newer one does not speak of keeps
//! the older one's value, as if both had been sent.
//!
//! Values stay as they are written: a number read and printed again could come out as another.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::entry::Image;

/// Two images as one.
#[derive(Clone, Debug, PartialEq)]
pub struct Coalesced {
    pub image: Arc<Image>,
    /// The newer image speaks of every field of the older one: nothing of that is in here.
    pub covers: bool,
}

/// The newer image over the older one.
#[must_use]
pub fn coalesce(older: &Image, newer: &Arc<Image>) -> Coalesced {
    let whole = |covers| Coalesced {
        image: Arc::clone(newer),
        covers,
    };
    let (Ok(old), Ok(new)) = (
        serde_json::from_str::<Fields<'_>>(&older.payload),
        serde_json::from_str::<Fields<'_>>(&newer.payload),
    ) else {
        // Payloads are made by the mapping or checked when they come in. Should one not be an
        // object all the same, the newer one goes as it is.
        return whole(false);
    };
    let untouched = |(name, _): &&(String, &RawValue)| {
        let same = |(other, _): &(String, &RawValue)| other.eq_ignore_ascii_case(name);
        !new.0.iter().any(same)
    };
    let kept: Vec<_> = old.0.iter().filter(untouched).collect();
    if kept.is_empty() {
        return whole(true);
    }
    let mut payload = String::with_capacity(older.payload.len() + newer.payload.len());
    payload.push('{');
    for (name, value) in kept.iter().copied().chain(&new.0) {
        if payload.len() > 1 {
            payload.push(',');
        }
        super::mapping::write_json_string(name, &mut payload);
        payload.push(':');
        payload.push_str(value.get());
    }
    payload.push('}');
    let kept_email = older.email.as_ref().filter(|email| {
        let is_it = |value: &RawValue| {
            let text = value.get();
            text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) == Some(email)
        };
        kept.iter().any(|(_, value)| is_it(value))
    });
    let email = newer.email.as_ref().or(kept_email).cloned();
    let image = Image {
        payload: payload.into(),
        email,
        ..Image::clone(newer)
    };
    Coalesced {
        image: Arc::new(image),
        covers: false,
    }
}

/// The fields of an object in their order, values as written.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(payload: &str, email: Option<&str>) -> Arc<Image> {
        Arc::new(Image {
            key: "7".into(),
            payload: payload.into(),
            email: email.map(Arc::from),
            row: None,
        })
    }

    #[track_caller]
    fn check(older: &str, newer: &str, expected: &str, covers: bool) {
        let coalesced = coalesce(&image(older, None), &image(newer, None));
        assert_eq!(&*coalesced.image.payload, expected);
        assert_eq!(coalesced.covers, covers);
    }

    #[test]
    fn the_newer_value_wins_and_what_it_leaves_out_stays_as_it_was_written() {
        check(
            r#"{"A":1.10,"B":"ä \"b\" {,}","C":null}"#,
            r#"{"B":null,"D":12345678901234567890.12}"#,
            r#"{"A":1.10,"C":null,"B":null,"D":12345678901234567890.12}"#,
            false,
        );
        check(
            r#"{"A":{"X":1}}"#,
            r#"{"B":2}"#,
            r#"{"A":{"X":1},"B":2}"#,
            false,
        );
    }

    #[test]
    fn an_image_of_all_fields_takes_the_older_ones_place_whole() {
        check(
            r#"{"A":1,"B":2}"#,
            r#"{"B":3,"A":4}"#,
            r#"{"B":3,"A":4}"#,
            true,
        );
        check("{}", r#"{"B":3}"#, r#"{"B":3}"#, true);
        check(
            r#"{"lastname":1}"#,
            r#"{"LastName":3}"#,
            r#"{"LastName":3}"#,
            true,
        );
    }

    #[test]
    fn the_e_mail_is_that_of_the_image_that_speaks_of_it() {
        let older = image(r#"{"Email":"a@b.c","A":1}"#, Some("a@b.c"));
        let email = |newer: &Arc<Image>| coalesce(&older, newer).image.email.clone();
        assert_eq!(email(&image(r#"{"A":2}"#, None)).as_deref(), Some("a@b.c"));
        assert_eq!(email(&image(r#"{"Email":null}"#, None)), None);
        let newer = image(r#"{"Email":"x@y.z"}"#, Some("x@y.z"));
        assert_eq!(email(&newer).as_deref(), Some("x@y.z"));
    }

    #[test]
    fn what_is_no_object_is_never_taken_apart() {
        check(r#"{"A":1}"#, "", "", false);
        check("", r#"{"A":1}"#, r#"{"A":1}"#, false);
    }
}
