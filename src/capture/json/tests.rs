//! Each form of a binary JSON value, byte by byte; whole documents are compared with the server in
//! `tests/it/second_opinion.rs`.

use super::*;

#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    assert_eq!(text(bytes).as_deref(), Ok(expected));
}

/// Type, field type, length, data.
fn opaque_bytes(kind: u8, data: &[u8]) -> Vec<u8> {
    [&[15, kind, data.len() as u8], data].concat()
}

#[test]
fn nothing_is_null_and_literals_are_words() {
    check(&[], "null");
    check(&[4, 0], "null");
    check(&[4, 1], "true");
    check(&[4, 2], "false");
}

#[test]
fn integers_of_every_width_carry_their_sign() {
    check(&[5, 0xFF, 0xFF], "-1");
    check(&[6, 0xFF, 0xFF], "65535");
    check(&[7, 0, 0, 0, 0x80], "-2147483648");
    check(&[8, 0xFF, 0xFF, 0xFF, 0xFF], "4294967295");
    check(&[9, 0, 0, 0, 0, 0, 0, 0, 0x80], "-9223372036854775808");
    check(
        &[10, 255, 255, 255, 255, 255, 255, 255, 255],
        "18446744073709551615",
    );
}

#[test]
fn doubles_look_like_doubles() {
    let bytes = |number: f64| [&[11][..], &number.to_le_bytes()].concat();
    check(&bytes(1.0), "1.0");
    check(&bytes(-0.0), "-0.0");
    check(&bytes(1e20), "1e20");
    check(&bytes(0.1), "0.1");
    assert!(text(&bytes(f64::NAN)).is_err());
}

#[test]
fn strings_are_escaped_as_the_server_does() {
    check(&[12, 3, b'a', b'"', b'b'], r#""a\"b""#);
    check(&[12, 4, 1, 8, b'\n', b'\\'], r#""\u0001\b\n\\""#);
    assert!(text(&[12, 1, 0xFF]).is_err());
}

#[test]
fn dates_times_and_decimals_keep_their_form() {
    let packed = |number: i64| number.to_le_bytes();
    let day: i64 = ((2024 * 13 + 2) << 5 | 29) << 17;
    let clock: i64 = 23 << 12 | 59 << 6 | 58;
    check(&opaque_bytes(10, &packed(day << 24)), r#""2024-02-29""#);
    check(
        &opaque_bytes(12, &packed((day | clock) << 24 | 500)),
        r#""2024-02-29 23:59:58.000500""#,
    );
    check(
        &opaque_bytes(11, &packed(-(clock << 24 | 1))),
        r#""-23:59:58.000001""#,
    );
    check(&opaque_bytes(246, &[3, 2, 0x81, 50]), "1.50");
    check(&opaque_bytes(246, &[3, 2, 0x7E, 0xCD]), "-1.50");
    check(&opaque_bytes(16, &[5]), r#""base64:type16:BQ==""#);
    check(&opaque_bytes(252, b"\x00\xff"), r#""base64:type252:AP8=""#);
    for bad in [&[3, 4, 0x81][..], &[66, 2, 0x81], &[3, 2], &[]] {
        assert!(text(&opaque_bytes(246, bad)).is_err(), "{bad:?}");
    }
    assert!(text(&opaque_bytes(11, &[1, 2])).is_err());
}

#[test]
fn lists_and_objects_are_spaced_as_on_the_server() {
    // [1, true] and {"a": "b"}, small: two-byte counts, sizes and offsets.
    check(&[2, 2, 0, 10, 0, 5, 1, 0, 4, 1, 0], "[1, true]");
    check(
        &[0, 1, 0, 14, 0, 11, 0, 1, 0, 12, 12, 0, b'a', 1, b'b'],
        r#"{"a": "b"}"#,
    );
    check(&[2, 0, 0, 4, 0], "[]");
    check(&[0, 0, 0, 4, 0], "{}");
    // The same list, large: four bytes each.
    check(
        &[3, 2, 0, 0, 0, 18, 0, 0, 0, 5, 1, 0, 0, 0, 4, 1, 0, 0, 0],
        "[1, true]",
    );
}

#[test]
fn what_is_no_document_is_an_error_and_never_a_panic() {
    assert!(text(&[0x30, 0]).is_err());
    for byte in 0..=20 {
        for length in 0..12 {
            let bytes = vec![byte; length];
            let _ = text(&bytes);
            let mut high = vec![0xFF; length];
            high.insert(0, byte);
            let _ = text(&high);
        }
    }
}

#[test]
fn depth_is_bounded() {
    // A list whose only element is itself.
    let endless = [2, 1, 0, 7, 0, 2, 0, 0];
    assert!(text(&endless).is_err());
}

#[test]
fn what_is_nested_too_deep_or_refers_to_one_place_many_times_is_refused() {
    // One element, at offset 4 + 3 of the array that holds it.
    let mut nested = vec![2];
    for _ in 0..2_000 {
        let inner = [1, 0, 7, 0, 2, 7, 0];
        nested.extend(inner);
    }
    assert!(text(&nested).is_err());
    // Each level holds the next one eight times.
    let mut repeated = vec![2];
    for _ in 0..12 {
        repeated.extend([8, 0, 28, 0]);
        for _ in 0..8 {
            repeated.extend([2, 28, 0]);
        }
    }
    assert!(text(&repeated).is_err());
}
