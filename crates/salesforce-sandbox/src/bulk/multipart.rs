//! A job and its data in one request: `multipart/form-data` with the parts `job` and `content` (facts 5.1).

/// The two parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JobParts<'a> {
    /// JSON.
    pub(crate) job: &'a [u8],
    /// CSV.
    pub(crate) content: &'a [u8],
}

/// The boundary that a content type names, when it is that of a multipart body.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim().trim_matches('"'))
        .filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)
}

/// Splits a body into its two parts; `None` when it has not both of them.
pub(crate) fn parse<'a>(body: &'a [u8], boundary: &str) -> Option<JobParts<'a>> {
    let delimiter = format!("--{boundary}");
    let (mut job, mut content) = (None, None);
    let mut rest = &body[find(body, delimiter.as_bytes())? + delimiter.len()..];
    let closing = format!("\r\n{delimiter}");
    while !rest.starts_with(b"--") {
        rest = &rest[find(rest, b"\r\n")? + 2..];
        let end = find(rest, closing.as_bytes())?;
        let part = &rest[..end];
        rest = &rest[end + closing.len()..];
        // A part without headers begins with the blank line at once.
        let (headers, value) = if let Some(value) = part.strip_prefix(b"\r\n") {
            (&b""[..], value)
        } else {
            let at = find(part, b"\r\n\r\n")?;
            (&part[..at], &part[at + 4..])
        };
        match name(headers).as_deref() {
            Some("job") => job = job.or(Some(value)),
            Some("content") => content = content.or(Some(value)),
            _ => {}
        }
    }
    Some(JobParts {
        job: job?,
        content: content?,
    })
}

/// The name of a part, from its `Content-Disposition`.
fn name(headers: &[u8]) -> Option<String> {
    let headers = std::str::from_utf8(headers).ok()?;
    let disposition = headers.split("\r\n").find_map(|line| {
        let (header, value) = line.split_once(':')?;
        header
            .trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    disposition
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("name"))
        .map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // The first byte rules out most places without comparing.
    let first = *needle.first()?;
    let mut at = 0;
    while let Some(step) = haystack.get(at..)?.iter().position(|byte| *byte == first) {
        at += step;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--BND\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=\"job\"\r\n\r\n\
        {\"object\":\"Lead\"}\r\n--BND\r\nContent-Type: text/csv\r\n\
        Content-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\r\nLastName\nDoe\n\r\n--BND--\r\n";

    #[test]
    fn both_parts_are_found_byte_for_byte_in_either_order() {
        let parts = parse(BODY.as_bytes(), "BND").unwrap();
        assert_eq!(parts.job, b"{\"object\":\"Lead\"}");
        assert_eq!(parts.content, b"LastName\nDoe\n");
        let turned = "preamble\r\n--b\r\ncontent-disposition: form-data; name=content\r\n\r\nx\r\n\r\n--b\r\n\
            Content-Disposition: form-data; name=\"job\"\r\n\r\n{}\r\n--b--";
        let parts = parse(turned.as_bytes(), "b").unwrap();
        assert_eq!((parts.content, parts.job), (&b"x\r\n"[..], &b"{}"[..]));
    }

    #[test]
    fn boundaries_come_plain_or_quoted() {
        for (text, expected) in [
            ("multipart/form-data; boundary=BND", Some("BND")),
            (
                "Multipart/Form-Data;charset=x; Boundary=\"a b\"",
                Some("a b"),
            ),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("text/csv; boundary=BND", None),
        ] {
            assert_eq!(boundary(text), expected, "{text}");
        }
    }

    #[test]
    fn any_cut_of_a_body_is_refused_without_a_panic() {
        for end in 0..BODY.len() - 4 {
            assert_eq!(parse(&BODY.as_bytes()[..end], "BND"), None, "{end}");
        }
        assert_eq!(parse(b"--b--", "b"), None);
        assert_eq!(parse(b"--b\r\n\r\nx\r\n--b--", "b"), None);
    }
}
