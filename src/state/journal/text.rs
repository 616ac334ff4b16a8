//! Appending JSON by hand: names are ours and need no escapes, values get them.

/// Appends a quoted text.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing a text into a vector cannot fail.
        let _ = serde_json::to_writer(out, text);
    }
}

/// Appends `,"name":` without a value.
pub(super) fn push_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

pub(super) fn push_field(out: &mut Vec<u8>, name: &str, text: &str) {
    push_name(out, name);
    push_string(out, text);
}

pub(super) fn push_number(out: &mut Vec<u8>, name: &str, number: impl itoa::Integer) {
    push_name(out, name);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(super) fn push_flag(out: &mut Vec<u8>, name: &str, flag: bool) {
    push_name(out, name);
    out.extend_from_slice(if flag { b"true" } else { b"false" });
}
