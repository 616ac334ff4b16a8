//! What a document is made of, as far as the checks ask: headings, links, blocks of code, spans of
//! code. No parser of all of Markdown: it knows what is written in this repository.

/// One document.
#[derive(Debug)]
pub struct Document {
    /// Relative to the package, with `/`.
    pub path: String,
    /// As the forge names them, in their order.
    pub anchors: Vec<String>,
    pub links: Vec<At>,
    pub blocks: Vec<Block>,
    /// Without their backticks.
    pub spans: Vec<At>,
    /// Lines outside blocks.
    pub prose: Vec<At>,
    pub text: String,
}

/// A piece of text and its line.
#[derive(Debug, Clone)]
pub struct At {
    pub line: usize,
    pub text: String,
}

/// A block of code, fenced or indented.
#[derive(Debug)]
pub struct Block {
    /// Of its first line of code.
    pub line: usize,
    /// Behind the fence; empty for an indented block.
    pub language: String,
    pub text: String,
}

impl Document {
    pub fn read(path: &str, text: &str) -> Self {
        let mut document = Self {
            path: path.to_owned(),
            anchors: Vec::new(),
            links: Vec::new(),
            blocks: Vec::new(),
            spans: Vec::new(),
            prose: Vec::new(),
            text: text.to_owned(),
        };
        let lines: Vec<&str> = text.lines().collect();
        let mut at = 0;
        // An indented line is code only behind an empty line or a heading, and never in a list.
        let mut may_begin = true;
        let mut listed = false;
        while let Some(line) = lines.get(at).copied() {
            let trimmed = line.trim_start();
            if let Some(language) = trimmed.strip_prefix("```") {
                let end = (at + 1..lines.len())
                    .find(|end| lines[*end].trim_start().starts_with("```"))
                    .unwrap_or(lines.len());
                document.block(at + 1, language.trim(), &lines[at + 1..end]);
                at = end + 1;
                may_begin = true;
            } else if may_begin && !listed && line.starts_with("    ") {
                let mut end = at;
                while end < lines.len() && (lines[end].starts_with("    ") || lines[end].is_empty())
                {
                    end += 1;
                }
                document.block(at, "", &lines[at..end]);
                at = end;
            } else {
                if line.starts_with('#') {
                    document.anchor(line.trim_start_matches('#').trim());
                    listed = false;
                } else if is_item(trimmed) {
                    listed = true;
                } else if !line.is_empty() && !line.starts_with(' ') {
                    listed = false;
                }
                document.prose(at + 1, line);
                may_begin = line.trim().is_empty() || line.starts_with('#');
                at += 1;
            }
        }
        document
    }

    fn block(&mut self, first: usize, language: &str, lines: &[&str]) {
        let indent = lines
            .iter()
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len())
            .min()
            .unwrap_or(0);
        let text: Vec<&str> = lines
            .iter()
            .map(|line| line.get(indent..).unwrap_or_default())
            .collect();
        self.blocks.push(Block {
            line: first + 1,
            language: language.to_owned(),
            text: text.join("\n"),
        });
    }

    /// Lower case, without punctuation, blanks as hyphens; the second of a name gets `-1`.
    fn anchor(&mut self, heading: &str) {
        let words = heading.replace('`', "");
        let base: String = words
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let same = self.anchors.iter().filter(|it| **it == base).count();
        self.anchors.push(base.clone());
        if same > 0 {
            self.anchors.push(format!("{base}-{same}"));
        }
    }

    fn prose(&mut self, line: usize, text: &str) {
        let at = |text: &str| At {
            line,
            text: text.to_owned(),
        };
        self.prose.push(at(text));
        let mut rest = String::new();
        for (number, piece) in text.split('`').enumerate() {
            if number % 2 == 1 {
                self.spans.push(at(piece));
                // A span may stand in a link's words, never in its target.
                rest.push('x');
            } else {
                rest.push_str(piece);
            }
        }
        let mut tail = rest.as_str();
        while let Some((_, behind)) = tail.split_once("](") {
            let Some((target, further)) = behind.split_once(')') else {
                break;
            };
            self.links.push(at(target.trim()));
            tail = further;
        }
    }
}

fn is_item(line: &str) -> bool {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with("- ")
        || line.starts_with("* ")
        || (number.len() < line.len() && number.starts_with(". "))
}
