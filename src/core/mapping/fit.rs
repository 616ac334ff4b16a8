//! Which column can feed which field: every pair is decided here, before the first row.
//!
//! A pair that fits is no promise for each value (a text may be no date); one that does not fit
//! has no value that could pass, or only by a guess that we do not make, and says why.

use crate::core::describe::FieldKind;
use crate::core::schema::ColumnKind;

/// Why a column cannot feed a field, and what to do instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) reason: String,
    pub(super) remedy: String,
}

fn misfit(reason: impl Into<String>, remedy: impl Into<String>) -> Result<(), Misfit> {
    Err(Misfit {
        reason: reason.into(),
        remedy: remedy.into(),
    })
}

/// Whether values of the column's type can become values of the field's type.
pub(super) fn check_fit(column: &ColumnKind, field: &FieldKind) -> Result<(), Misfit> {
    use ColumnKind as C;
    use FieldKind as F;
    if let F::Unsupported(name) = field {
        return misfit(
            format!("fields of type {name} cannot be written from a column"),
            "map the fields that it is built of, or leave it out",
        );
    }
    if let C::Other(name) = column {
        return misfit(
            format!("{name} has no form that Salesforce could take"),
            "map a generated column that turns it into text or numbers (ST_AsText, ST_X, \
             VECTOR_TO_STRING)",
        );
    }
    if matches!(column, C::Bytes) {
        return misfit(
            "bytes are no text: their charset is not known",
            "map a generated column with CONVERT(… USING utf8mb4), HEX(…) or TO_BASE64(…); \
             BINARY(16) is carried as a UUID",
        );
    }
    match field {
        F::Text { .. } => Ok(()),
        F::Picklist { .. } => one_label(column),
        F::MultiPicklist { .. } => labels(column),
        F::Email { .. } => text_only(column, "an e-mail address"),
        F::Reference => text_only(column, "a Salesforce id"),
        F::Boolean => boolean(column),
        F::Int { .. } | F::Number { .. } => number(column),
        F::Date | F::DateTime => date(column),
        F::Time => time_of_day(column),
        F::Unsupported(_) => Ok(()),
    }
}

fn one_label(column: &ColumnKind) -> Result<(), Misfit> {
    use ColumnKind as C;
    match column {
        C::Set => misfit(
            "a SET may hold several values, a picklist holds one",
            "map it to a multi-select picklist or to text",
        ),
        C::Json => misfit(
            "a JSON document is no picklist value",
            "map a generated column with JSON_VALUE(…)",
        ),
        C::Float | C::Double => misfit(
            "a floating number has no one way to be written, so it would miss its value",
            "map a column of integers, DECIMAL or text",
        ),
        _ => Ok(()),
    }
}

fn labels(column: &ColumnKind) -> Result<(), Misfit> {
    match column {
        ColumnKind::Set | ColumnKind::Enum { .. } | ColumnKind::Text { .. } => Ok(()),
        _ => misfit(
            "its values are taken from SET, ENUM or text, parted by semicolons",
            "map a column of these types, or a generated one that makes such a text",
        ),
    }
}

fn text_only(column: &ColumnKind, what: &str) -> Result<(), Misfit> {
    match column {
        ColumnKind::Enum { .. } | ColumnKind::Text { .. } => Ok(()),
        _ => misfit(
            format!("{what} is found in text and ENUM columns only"),
            "map the column that holds it",
        ),
    }
}

fn boolean(column: &ColumnKind) -> Result<(), Misfit> {
    use ColumnKind as C;
    match column {
        C::Integer { .. } | C::Decimal { .. } | C::Bit { .. } | C::Text { .. } | C::Enum { .. } => {
            Ok(())
        }
        _ => misfit(
            "only 0 and 1, and the words true and false, are taken for yes and no",
            "map a generated column that says it: (… IS NOT NULL), (… > 0)",
        ),
    }
}

fn number(column: &ColumnKind) -> Result<(), Misfit> {
    use ColumnKind as C;
    match column {
        C::Integer { .. }
        | C::Decimal { .. }
        | C::Float
        | C::Double
        | C::Year
        | C::Bit { .. }
        | C::Text { .. }
        | C::Enum { .. } => Ok(()),
        C::Date | C::DateTime | C::Timestamp | C::Time => misfit(
            "a date or time is no number until somebody says of what",
            "map a generated column with UNIX_TIMESTAMP(…), TIME_TO_SEC(…) or TO_DAYS(…)",
        ),
        C::Set | C::Json | C::Uuid | C::Bytes | C::Other(_) => misfit(
            "it holds no number",
            "map a generated column that works one out (JSON_VALUE(…), BIT_COUNT(…))",
        ),
    }
}

fn date(column: &ColumnKind) -> Result<(), Misfit> {
    use ColumnKind as C;
    match column {
        C::Date | C::DateTime | C::Timestamp | C::Text { .. } => Ok(()),
        C::Year => misfit(
            "a year is no day",
            "map a generated column with MAKEDATE(…, 1), if the first of January is meant",
        ),
        C::Time => misfit(
            "a time of day has no date",
            "map the column that has the date as well",
        ),
        C::Integer { .. } | C::Decimal { .. } | C::Float | C::Double | C::Bit { .. } => misfit(
            "a number is no date until somebody says since when it counts",
            "map a generated column with FROM_UNIXTIME(…) or FROM_DAYS(…)",
        ),
        C::Enum { .. } | C::Set | C::Json | C::Uuid | C::Bytes | C::Other(_) => misfit(
            "it holds no date",
            "map a column of dates, or text that is one",
        ),
    }
}

fn time_of_day(column: &ColumnKind) -> Result<(), Misfit> {
    match column {
        ColumnKind::Time | ColumnKind::Text { .. } => Ok(()),
        ColumnKind::DateTime | ColumnKind::Timestamp => misfit(
            "the date would be lost without a word",
            "map a generated column with TIME(…), or a date-and-time field",
        ),
        _ => misfit(
            "it holds no time of day",
            "map a TIME column, or text that is one",
        ),
    }
}

impl ColumnKind {
    /// The type in words, for messages.
    pub(super) fn word(&self) -> String {
        let word = match self {
            ColumnKind::Integer { .. } => "an integer",
            ColumnKind::Decimal { .. } => "a DECIMAL",
            ColumnKind::Float => "a FLOAT",
            ColumnKind::Double => "a DOUBLE",
            ColumnKind::Text { .. } => "text",
            ColumnKind::Bytes => "bytes",
            ColumnKind::Uuid => "a BINARY(16)",
            ColumnKind::Date => "a DATE",
            ColumnKind::DateTime => "a DATETIME",
            ColumnKind::Timestamp => "a TIMESTAMP",
            ColumnKind::Time => "a TIME",
            ColumnKind::Year => "a YEAR",
            ColumnKind::Enum { .. } => "an ENUM",
            ColumnKind::Set => "a SET",
            ColumnKind::Bit { .. } => "a BIT",
            ColumnKind::Json => "JSON",
            ColumnKind::Other(name) => return format!("of type {name}"),
        };
        word.to_owned()
    }
}

#[cfg(test)]
mod tests;
