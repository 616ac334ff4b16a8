//! MySQL's packed dates and times (`my_time.cc`: `*_from_binary`), which arrive as one
//! little-endian integer of the bytes as they stood in the row.
//!
//! Nothing is rounded, clamped or refused: zero dates, partial dates and negative times survive.

use crate::core::value::{Date, DateTime, Value};

/// Bytes of the fraction of a type with `digits` digits after the point.
pub(super) const fn fraction_bytes(digits: u8) -> u8 {
    digits.div_ceil(2)
}

/// The bytes in the order they had in the row, read as big-endian.
fn big_endian(raw: u64, bytes: u8) -> u64 {
    raw.swap_bytes() >> (64 - 8 * u32::from(bytes))
}

/// Splits into the part before the fraction and the fraction in microseconds.
fn split(raw: u64, whole_bytes: u8, digits: u8) -> (u64, u32) {
    let length = fraction_bytes(digits);
    let value = big_endian(raw, whole_bytes + length);
    let fraction = value & ((1 << (8 * u32::from(length))) - 1);
    // At most three bytes: 0 to 999,999 after scaling.
    let micros = fraction as u32 * 100_u32.pow(3 - u32::from(length.min(3)));
    (value >> (8 * u32::from(length)), micros)
}

/// TIMESTAMP(digits): seconds since the epoch; 0 is MySQL's zero timestamp.
pub(super) fn timestamp(raw: u64, digits: u8) -> Value {
    let (seconds, micros) = split(raw, 4, digits);
    if seconds == 0 && micros == 0 {
        let date = Date {
            year: 0,
            month: 0,
            day: 0,
        };
        return Value::DateTime(DateTime {
            date,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
        });
    }
    Value::Timestamp(seconds as i64 * 1_000_000 + i64::from(micros))
}

/// DATETIME(digits): 1 bit sign (always set), 17 bits year and month, 5 day, 5 hour, 6 minute,
/// 6 second.
pub(super) fn date_time(raw: u64, digits: u8) -> Value {
    let (packed, micros) = split(raw, 5, digits);
    let year_month = (packed >> 22) & 0x1_FFFF;
    Value::DateTime(DateTime {
        date: Date {
            year: (year_month / 13) as u16,
            month: (year_month % 13) as u8,
            day: ((packed >> 17) & 0x1F) as u8,
        },
        hour: ((packed >> 12) & 0x1F) as u8,
        minute: ((packed >> 6) & 0x3F) as u8,
        second: (packed & 0x3F) as u8,
        micros,
    })
}

/// TIME(digits): 1 bit sign, 1 unused, 10 bits hour, 6 minute, 6 second; negative values are the
/// two's complement of the whole, fraction included.
pub(super) fn time(raw: u64, digits: u8) -> Value {
    let length = fraction_bytes(digits);
    let value = big_endian(raw, 3 + length) as i64 - (0x80_0000 << (8 * u32::from(length)));
    let (negative, value) = (value < 0, value.unsigned_abs());
    let fraction = value & ((1 << (8 * u32::from(length))) - 1);
    let micros = fraction * 100_u64.pow(3 - u32::from(length.min(3)));
    let packed = value >> (8 * u32::from(length));
    let (hour, minute, second) = ((packed >> 12) & 0x3FF, (packed >> 6) & 0x3F, packed & 0x3F);
    let total = (((hour * 60 + minute) * 60 + second) * 1_000_000 + micros) as i64;
    Value::Time(if negative { -total } else { total })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As mysql_cdc reads a SET: little-endian.
    fn raw(bytes: &[u8]) -> u64 {
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    #[test]
    fn timestamps_keep_their_fraction_and_zero_stays_zero() {
        assert_eq!(
            timestamp(raw(&[0x65, 0, 0, 0]), 0),
            Value::Timestamp(0x6500_0000 * 1_000_000)
        );
        let with_micros = timestamp(raw(&[0, 0, 0, 1, 0x01, 0xE2, 0x40]), 6);
        assert_eq!(with_micros, Value::Timestamp(1_123_456));
        let with_one_digit = timestamp(raw(&[0, 0, 0, 1, 50]), 1);
        assert_eq!(with_one_digit, Value::Timestamp(1_500_000));
        assert!(matches!(timestamp(0, 0), Value::DateTime(zero) if zero.date.year == 0));
    }

    #[test]
    fn the_last_datetime_and_the_zero_datetime_are_read() {
        // 9999-12-31 23:59:59.999999 and 0000-00-00 00:00:00, as the server packs them.
        let last = date_time(raw(&[0xFE, 0xF3, 0xFF, 0x7E, 0xFB, 0x0F, 0x42, 0x3F]), 6);
        let date = Date {
            year: 9999,
            month: 12,
            day: 31,
        };
        let expected = DateTime {
            date,
            hour: 23,
            minute: 59,
            second: 59,
            micros: 999_999,
        };
        assert_eq!(last, Value::DateTime(expected));
        let date = Date {
            year: 0,
            month: 0,
            day: 0,
        };
        let zero = DateTime {
            date,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
        };
        assert_eq!(
            date_time(raw(&[0x80, 0, 0, 0, 0]), 0),
            Value::DateTime(zero)
        );
    }

    #[test]
    fn negative_times_count_their_fraction_the_right_way() {
        assert_eq!(time(raw(&[0x80, 0, 1]), 0), Value::Time(1_000_000));
        assert_eq!(time(raw(&[0x7F, 0xFF, 0xFF]), 0), Value::Time(-1_000_000));
        // my_time.cc: TIME(2) -00:00:00.01 is 7F FF FF FF, -00:00:01.10 is 7F FF FE F6.
        assert_eq!(
            time(raw(&[0x7F, 0xFF, 0xFF, 0xFF]), 2),
            Value::Time(-10_000)
        );
        assert_eq!(
            time(raw(&[0x7F, 0xFF, 0xFE, 0xF6]), 2),
            Value::Time(-1_100_000)
        );
        let longest = (838 * 3600 + 59 * 60 + 59) * 1_000_000;
        assert_eq!(time(raw(&[0xB4, 0x6E, 0xFB]), 0), Value::Time(longest));
    }
}
