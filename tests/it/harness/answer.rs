//! What a verb of the command line answered, and the form that all its errors must have.

use std::process::Output;

#[derive(Debug, Clone)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// One error as it stands on stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub page: String,
    pub text: String,
    pub remedy: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }
}

impl Answer {
    /// The data of a verb that did what it was asked.
    #[track_caller]
    pub fn data(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.stdout
    }

    /// The data as JSON, one value on one line.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).expect("JSON")
    }

    /// The errors, each of the form `error[LS####]: text` and `  remedy: text`.
    ///
    /// # Panics
    /// When one is not, or when something broke that a user must never see.
    #[track_caller]
    pub fn errors(&self) -> Vec<Said> {
        for never in ["panicked", "RUST_BACKTRACE", "stack backtrace", "Z ERROR "] {
            assert!(!self.stderr.contains(never), "{}", self.stderr);
        }
        let mut said = Vec::new();
        let mut lines = self.stderr.lines();
        while let Some(line) = lines.next() {
            let Some(rest) = line.strip_prefix("error") else {
                continue;
            };
            let (page, text) = rest
                .strip_prefix('[')
                .and_then(|rest| rest.split_once("]: "))
                .unwrap_or_else(|| panic!("an error without a page: {}", self.stderr));
            let known = page.len() == 6 && page.starts_with("LS");
            assert!(known, "page {page}");
            assert!(!text.ends_with('.'), "a full stop: {text}");
            let remedy = lines
                .next()
                .and_then(|line| line.strip_prefix("  remedy: "))
                .unwrap_or_else(|| panic!("no remedy: {}", self.stderr));
            assert!(remedy.len() > 8 && !remedy.ends_with('.'), "{remedy}");
            said.push(Said {
                page: page.to_owned(),
                text: text.to_owned(),
                remedy: remedy.to_owned(),
            });
        }
        said
    }
}
