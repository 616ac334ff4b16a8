//! Values of MySQL columns, as captured: what the server stores, nothing lost.

pub mod text;

/// One column's value. ENUM and SET arrive as [`Value::Text`] with their labels (a SET joined by
/// commas); what a charset could not decode never gets here, capture stops before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    /// Canonical text, as `SELECT` prints it: `-12.340`.
    Decimal(String),
    Text(String),
    Bytes(Vec<u8>),
    Date(Date),
    DateTime(DateTime),
    /// Microseconds since the epoch, UTC. MySQL's zero timestamp is [`Value::DateTime`] of zeros.
    Timestamp(i64),
    /// Microseconds; MySQL's TIME runs from -838:59:59 to 838:59:59.
    Time(i64),
    /// 0 is YEAR 0000, else 1901 to 2155.
    Year(u16),
    Bit(u64),
    /// JSON text.
    Json(String),
}

/// A calendar date as MySQL allows it: zero and partial dates (month or day 0) included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// A date and a time of day without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime {
    pub date: Date,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// 0 to 999,999.
    pub micros: u32,
}

impl Value {
    /// Bytes that this value holds in memory, for the window that bounds capture.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::Decimal(text) | Value::Text(text) | Value::Json(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Null
            | Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::Double(_)
            | Value::Date(_)
            | Value::DateTime(_)
            | Value::Timestamp(_)
            | Value::Time(_)
            | Value::Year(_)
            | Value::Bit(_) => 0,
        }
    }
}

impl DateTime {
    /// Of a moment in microseconds since the epoch, in UTC; `None` outside MySQL's years. Civil
    /// date from days by Howard Hinnant's `civil_from_days`.
    #[must_use]
    pub fn from_epoch(micros: i64) -> Option<Self> {
        let seconds = micros.div_euclid(1_000_000);
        let days = seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let second_of_day = seconds.rem_euclid(86_400);
        Some(DateTime {
            date: Date {
                year: u16::try_from(year).ok()?,
                month: u8::try_from(month).ok()?,
                day: u8::try_from(day).ok()?,
            },
            hour: u8::try_from(second_of_day / 3600).ok()?,
            minute: u8::try_from(second_of_day / 60 % 60).ok()?,
            second: u8::try_from(second_of_day % 60).ok()?,
            micros: u32::try_from(micros.rem_euclid(1_000_000)).ok()?,
        })
    }

    /// Microseconds since the epoch, taken for UTC (`days_from_civil`).
    #[must_use]
    pub fn to_epoch(&self) -> i64 {
        let (month, day) = (i64::from(self.date.month), i64::from(self.date.day));
        let year = i64::from(self.date.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let minutes = (days * 24 + i64::from(self.hour)) * 60 + i64::from(self.minute);
        (minutes * 60 + i64::from(self.second)) * 1_000_000 + i64::from(self.micros)
    }
}
