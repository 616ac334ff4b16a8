//! SOAP 1.1 envelopes: what a client asks for, and the text of replies and faults.
//!
//! Document types are refused, so no entity is ever expanded; bytes and nodes are bounded.
use roxmltree::{Document, Node, ParsingOptions};

const ENVELOPE_NAMESPACE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The parser holds each attribute against all others of its element, so a long text could keep it busy for minutes.
const MAX_BYTES: usize = 16 * 1024;
/// A login has about twenty.
const MAX_NODES: u32 = 1_000;

/// A call by SOAP, as far as logins need it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Namespace and name of the first element in the body.
    pub(crate) namespace: String,
    pub(crate) operation: String,
    /// Name and text of the operation's children.
    pub(crate) arguments: Vec<(String, String)>,
    /// From the SessionHeader.
    pub(crate) session_id: Option<String>,
    /// From the LoginScopeHeader.
    pub(crate) organization_id: Option<String>,
}

impl Envelope {
    /// Reads an envelope; else says what is wrong with it, in the words of the fault.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Envelope, String> {
        if bytes.len() > MAX_BYTES {
            return Err(format!("The envelope is longer than {MAX_BYTES} bytes"));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| "Invalid byte in a UTF-8 sequence.".to_owned())?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err("Premature end of file.".into());
        }
        if !text.starts_with('<') {
            return Err("Content is not allowed in prolog.".into());
        }
        let options = ParsingOptions {
            allow_dtd: false,
            nodes_limit: MAX_NODES,
            ..ParsingOptions::default()
        };
        let document =
            Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
        let root = document.root_element();
        if !is_soap(root, "Envelope") {
            return Err(format!(
                "Unrecognized element: {}, expected a SOAP 1.1 Envelope",
                root.tag_name().name()
            ));
        }
        let part = |name| root.children().find(|node| is_soap(*node, name));
        let operation = part("Body")
            .and_then(|body| body.first_element_child())
            .ok_or("The Body of the envelope has no operation")?;
        let header = |name, value| {
            part("Header")
                .into_iter()
                .flat_map(|header| header.children())
                .find(|node| node.tag_name().name() == name)
                .and_then(|node| {
                    node.children()
                        .find(|child| child.tag_name().name() == value)
                })
                .map(content)
        };
        Ok(Envelope {
            namespace: operation.tag_name().namespace().unwrap_or_default().into(),
            operation: operation.tag_name().name().into(),
            arguments: operation
                .children()
                .filter(Node::is_element)
                .map(|node| (node.tag_name().name().to_owned(), content(node)))
                .collect(),
            session_id: header("SessionHeader", "sessionId"),
            organization_id: header("LoginScopeHeader", "organizationId"),
        })
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        self.arguments
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, text)| text.as_str())
    }
}

/// The envelope around a reply's body, in the namespace of the API that was called.
pub(crate) fn reply(namespace: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE_NAMESPACE}\" \
         xmlns=\"{namespace}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>{body}\
         </soapenv:Body></soapenv:Envelope>"
    )
}

/// A fault of the API: its code is told three times.
pub(crate) fn fault(fault_namespace: &str, detail: &str, code: &str, message: &str) -> String {
    let (code, message) = (escaped(code), escaped(message));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE_NAMESPACE}\" \
         xmlns:sf=\"{fault_namespace}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>\
         <soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring><detail>\
         <sf:{detail} xsi:type=\"sf:{detail}\"><sf:exceptionCode>{code}</sf:exceptionCode>\
         <sf:exceptionMessage>{message}</sf:exceptionMessage></sf:{detail}></detail></soapenv:Fault>\
         </soapenv:Body></soapenv:Envelope>"
    )
}

/// A fault of the SOAP layer below the API.
pub(crate) fn client_fault(message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE_NAMESPACE}\">\
         <soapenv:Body><soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>{}</faultstring>\
         </soapenv:Fault></soapenv:Body></soapenv:Envelope>",
        escaped(message)
    )
}

/// `<name>text</name>`.
pub(crate) fn push_field(out: &mut String, name: &str, text: &str) {
    out.push_str(&format!("<{name}>"));
    push_escaped(out, text);
    out.push_str(&format!("</{name}>"));
}

/// Text as it may stand between tags; what XML 1.0 cannot carry at all is left out.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}

fn is_soap(node: Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name() == name && node.tag_name().namespace() == Some(ENVELOPE_NAMESPACE)
}

/// All text directly inside, comments left out.
fn content(node: Node<'_, '_>) -> String {
    node.children()
        .filter(Node::is_text)
        .filter_map(|child| child.text())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(header: &str, body: &str) -> String {
        format!(
            "<e:Envelope xmlns:e=\"{ENVELOPE_NAMESPACE}\"><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>"
        )
    }

    #[test]
    fn a_login_is_read_whatever_its_prefixes_comments_and_sections() {
        let text = wrapped(
            "<x:LoginScopeHeader xmlns:x=\"urn:partner.soap.sforce.com\"><x:organizationId>00D</x:organizationId></x:LoginScopeHeader>",
            "<n1:login xmlns:n1=\"urn:partner.soap.sforce.com\">\n <n1:username>a&amp;b</n1:username>\
             <n1:password>x<!-- no -->&lt;y<![CDATA[<z>]]></n1:password></n1:login>",
        );
        let text = format!("\u{feff}\n<?xml version=\"1.0\" encoding=\"utf-8\" ?>{text}");
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        assert_eq!(envelope.operation, "login");
        assert_eq!(envelope.namespace, "urn:partner.soap.sforce.com");
        assert_eq!(envelope.argument("username"), Some("a&b"));
        assert_eq!(envelope.argument("password"), Some("x<y<z>"));
        assert_eq!(envelope.argument("missing"), None);
        assert_eq!(envelope.organization_id.as_deref(), Some("00D"));
        assert_eq!(envelope.session_id, None);
    }

    #[test]
    fn nonsense_is_refused_with_words_and_never_expanded() {
        let check = |bytes: &[u8], words: &str| {
            let error = Envelope::parse(bytes).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        check(b"", "Premature end of file.");
        check(b" \n ", "Premature end of file.");
        check(b"{}", "Content is not allowed in prolog.");
        check(b"\xff\xfe<", "UTF-8");
        check(b"<a>", "");
        check(b"<a/>", "Unrecognized element: a");
        check(b"<Envelope/>", "Unrecognized element: Envelope");
        check(wrapped("", "").as_bytes(), "no operation");
        check(wrapped("", "text").as_bytes(), "no operation");
        let bomb = "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;\">]>";
        check(
            format!("{bomb}{}", wrapped("", "<login>&y;</login>")).as_bytes(),
            "DTD",
        );
        check(wrapped("", &"<a/>".repeat(3_000)).as_bytes(), "limit");
        check(wrapped("", &"<a/>".repeat(20_000)).as_bytes(), "longer");
    }

    #[test]
    fn the_worst_that_fits_is_read_in_no_time() {
        let deep = format!("{}{}", "<a>".repeat(900), "</a>".repeat(900));
        assert_eq!(
            Envelope::parse(wrapped("", &deep).as_bytes())
                .unwrap()
                .operation,
            "a"
        );
        let attributes: String = (0..1_500).map(|n| format!(" a{n}=\"\"")).collect();
        assert!(Envelope::parse(wrapped("", &format!("<a{attributes}/>")).as_bytes()).is_ok());
        let prefixes: String = (0..600)
            .map(|n| format!("<a xmlns:p{n}=\"{n}\">"))
            .collect();
        let ends = "</a>".repeat(600);
        assert!(Envelope::parse(wrapped("", &format!("{prefixes}{ends}")).as_bytes()).is_ok());
    }

    #[test]
    fn what_is_told_back_cannot_break_out_of_its_element() {
        let mut out = String::new();
        push_field(&mut out, "a", "</a>&\"\u{0}\u{fffe}x");
        assert_eq!(out, "<a>&lt;/a&gt;&amp;&quot;x</a>");
        let text = fault("urn:f", "LoginFault", "X", "<boom>");
        assert!(Document::parse(&text).is_ok());
        assert!(Document::parse(&client_fault("<boom>")).is_ok());
        assert!(Document::parse(&reply("urn:p", "<x/>")).is_ok());
    }
}
