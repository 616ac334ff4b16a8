//! State and country picklists: names and codes that have to be on a list and have to agree (facts 7.1).
//!
//! Inference: how a name and a code that disagree are refused, and that a name may be written in any case.
use super::{Country, Sight, State};
use crate::config::OrgConfig;
use crate::org::Refusal;
use crate::schema::{Field, Schema};
use crate::value::Value;

/// The lists of an org that has the picklists switched on.
#[derive(Debug)]
pub(crate) struct Addresses {
    countries: Vec<Country>,
    /// Numbers of the fields; none for a hidden one.
    country: Option<u16>,
    country_code: Option<u16>,
    state: Option<u16>,
    state_code: Option<u16>,
}

/// Name or code, as a record gives it.
enum Given<'v> {
    Absent,
    Null,
    Name(Value<'v>),
    Code(Value<'v>),
}

impl Addresses {
    pub(super) fn new(
        config: &OrgConfig,
        schema: &Schema,
        mistakes: &mut Vec<String>,
    ) -> Option<Addresses> {
        for (i, country) in config.countries.iter().enumerate() {
            let unnamed = |code: &str, name: &str| code.trim().is_empty() || name.trim().is_empty();
            if unnamed(&country.code, &country.name)
                || country.states.iter().any(|s| unnamed(&s.code, &s.name))
            {
                mistakes.push(format!(
                    "countries[{i}]: a country or state lacks its code or its name"
                ));
            }
        }
        config.state_country_picklists.then(|| Addresses {
            countries: config.effective_countries(),
            country: schema.standard("Country"),
            country_code: schema.standard("CountryCode"),
            state: schema.standard("State"),
            state_code: schema.standard("StateCode"),
        })
    }

    /// Holds the states and countries of a write against the lists. Returns what is to be written of them: a name
    /// brings its code along, and a code its name.
    pub(crate) fn settle<'v>(
        &self,
        schema: &Schema,
        lead: &impl Sight,
        given: impl Fn(u16) -> Option<Value<'v>>,
    ) -> Result<Vec<(u16, Value<'static>)>, Refusal> {
        let read = |name: Option<u16>, code: Option<u16>| read(name, code, &given);
        let country = read(self.country, self.country_code);
        let state = read(self.state, self.state_code);
        let mut settled = Vec::new();
        let country = match &country {
            Given::Absent => self.country_before(lead),
            Given::Null => {
                push(&mut settled, self.country, None);
                push(&mut settled, self.country_code, None);
                None
            }
            Given::Name(text) | Given::Code(text) => {
                let found = self.find_country(text, &given);
                let found = found.ok_or_else(|| unknown_country(schema, self.country))?;
                push(&mut settled, self.country, Some(&found.name));
                push(&mut settled, self.country_code, Some(&found.code));
                Some(found)
            }
        };
        let state_before = || lead.prior(self.state?).filter(|value| !value.is_null());
        let state = match state {
            // A state that stays has to be one of the country that comes.
            Given::Absent if settled.is_empty() => return Ok(settled),
            Given::Absent => match state_before() {
                None => return Ok(settled),
                Some(before) => before,
            },
            Given::Null => {
                push(&mut settled, self.state, None);
                push(&mut settled, self.state_code, None);
                return Ok(settled);
            }
            Given::Name(text) | Given::Code(text) => text,
        };
        let country = country.ok_or_else(|| without_country(schema, self.state))?;
        let found = self.find_state(country, &state, &given);
        let found = found.ok_or_else(|| unknown_state(schema, self.state))?;
        push(&mut settled, self.state, Some(&found.name));
        push(&mut settled, self.state_code, Some(&found.code));
        Ok(settled)
    }

    fn country_before(&self, lead: &impl Sight) -> Option<&Country> {
        let name = lead.prior(self.country?)?;
        self.countries
            .iter()
            .find(|country| is(&name, &country.name))
    }

    /// The country that all that is given of it agrees on.
    fn find_country<'v>(
        &self,
        text: &Value<'_>,
        given: &impl Fn(u16) -> Option<Value<'v>>,
    ) -> Option<&Country> {
        let code = self.country_code.and_then(given).filter(|v| !v.is_null());
        self.countries
            .iter()
            .find(|country| is(text, &country.name) || is(text, &country.code))
            .filter(|country| code.is_none_or(|code| is(&code, &country.code)))
    }

    fn find_state<'c, 'v>(
        &self,
        country: &'c Country,
        text: &Value<'_>,
        given: &impl Fn(u16) -> Option<Value<'v>>,
    ) -> Option<&'c State> {
        let code = self.state_code.and_then(given).filter(|v| !v.is_null());
        country
            .states
            .iter()
            .find(|state| is(text, &state.name) || is(text, &state.code))
            .filter(|state| code.is_none_or(|code| is(&code, &state.code)))
    }
}

fn read<'v>(
    name: Option<u16>,
    code: Option<u16>,
    given: &impl Fn(u16) -> Option<Value<'v>>,
) -> Given<'v> {
    match (name.and_then(given), code.and_then(given)) {
        (Some(name), _) if !name.is_null() => Given::Name(name),
        (_, Some(code)) if !code.is_null() => Given::Code(code),
        (None, None) => Given::Absent,
        _ => Given::Null,
    }
}

fn is(value: &Value<'_>, text: &str) -> bool {
    matches!(value, Value::Text(given) if given.to_lowercase() == text.to_lowercase())
}

fn push(settled: &mut Vec<(u16, Value<'static>)>, field: Option<u16>, text: Option<&str>) {
    if let Some(field) = field {
        let value = text.map_or(Value::Null, |text| Value::Text(text.to_owned().into()));
        settled.push((field, value));
    }
}

fn refusal(schema: &Schema, number: Option<u16>, message: impl Fn(&Field) -> String) -> Refusal {
    let field = number.map(|number| schema.field(number));
    let text = field.map(&message).unwrap_or_default();
    let names: Vec<&str> = field.map(|field| field.name.as_str()).into_iter().collect();
    Refusal::record("FIELD_INTEGRITY_EXCEPTION", text, &names)
}

fn unknown_country(schema: &Schema, field: Option<u16>) -> Refusal {
    refusal(schema, field, |field| {
        format!(
            "There's a problem with this country, even though it may appear correct. Please select a \
             country/territory from the list of valid countries.: {}",
            field.label
        )
    })
}

fn unknown_state(schema: &Schema, field: Option<u16>) -> Refusal {
    refusal(schema, field, |field| {
        format!(
            "There's a problem with this state, even though it may appear correct. Please select a state from the \
             list of valid states.: {}",
            field.label
        )
    })
}

fn without_country(schema: &Schema, field: Option<u16>) -> Refusal {
    refusal(schema, field, |field| {
        format!(
            "A country/territory must be specified before specifying a state value for field: {}",
            field.label
        )
    })
}
