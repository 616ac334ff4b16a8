//! Choosing entries of the request log.
use std::str::FromStr;

use super::RequestRecord;

/// Which replies are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusFilter {
    /// `404`.
    Exact(u16),
    /// `4xx`.
    Class(u16),
    /// `none`: the connection was cut, or the client left waiting.
    None,
}

/// Which entries are wanted, and how many.
#[derive(Debug, Default)]
pub(crate) struct Selection<'s> {
    /// Entries whose reply came after the reply of this number.
    pub(crate) since: u64,
    /// Start of the path.
    pub(crate) path: Option<&'s str>,
    pub(crate) method: Option<&'s str>,
    pub(crate) status: Option<StatusFilter>,
    /// Newest first, rather than in the order of the replies.
    pub(crate) newest_first: bool,
    /// Most entries; all when absent.
    pub(crate) limit: Option<usize>,
}

impl FromStr for StatusFilter {
    type Err = ();

    fn from_str(text: &str) -> Result<StatusFilter, ()> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(StatusFilter::None);
        }
        match text.as_bytes() {
            [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
                Ok(StatusFilter::Class(u16::from(class - b'0')))
            }
            [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => {
                text.parse().map(StatusFilter::Exact).map_err(|_| ())
            }
            _ => Err(()),
        }
    }
}

impl Selection<'_> {
    /// The wanted ones of these entries, which are in the order of the replies.
    pub(super) fn of<'e>(
        &self,
        entries: impl DoubleEndedIterator<Item = &'e RequestRecord>,
    ) -> Vec<RequestRecord> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let wanted = entries.filter(|entry| self.wants(entry));
        if self.newest_first {
            wanted.rev().take(limit).cloned().collect()
        } else {
            wanted.take(limit).cloned().collect()
        }
    }

    fn wants(&self, entry: &RequestRecord) -> bool {
        entry.reply_sequence > self.since
            && self.path.is_none_or(|path| entry.path.starts_with(path))
            && self
                .method
                .is_none_or(|method| entry.method.eq_ignore_ascii_case(method))
            && match (self.status, entry.status) {
                (None, _) | (Some(StatusFilter::None), None) => true,
                (Some(StatusFilter::Exact(wanted)), Some(status)) => status == wanted,
                (Some(StatusFilter::Class(wanted)), Some(status)) => status / 100 == wanted,
                (Some(StatusFilter::None), Some(_)) | (Some(_), None) => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_exactly_by_class_or_as_none() {
        for (text, expected) in [
            ("404", Some(StatusFilter::Exact(404))),
            ("5xx", Some(StatusFilter::Class(5))),
            ("None", Some(StatusFilter::None)),
            ("", None),
            ("4x", None),
            ("6xx", None),
            ("600", None),
            ("-40", None),
            ("+40", None),
            ("4040", None),
            ("４04", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }

    #[test]
    fn entries_are_chosen_by_reply_path_method_and_status() {
        let entry = |reply_sequence, method: &str, path: &str, status| RequestRecord {
            reply_sequence,
            method: method.into(),
            path: path.into(),
            status,
            ..RequestRecord::default()
        };
        let log = [
            entry(1, "GET", "/services/a", Some(200)),
            entry(2, "PATCH", "/services/b", Some(503)),
            entry(3, "PATCH", "/services/b", None),
            entry(4, "GET", "/services/b", Some(404)),
        ];
        let check = |selection: Selection<'_>, expected: &[u64]| {
            let found: Vec<u64> = selection
                .of(log.iter())
                .iter()
                .map(|entry| entry.reply_sequence)
                .collect();
            assert_eq!(found, expected, "{selection:?}");
        };
        let all = Selection::default;
        check(all(), &[1, 2, 3, 4]);
        check(Selection { since: 2, ..all() }, &[3, 4]);
        let path = Some("/services/b");
        check(Selection { path, ..all() }, &[2, 3, 4]);
        let method = Some("get");
        check(Selection { method, ..all() }, &[1, 4]);
        let status = |filter| Selection {
            status: Some(filter),
            ..all()
        };
        check(status(StatusFilter::Exact(404)), &[4]);
        check(status(StatusFilter::Class(5)), &[2]);
        check(status(StatusFilter::None), &[3]);
        let limit = Some(2);
        check(Selection { limit, ..all() }, &[1, 2]);
        let newest = Selection {
            newest_first: true,
            limit,
            ..all()
        };
        check(newest, &[4, 3]);
    }
}
