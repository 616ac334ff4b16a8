//! What is wrong with a configuration: every mistake with its key, where it came from, the rule it
//! breaks and the way out. Owns redaction: nothing that may be a secret gets into a [`Mistake`].

use std::fmt;

/// The file cannot be found or read.
pub const UNREADABLE: &str = "LS4001";
/// The file is not TOML.
pub const NOT_TOML: &str = "LS4002";
/// A key that this program does not know.
pub const UNKNOWN_KEY: &str = "LS4003";
/// A value of the wrong type, out of its range, or at odds with another.
pub const WRONG_VALUE: &str = "LS4004";
/// A key without which nothing can start.
pub const MISSING_KEY: &str = "LS4005";
/// A secret where it can be seen, or one that cannot be read.
pub const SECRET: &str = "LS4006";
/// Known, and not carried by this version.
pub const NOT_AVAILABLE: &str = "LS4007";

/// A port that other machines reach, without TLS or tokens.
pub const PORT_IS_OPEN: &str = "LS6053";

/// What stands in the place of a secret.
pub const REDACTED: &str = "[secret]";

/// One thing to put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// `LS40xx`, the page that explains this kind of mistake.
    pub page: &'static str,
    /// The key: `batch.max_records`, `route[0].fields.LastName`. Empty when no key is at fault.
    pub path: String,
    /// Where it came from: `file:line`, an environment variable, a flag.
    pub origin: String,
    /// What it breaks, as a sentence about the key: `must be a whole number from 1 to 200`.
    pub rule: String,
    /// What was given, secrets redacted; `None` when nothing was, or when it must not be shown.
    pub value: Option<String>,
    /// What to do.
    pub remedy: String,
}

/// Every mistake of a configuration, never empty; those of the file first, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistake {
    /// The mistake in one line, without its page, origin and remedy.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.path.clone();
        if let Some(value) = &self.value {
            text.push_str(" = ");
            text.push_str(value);
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&self.rule);
        text
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error[{}]: {}", self.page, self.text())?;
        if !self.origin.is_empty() {
            writeln!(f, "  from: {}", self.origin)?;
        }
        write!(f, "  remedy: {}", self.remedy)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// `text` with the password of a URL in it replaced, `//` or not. Greedy on purpose: a password may
/// hold any character, so everything between the first colon and the last `@` goes.
#[must_use]
pub fn redact_urls(text: &str) -> String {
    let start = text.find("//").map_or(0, |at| at + 2);
    let Some(at) = text.rfind('@').filter(|at| *at > start) else {
        return text.to_owned();
    };
    match text[start..at].find(':') {
        Some(colon) => format!("{}{REDACTED}{}", &text[..=start + colon], &text[at..]),
        None => text.to_owned(),
    }
}

/// A line of a broken file, fit to be shown: what is given to a key that sounds like a secret is
/// cut off, and a line that may belong to a key file's text is not shown at all.
#[must_use]
pub fn redact_line(before: &str, line: &str) -> String {
    let inside_key = before
        .rfind("-----BEGIN")
        .is_some_and(|begin| before.rfind("-----END").is_none_or(|end| end < begin));
    let inside_text = ["\"\"\"", "'''"]
        .iter()
        .any(|quotes| before.matches(quotes).count() % 2 == 1);
    if inside_key || inside_text || line.contains("-----BEGIN") || line.contains("-----END") {
        return REDACTED.to_owned();
    }
    for (equals, _) in line.match_indices('=') {
        let name = line[..equals].trim_end().trim_end_matches(['"', '\'']);
        let mut words = name.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
        if words.next().is_some_and(sounds_secret) {
            return redact_urls(&format!("{} {REDACTED}", line[..=equals].trim_end()));
        }
    }
    // A key without its equals sign: `password "hunter2"`.
    let first = line
        .trim_start()
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .next();
    if !line.contains('=') && first.is_some_and(sounds_secret) {
        return REDACTED.to_owned();
    }
    redact_urls(line)
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token", "key", "credential"]
        .iter()
        .any(|word| name.contains(word))
        && !name.ends_with("_file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_redacted() {
        assert_eq!(
            redact_urls("mysql://root:pa:ss@w@db:1"),
            "mysql://root:[secret]@db:1"
        );
        assert_eq!(redact_urls("mysql://root@db:1"), "mysql://root@db:1");
        assert_eq!(redact_urls("root:hunter2@db"), "root:[secret]@db");
        assert_eq!(redact_urls("lead@example.com"), "lead@example.com");
        assert_eq!(
            redact_urls("url = \"mysql://a:b@c"),
            "url = \"mysql://a:[secret]@c"
        );
    }

    #[test]
    fn lines_that_may_hold_a_secret_are_cut() {
        assert_eq!(redact_line("", "password = hunter2"), "password = [secret]");
        assert_eq!(redact_line("", "auth = { \"client_secret\" = hunter2 }"), {
            "auth = { \"client_secret\" = [secret]"
        });
        assert_eq!(redact_line("", "password \"hunter2\""), "[secret]");
        assert_eq!(redact_line("", "password_file = /x"), "password_file = /x");
        assert_eq!(
            redact_line("k = \"\"\"\n-----BEGIN KEY-----\n", "MIIE=="),
            "[secret]"
        );
        assert_eq!(redact_line("password = \"\"\"\n", "hunter2"), "[secret]");
        assert_eq!(redact_line("", "é𝋠password = x"), "é𝋠password = [secret]");
        assert_eq!(redact_line("", "max_age = 1s"), "max_age = 1s");
    }
}
