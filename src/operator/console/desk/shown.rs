//! How things are shown on the pages of the desk: moments, durations, names of fields, and values,
//! which come from strangers and may be personal.

use crate::core::time::Micros;
use crate::operator::access::Identity;
use crate::operator::console::causes;
use crate::operator::console::words::{segment, several};
use crate::operator::mask;
use crate::runtime::status::Status;

/// A value longer than this is cut in lists; its page shows it whole.
const LISTED_CHARS: usize = 80;

/// `0.8 s`, `3 min 20 s`, `2 h 5 min`, `3 days`.
pub fn duration(seconds: f64) -> String {
    if seconds < 0.0995 {
        return format!("{:.0} ms", seconds.max(0.0) * 1000.0);
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds as u64;
    match whole {
        0..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", whole / 86_400),
    }
}

/// `for 3 days`, of something that waits.
pub fn waiting(now: Micros, since: Micros) -> String {
    match now.seconds_since(since) {
        seconds if seconds < 60.0 => "since a moment ago".to_owned(),
        seconds => format!("for {}", duration(seconds)),
    }
}

/// `1 lead`, `214 leads`.
pub fn leads(count: u64) -> String {
    several(count, "lead", "leads")
}

/// A field's name as people know it.
pub fn label(field: &str) -> String {
    visible(&causes::label(field))
}

/// The text with what cannot be seen, or turns the direction of reading, made visible.
pub fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() && c != '\n' && c != '\t'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Cut for a list.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(LISTED_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Who looks, and what of people is shown to them.
#[derive(Clone, Copy, Debug)]
pub struct Eyes {
    pub sees_people: bool,
}

impl From<&Identity> for Eyes {
    fn from(who: &Identity) -> Self {
        Self {
            sees_people: who.sees_people(),
        }
    }
}

impl Eyes {
    /// A value that may be personal.
    pub fn value(self, text: &str) -> String {
        if self.sees_people {
            visible(text)
        } else {
            visible(&mask::text(text))
        }
    }
}

/// The record's page in the org; `None` before the first login, and for what is no id.
pub fn link_to_org(status: &Status, route: &str, id: &str) -> Option<String> {
    let host = status.delivery.instance_url.as_deref()?;
    let is_id = matches!(id.len(), 15 | 18) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_address = host.starts_with("https://") || host.starts_with("http://");
    let object = status.routes.iter().find(|known| known.name == route);
    let object = object.map_or("", |known| known.object.as_str());
    let object = if object.is_empty() { "Lead" } else { object };
    (is_id && is_address).then(|| format!("{host}/lightning/r/{object}/{id}/view"))
}

/// `a=b&c=d`, as in an address.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&segment(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        assert_eq!(
            visible("a\u{202e}b\u{0}c\u{200b}\nd"),
            "a⟨U+202E⟩b⟨U+0000⟩c⟨U+200B⟩\nd"
        );
        let viewer = Eyes { sees_people: false };
        assert_eq!(viewer.value("Ada"), "A•••");
        assert_eq!(viewer.value("\u{202e}Ada"), "⟨U+202E⟩•••");
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(leads(1), "1 lead");
        assert_eq!(leads(10_000), "10,000 leads");
        assert_eq!(duration(0.012), "12 ms");
        assert_eq!(duration(90_000.0), "1 day");
        assert_eq!(query(&[("a", "x y&z"), ("b", "é")]), "a=x%20y%26z&b=%C3%A9");
    }
}
