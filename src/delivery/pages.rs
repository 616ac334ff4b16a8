//! The failures of delivery that an operator can see: one `LS20xx` code each, with a title and a
//! remedy of one line. `docs/errors/LS20xx.md` says the same at length; a test pairs the two.
//!
//! Owns the wording, nothing else: which answer leads to which page is `classify` and `grant`'s
//! matter. Titles and remedies are constants, so that no value can slip into them.

/// One page: its code, what happened in a few words, what to do in one line.
pub(super) struct Page {
    pub code: &'static str,
    pub title: &'static str,
    pub remedy: &'static str,
}

macro_rules! pages {
    ($($name:ident = $code:literal, $title:literal, $remedy:literal;)*) => {
        $(
            #[allow(dead_code, reason = "some are the pipeline's, which knows them by their codes")]
            pub const $name: &str = $code;
        )*
        pub(super) const PAGES: &[Page] =
            &[$(Page { code: $code, title: $title, remedy: $remedy }),*];
    };
}

pages! {
    LOGIN_URL = "LS2001", "the login address cannot be used",
        "set salesforce.login_url to the org's My Domain, such as https://example.my.salesforce.com";
    PRIVATE_KEY = "LS2002", "the private key cannot be used",
        "give an unencrypted RSA private key of 2048 bits or more in PEM form (PKCS#8 or PKCS#1)";
    SETTINGS = "LS2003", "a setting of the Salesforce connection is out of range",
        "correct the named key under [salesforce] or [pace]";
    HTTP_CLIENT = "LS2004", "the HTTPS client could not be set up",
        "install the system's CA certificates (package ca-certificates) and start again";
    KEY_FILE = "LS2005", "the private key file cannot be read",
        "check the path and that the service's user may read the file";
    NOT_APPROVED = "LS2010", "the integration user is not approved for the app",
        "pre-authorise the user's profile or permission set in the app's OAuth policies";
    AUDIENCE = "LS2011", "Salesforce refused the audience of the login",
        "set auth.audience to https://login.salesforce.com, or https://test.salesforce.com for a sandbox";
    CLOCK_SKEW = "LS2012", "Salesforce takes the login for expired",
        "set this host's clock by NTP; the difference may be three minutes at most";
    KEY_MISMATCH = "LS2013", "Salesforce refused the signature of the login",
        "upload the certificate of this private key to the app, or give the key that matches it";
    WRONG_DOMAIN = "LS2014", "this login host does not serve this kind of login",
        "set salesforce.login_url to the org's My Domain; client credentials work nowhere else";
    NO_RUN_AS = "LS2015", "the app has no user to run as",
        "choose a Run As user in the app's client credentials settings";
    UNKNOWN_CLIENT = "LS2016", "Salesforce does not know this client id",
        "copy the consumer key from the app; a new app needs up to ten minutes to become known";
    WRONG_SECRET = "LS2017", "Salesforce refused the client secret",
        "copy the consumer secret from the app again, or rotate it";
    USER_REFUSED = "LS2018", "Salesforce refused the integration user",
        "check that user and org are active and that the username is of this org";
    LOGIN_REFUSED = "LS2019", "Salesforce refused the login",
        "read the login history of the integration user in Setup for the reason";
    LOGIN_ANSWER = "LS2020", "the answer to the login cannot be used",
        "check that salesforce.login_url is a Salesforce login host and no proxy stands in between";
    LOGIN_BUSY = "LS2021", "Salesforce cannot log anybody in now",
        "wait; login is tried again by itself. Look at the trust status page if it lasts";
    SESSION_REFUSED = "LS2022", "Salesforce refuses sessions that it has just given out",
        "look for a job that revokes the user's sessions, an IP range on them, or a logout elsewhere";
    SESSION_INCURABLE = "LS2023", "this session may not use the REST API",
        "grant the app the scope 'api' and the user the permission 'API Enabled'";
    CONNECT = "LS2030", "could not connect to Salesforce",
        "check DNS, firewall and proxy from this host to the address of the org on port 443";
    TIMEOUT = "LS2031", "Salesforce did not answer in time",
        "nothing to do if rare; else look for slow triggers and flows on the object, or send smaller batches";
    CUT = "LS2032", "the connection broke before the answer was complete",
        "nothing to do if rare; else look for a proxy or firewall that cuts long connections";
    CERTIFICATE = "LS2033", "the TLS certificate of the other side is not trusted",
        "check this host's clock and CA certificates; a proxy that opens TLS needs its CA installed here";
    REDIRECT = "LS2034", "the address answers with a redirect",
        "set salesforce.login_url to the address that it redirects to (see the org's My Domain)";
    UNAVAILABLE = "LS2040", "Salesforce is overloaded, in maintenance or failing inside",
        "wait; sending goes on by itself. Look at the trust status page of the instance if it lasts";
    GATEWAY = "LS2041", "a gateway answered with a web page instead of Salesforce's API",
        "wait if Salesforce is in maintenance; else check salesforce.login_url and any proxy in between";
    TOO_LONG = "LS2042", "the request ran too long inside Salesforce",
        "look for slow triggers and flows on the object; lower batch.max_records";
    TOO_BIG = "LS2043", "the request is too big for Salesforce",
        "lower batch.max_records or batch.max_bytes; the batch is being sent in smaller pieces";
    QUOTA = "LS2050", "the org's API calls of the last 24 hours are used up",
        "wait for the rolling window, find who uses the calls, or buy more; see Setup, System Overview";
    CONCURRENCY = "LS2051", "too many long requests run in the org at once",
        "lower pace.max_in_flight or batch.max_records; look for slow triggers and other integrations";
    CONTENTION = "LS2052", "Salesforce could not lock what it needed",
        "nothing to do if rare; else find what else writes to these records at the same time";
    FIELD = "LS2060", "Salesforce does not know a field, or the user may not write it",
        "correct the route's fields, or give the integration user edit access to the field";
    OBJECT = "LS2061", "Salesforce does not know the object, the external id or the address",
        "check the route's object and external_id, and that the user can see both";
    ORG_DISABLED = "LS2062", "the org does not allow this use of its API",
        "let an administrator check that the API is enabled, the org is not locked, the user may log in now";
    API_VERSION = "LS2063", "this API version is not served",
        "set salesforce.api_version to one that the org serves, such as 67.0";
    PERMISSION = "LS2064", "the integration user lacks a permission",
        "grant API Enabled, and create, read and edit on the object; check transaction security policies";
    STORAGE = "LS2065", "the org's storage or licences are used up",
        "free storage or buy more: every insert fails until then; see Setup, Storage Usage";
    ASSIGNMENT_RULE = "LS2066", "the assignment rule does not exist",
        "set the route's auto_assign to off, on, or the id of an assignment rule of this org";
    POISON = "LS2070", "Salesforce cannot read one of the records",
        "nothing to do: the batch is split until the record stands alone; then mend it in the dead letters";
    PROTOCOL = "LS2080", "Salesforce's answer breaks the protocol",
        "look for a proxy that rewrites answers; report it with the log of this call if there is none";
    UNEXPLAINED = "LS2081", "Salesforce refused the request for a reason unknown to leadstream",
        "look the code up in Salesforce's documentation; report it, so that it is treated better";
    CONNECTOR = "LS2082", "leadstream sent a request that Salesforce cannot take",
        "this is a fault of leadstream: report it with the log of this call";
    BULK_GONE = "LS2083", "Salesforce no longer knows the Bulk job",
        "nothing to do if rare: the records are sent again; else find who deletes Bulk jobs of the integration user";
    BULK_STATE = "LS2084", "the Bulk job is in another state than it should be",
        "nothing to do if rare; else find who closes or aborts Bulk jobs of the integration user in Setup, Bulk Data Load Jobs";
    BULK_REFUSED = "LS2085", "Salesforce refuses the Bulk job",
        "check the route's object, external_id and auto_assign, or set pace.bulk_from to \"off\" to go by calls alone";
    BULK_QUOTA = "LS2086", "the org's Bulk allowance of the last 24 hours is used up",
        "wait for the rolling window, or find who uses the batches (Setup, Bulk Data Load Jobs)";
    BULK_FAILED = "LS2087", "the Bulk job failed inside Salesforce",
        "nothing to do if rare: unfinished rows are sent again in smaller pieces; else look for slow triggers and other writers";
    BULK_FILE = "LS2088", "the file of the Bulk job cannot be read",
        "check that state/spool is readable for the service's user and that nothing else changes it";
    AUTOMATION = "LS2095", "a trigger or flow of the org refuses most records",
        "let an administrator mend the Apex trigger or flow that the code names; sending goes on by itself";
    OWNER = "LS2096", "most records get an owner who cannot own them",
        "map OwnerId to an active user or a queue, or activate the user; sending goes on by itself";
    KEYS = "LS2097", "most records match several leads",
        "mark the external id field as Unique and merge the leads that share a value";
    REFUSED_ALIKE = "LS2098", "Salesforce refuses most records for the same reason",
        "read the code: an administrator must act on it; sending goes on by itself";
}

fn find(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code == code)
}

/// The one-line remedy of a page, for `RequestFailure::page`; a general one for pages that are not
/// delivery's.
#[must_use]
pub fn remedy(page: &str) -> &'static str {
    find(page).map_or("see the page of this code in docs/errors", |page| {
        page.remedy
    })
}

/// What happened, in a few words.
pub(super) fn title(page: &str) -> &'static str {
    find(page).map_or("a call to Salesforce failed", |page| page.title)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_code_has_one_page_with_its_title_and_its_remedy() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors");
        for page in PAGES {
            let text = std::fs::read_to_string(folder.join(format!("{}.md", page.code)))
                .unwrap_or_else(|_| panic!("{} has no page", page.code));
            assert!(
                text.starts_with(&format!("# {}: {}", page.code, page.title)),
                "{}",
                page.code
            );
            assert!(
                text.contains(&format!("In short: {}.", page.remedy)),
                "{}",
                page.code
            );
            for heading in ["## Meaning", "## How to mend", "## How to check"] {
                assert!(text.contains(heading), "{} lacks {heading}", page.code);
            }
        }
        // Those of the budget are the core's: no answer of Salesforce's leads there.
        let of_the_budget = "LS2090"..="LS2093";
        let ours = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("LS20"))
            .filter(|name| !of_the_budget.contains(&name.trim_end_matches(".md")))
            .count();
        assert_eq!(ours, PAGES.len(), "pages without a code");
    }

    #[test]
    fn what_the_pipeline_makes_of_many_refusals_is_explained() {
        for page in [AUTOMATION, OWNER, KEYS, REFUSED_ALIKE] {
            assert_ne!(remedy(page), remedy("elsewhere"), "{page}");
        }
    }

    #[test]
    fn codes_are_in_our_range_and_different() {
        for pair in PAGES.windows(2) {
            assert!(pair[0].code < pair[1].code);
        }
        assert!(
            PAGES
                .iter()
                .all(|page| page.code.starts_with("LS20") && page.code.len() == 6)
        );
    }

    #[test]
    fn a_foreign_page_still_gets_an_answer() {
        assert_eq!(
            remedy("elsewhere"),
            "see the page of this code in docs/errors"
        );
        assert!(remedy(QUOTA).contains("rolling window"));
    }
}
