//! Logging in by SOAP: `login`, `logout`, `getUserInfo`, `getServerTimestamp` of the partner and enterprise APIs.
//!
//! All other operations are answered as unknown ones. Faults come with HTTP 500, as SOAP 1.1 wants it.
use axum::http::{HeaderValue, header};

use super::call::{Call, Request};
use super::envelope::{self, Envelope, push_field};
use super::faulted;
use super::limits;
use super::reply::Reply;
use super::rest::VERSIONS;
use crate::faults::{Endpoint, Instead};
use crate::oauth::{self, PasswordLogin, PasswordRefusal};
use crate::org::{Identity, Org, User, id};
use crate::value::calendar;
use crate::watch::CallGuard;

/// What login replies tell of sessions that live for ever: the default of Salesforce (facts 1.7).
const DEFAULT_SESSION_SECONDS: u64 = 7200;
const INVALID_LOGIN: &str = "Invalid username, password, security token; or user locked out.";
const NEEDS_TOKEN: &str = "Invalid username, password, security token; or user locked out. Are you at a new location? \
     When accessing Salesforce--either via a desktop client or the API--from outside of your company's trusted \
     networks, you must add a security token to your password to log in.";

/// The API that a path belongs to, which decides the namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Partner,
    Enterprise,
}

impl Api {
    fn letter(self) -> &'static str {
        match self {
            Api::Partner => "u",
            Api::Enterprise => "c",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Api::Partner => "urn:partner.soap.sforce.com",
            Api::Enterprise => "urn:enterprise.soap.sforce.com",
        }
    }

    fn fault_namespace(self) -> &'static str {
        match self {
            Api::Partner => "urn:fault.partner.soap.sforce.com",
            Api::Enterprise => "urn:fault.enterprise.soap.sforce.com",
        }
    }

    fn fault(self, code: &str, message: &str) -> Reply {
        self.fault_of("UnexpectedErrorFault", code, message)
    }

    fn fault_of(self, detail: &str, code: &str, message: &str) -> Reply {
        xml(
            500,
            envelope::fault(self.fault_namespace(), detail, code, message),
        )
    }
}

/// `POST /services/Soap/{u|c}/{version}`, with the org id behind it in URLs that came from a login.
pub(super) async fn answer(org: &Org, call: &Call, letter: &str, version: &str) -> Reply {
    let api = match letter {
        "u" => Api::Partner,
        "c" => Api::Enterprise,
        _ => return Reply::error(404, &crate::org::Refusal::not_found()),
    };
    if call.request.method != "POST" {
        return Reply::method_not_allowed(&call.request.method, "POST");
    }
    let request = match understand(&call.request, api, version) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let mut plan = org.faults.plan(&call.occasion(Endpoint::Login));
    let refuse = plan
        .refuse
        .take_if(|refuse| matches!(refuse, Instead::Json { .. }));
    let base = call.request.base_url(org);
    faulted::run(org, None, plan, || match refuse {
        Some(Instead::Json { refusal, .. }) => api.fault(&refusal.code, &refusal.message),
        _ => request.answer(org, &base),
    })
    .await
}

/// A call that names an operation of an API at a version that there is.
struct SoapRequest {
    api: Api,
    /// As in `67.0`.
    version: String,
    envelope: Envelope,
}

fn understand(request: &Request, api: Api, version: &str) -> Result<SoapRequest, Reply> {
    let client_fault = |words: &str| xml(500, envelope::client_fault(words));
    let kind = request.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("text/xml") {
        return Err(client_fault(
            "content-type of the request should be text/xml",
        ));
    }
    if request.header("soapaction").is_none() {
        return Err(client_fault("SOAPAction HTTP header missing"));
    }
    let number: Option<u32> = version
        .strip_suffix(".0")
        .unwrap_or(version)
        .parse()
        .ok()
        .filter(|number| VERSIONS.contains(number));
    let Some(number) = number else {
        let words = "Invalid Api version specified on URL";
        return Err(api.fault("UNSUPPORTED_API_VERSION", words));
    };
    let envelope = Envelope::parse(&request.body).map_err(|words| client_fault(&words))?;
    Ok(SoapRequest {
        api,
        version: format!("{number}.0"),
        envelope,
    })
}

impl SoapRequest {
    fn answer(&self, org: &Org, base: &str) -> Reply {
        let Envelope {
            namespace,
            operation,
            ..
        } = &self.envelope;
        let is_ours = namespace == self.api.namespace();
        let done = match operation.as_str() {
            "login" if is_ours => self.log_in(org, base),
            "logout" if is_ours => self.log_out(org),
            "getUserInfo" if is_ours => self.user_info(org),
            "getServerTimestamp" if is_ours => self.timestamp(org),
            _ => {
                let words = format!(
                    "No operation available for request {{{namespace}}}{operation}, please check the WSDL for the service."
                );
                return xml(500, envelope::client_fault(&words));
            }
        };
        match done {
            Ok(body) => xml(200, envelope::reply(self.api.namespace(), &body)),
            Err(fault) => fault,
        }
    }

    fn log_in(&self, org: &Org, base: &str) -> Result<String, Reply> {
        let login = PasswordLogin {
            username: self.envelope.argument("username").unwrap_or_default(),
            password: self.envelope.argument("password").unwrap_or_default(),
            organization_id: self.envelope.organization_id.as_deref(),
        };
        let fault = |code: &str, message: &str| self.api.fault_of("LoginFault", code, message);
        let opening = oauth::log_in_by_password(org, &login).map_err(|refusal| match refusal {
            PasswordRefusal::Invalid => fault("INVALID_LOGIN", INVALID_LOGIN),
            PasswordRefusal::TokenMissing => fault("LOGIN_MUST_USE_SECURITY_TOKEN", NEEDS_TOKEN),
            PasswordRefusal::Refused(refusal) => match refusal.error.as_str() {
                "inactive_org" => fault("ORG_LOCKED", "organization is inactive"),
                _ => fault("REQUEST_LIMIT_EXCEEDED", "login rate exceeded"),
            },
        })?;
        let user = opening.identity.user;
        let session = oauth::open_session(org, opening);
        let org_id = id::org();
        let url = |letter: &str| {
            let version = &self.version;
            format!("{base}/services/Soap/{letter}/{version}/{}", &org_id[..15])
        };
        let mut out = String::from("<loginResponse><result>");
        push_field(&mut out, "metadataServerUrl", &url("m"));
        push_field(&mut out, "passwordExpired", "false");
        push_field(&mut out, "sandbox", "false");
        push_field(&mut out, "serverUrl", &url(self.api.letter()));
        push_field(&mut out, "sessionId", &session);
        push_field(&mut out, "userId", &id::user(user));
        out.push_str("<userInfo>");
        push_user_info(&mut out, org, user);
        out.push_str("</userInfo></result></loginResponse>");
        Ok(out)
    }

    fn log_out(&self, org: &Org) -> Result<String, Reply> {
        self.session(org)?;
        if let Some(token) = &self.envelope.session_id {
            org.sessions().revoke(token);
        }
        Ok("<logoutResponse/>".into())
    }

    fn user_info(&self, org: &Org) -> Result<String, Reply> {
        let identity = self.session(org)?;
        let _in_progress = self.admit(org, identity)?;
        let mut out = String::from("<getUserInfoResponse><result>");
        push_user_info(&mut out, org, identity.user);
        out.push_str("</result></getUserInfoResponse>");
        Ok(out)
    }

    fn timestamp(&self, org: &Org) -> Result<String, Reply> {
        let identity = self.session(org)?;
        let _in_progress = self.admit(org, identity)?;
        let mut out = String::from("<getServerTimestampResponse><result>");
        let now = calendar::format_datetime(org.clock.wall_micros() / 1000);
        push_field(&mut out, "timestamp", &now.replace("+0000", "Z"));
        out.push_str("</result></getServerTimestampResponse>");
        Ok(out)
    }

    fn session(&self, org: &Org) -> Result<Identity, Reply> {
        let token = self.envelope.session_id.as_deref();
        let now = org.clock.monotonic_micros();
        token
            .and_then(|token| org.sessions().touch(token, now))
            .ok_or_else(|| illegal_session(self.api, token))
    }

    /// Calls by SOAP count like all others (facts 6.1).
    fn admit<'o>(&self, org: &'o Org, identity: Identity) -> Result<CallGuard<'o>, Reply> {
        limits::admit(org, identity.app)
            .map_err(|refusal| self.api.fault(&refusal.code, &refusal.message))
    }
}

fn illegal_session(api: Api, token: Option<&str>) -> Reply {
    let words = format!(
        "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session key: {}",
        token.unwrap_or_default()
    );
    api.fault("INVALID_SESSION_ID", &words)
}

fn push_user_info(out: &mut String, org: &Org, number: usize) {
    let Some(user) = org.users.get(number) else {
        return;
    };
    let seconds = org
        .config
        .session_idle_seconds
        .unwrap_or(DEFAULT_SESSION_SECONDS);
    let nil = |name: &str| format!("<{name} xsi:nil=\"true\"/>");
    let User {
        username,
        email,
        name,
        profile,
        ..
    } = user;
    let profile = id::profile(org.users.profile_number(profile));
    push_field(out, "accessibilityMode", "false");
    push_field(out, "chatterExternal", "false");
    push_field(out, "currencySymbol", "$");
    push_field(out, "orgAttachmentFileSizeLimit", "26214400");
    push_field(out, "orgDefaultCurrencyIsoCode", "USD");
    push_field(out, "orgDefaultCurrencyLocale", "en_US");
    push_field(out, "orgDisallowHtmlAttachments", "false");
    push_field(out, "orgHasPersonAccounts", "false");
    push_field(out, "organizationId", &id::org());
    push_field(out, "organizationMultiCurrency", "false");
    push_field(out, "organizationName", &org.config.organization_name);
    push_field(out, "profileId", &profile);
    out.push_str(&nil("roleId"));
    push_field(out, "sessionSecondsValid", &seconds.to_string());
    out.push_str(&nil("userDefaultCurrencyIsoCode"));
    push_field(out, "userEmail", email);
    push_field(out, "userFullName", name);
    push_field(out, "userId", &id::user(number));
    push_field(out, "userLanguage", "en_US");
    push_field(out, "userLocale", "en_US");
    push_field(out, "userName", username);
    push_field(out, "userTimeZone", "GMT");
    push_field(out, "userType", "Standard");
    push_field(out, "userUiSkin", "Theme3");
}

fn xml(status: u16, body: String) -> Reply {
    let reply = Reply {
        body: body.into_bytes(),
        ..Reply::empty(status)
    };
    reply.with(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/xml; charset=utf-8"),
    )
}
