//! JSON indented as Salesforce does it, `"key" : value`, with its keys in the order in which they came.

/// Indents a JSON text; its keys are not parsed, so their order is kept.
pub(super) fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    let mut bytes = json.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_text {
            out.push(byte);
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                if let Some(end) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b" : "),
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                in_text = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + depth * 2, b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order_and_texts_their_content() {
        let json = r#"{"b":[1,{"x\"{,":":\\"}],"a":{},"c":[]}"#;
        let expected = "{\n  \"b\" : [\n    1,\n    {\n      \"x\\\"{,\" : \":\\\\\"\n    }\n  ],\n  \"a\" : {},\n  \"c\" : []\n}";
        assert_eq!(
            String::from_utf8(pretty(json.as_bytes())).unwrap(),
            expected
        );
    }
}
