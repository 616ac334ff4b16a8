//! Values of MySQL columns, as captured: what the server stores, nothing lost.

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
