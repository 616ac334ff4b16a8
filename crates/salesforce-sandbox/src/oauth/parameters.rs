//! Decoded parameters of an OAuth request, and their encoding in URLs.
use super::GrantRefusal;

/// Name and value pairs. Of several with one name the first counts, as in every Java servlet.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Parameters {
        Parameters(pairs)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value, or the refusal of a request without it.
    pub(crate) fn required(&self, name: &str) -> Result<&str, GrantRefusal> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                GrantRefusal::new(
                    "invalid_request",
                    format!("missing required parameter: {name}"),
                )
            })
    }
}

/// `a=1&b=2`, with everything percent-encoded that RFC 3986 does not call unreserved.
pub(crate) fn encode_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        push_encoded(&mut text, name);
        text.push('=');
        push_encoded(&mut text, value);
    }
    text
}

fn push_encoded(text: &mut String, plain: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in plain.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_repeated_parameters_the_first_counts_and_an_empty_one_is_missing() {
        let pairs = [("a", "1"), ("a", "2"), ("b", "")];
        let parameters = Parameters::new(pairs.map(|(k, v)| (k.into(), v.into())).to_vec());
        assert_eq!(parameters.get("a"), Some("1"));
        assert_eq!(parameters.get("b"), Some(""));
        assert!(parameters.required("b").is_err());
        assert_eq!(
            parameters.required("c").unwrap_err().description.as_deref(),
            Some("missing required parameter: c")
        );
    }

    #[test]
    fn everything_that_could_end_a_value_is_encoded() {
        assert_eq!(
            encode_pairs([("a b", "&=#?/+%"), ("c", "é~-._9Z")]),
            "a%20b=%26%3D%23%3F%2F%2B%25&c=%C3%A9~-._9Z"
        );
    }
}
