//! From a JSON literal to a typed value, as Salesforce's parser does it.
//!
//! A literal that does not convert refuses the whole request (facts 3.5), so failures are [`Refusal`]s that the
//! body parser raises with their place in the text. What converts and what does not, beyond the documented cases
//! (inference): a number is no text, a string holding a number is a number, of strings only `true` and `false` are
//! booleans, an int has 32 bits. `null` for a boolean converts, and refuses its record later.
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Value, calendar};
use crate::org::Refusal;
use crate::schema::{Field, FieldType as T};

/// Where a conversion leaves its refusal while serde carries a placeholder error outwards.
#[derive(Default)]
pub(crate) struct Failure {
    refusal: RefCell<Option<Refusal>>,
    /// Line and column in the text, where the deserializer at hand does not know them.
    place: Cell<Option<(usize, usize)>>,
}

impl Failure {
    pub(crate) fn raise<E: serde::de::Error>(&self, refusal: Refusal) -> E {
        let text = refusal.message.clone();
        *self.refusal.borrow_mut() = Some(refusal);
        E::custom(text)
    }

    pub(crate) fn take(&self) -> Option<Refusal> {
        self.refusal.borrow_mut().take()
    }

    pub(crate) fn locate(&self, place: (usize, usize)) {
        self.place.set(Some(place));
    }

    pub(crate) fn place(&self) -> Option<(usize, usize)> {
        self.place.get()
    }
}

/// Deserializes the value of one field.
pub(crate) struct FieldValue<'s> {
    pub(crate) field: &'s Field,
    pub(crate) failure: &'s Failure,
}

impl<'s> FieldValue<'s> {
    fn refuse<E: serde::de::Error>(&self, token: &str, value: &str) -> E {
        let kind = self.field.kind.name();
        let shown = if value.is_empty() {
            String::new()
        } else {
            format!(" value {value}")
        };
        self.failure.raise(Refusal::parser(format!(
            "Cannot deserialize instance of {kind} from {token}{shown} or request may be missing a required field"
        )))
    }

    fn text<'a, E: serde::de::Error>(&self, text: Cow<'a, str>) -> Result<Value<'a>, E> {
        if self.field.kind == T::Boolean && !matches!(text.as_ref(), "true" | "false") {
            return Err(self.refuse("VALUE_STRING", &text));
        }
        convert_text(self.field.kind, text).map_err(|text| self.refuse("VALUE_STRING", &text))
    }

    fn number<'a, E: serde::de::Error>(
        &self,
        number: f64,
        token: &str,
        shown: &str,
    ) -> Result<Value<'a>, E> {
        match self.field.kind {
            T::Double | T::Currency | T::Percent => Ok(Value::Number(without_sign_of_zero(number))),
            T::Int if number.fract() == 0.0 && is_int(number) => Ok(Value::Int(number as i64)),
            _ => Err(self.refuse(token, shown)),
        }
    }
}

/// Converts a string literal, or gives it back when it does not convert.
pub(crate) fn convert_text(kind: T, text: Cow<'_, str>) -> Result<Value<'_>, Cow<'_, str>> {
    // Empty strings are nulls for every type but boolean.
    if text.trim().is_empty() && !kind.is_text() && kind != T::Boolean {
        return Ok(Value::Null);
    }
    let value = match kind {
        T::Boolean if text.eq_ignore_ascii_case("true") => Some(Value::Boolean(true)),
        T::Boolean if text.eq_ignore_ascii_case("false") => Some(Value::Boolean(false)),
        T::Int => text
            .trim()
            .parse::<i32>()
            .ok()
            .map(|number| Value::Int(number.into())),
        T::Double | T::Currency | T::Percent => text
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|n| n.is_finite())
            .map(|number| Value::Number(without_sign_of_zero(number))),
        T::Date => calendar::parse_date_to_store(&text).map(Value::Date),
        T::DateTime => calendar::parse_datetime(&text).map(Value::DateTime),
        T::Boolean | T::Address => None,
        T::Id
        | T::Text
        | T::TextArea
        | T::Email
        | T::Phone
        | T::Url
        | T::Picklist
        | T::MultiPicklist
        | T::Reference => {
            return Ok(Value::Text(text));
        }
    };
    value.ok_or(text)
}

/// Ints have 32 bits, whatever a field says of its digits.
fn is_int(number: f64) -> bool {
    (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number)
}

/// Minus zero is zero, as a key too.
fn without_sign_of_zero(number: f64) -> f64 {
    number + 0.0
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldValue<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of type {}", self.field.kind.name())
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Value<'de>, E> {
        self.text(Cow::Borrowed(text))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value<'de>, E> {
        self.text(Cow::Owned(text.to_owned()))
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<Value<'de>, E> {
        match self.field.kind {
            T::Boolean => Ok(Value::Boolean(flag)),
            _ => Err(self.refuse(
                if flag { "VALUE_TRUE" } else { "VALUE_FALSE" },
                if flag { "true" } else { "false" },
            )),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Value<'de>, E> {
        self.number(number as f64, "VALUE_NUMBER_INT", &number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value<'de>, E> {
        self.number(number as f64, "VALUE_NUMBER_INT", &number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value<'de>, E> {
        self.number(number, "VALUE_NUMBER_FLOAT", &number.to_string())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Value<'de>, A::Error> {
        Err(self.refuse("START_ARRAY", "["))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Value<'de>, A::Error> {
        Err(self.refuse("START_OBJECT", "{"))
    }
}
