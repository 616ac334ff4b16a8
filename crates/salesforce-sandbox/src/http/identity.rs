//! Who a token belongs to: `/services/oauth2/userinfo`, identity URLs, and OpenID discovery.
//!
//! The identity service answers a bad token with 403 and one bare word, where the REST API answers 401 and JSON.
use serde_json::{Value, json};

use super::call::{Call, Request};
use super::faulted;
use super::parameters::{self, Format, parameters};
use super::reply::Reply;
use super::rest::{self, VERSIONS};
use crate::faults::{Endpoint, Instead};
use crate::oauth::Parameters;
use crate::org::{Identity, Org, User, id};

/// When every user of the org was last changed.
const CHANGED_AT: &str = "2026-01-01T00:00:00.000+0000";

/// `GET` or `POST /services/oauth2/userinfo`.
pub(super) async fn user_info(org: &Org, call: &mut Call) -> Reply {
    answer(org, call, |who| {
        let Who { user, number, .. } = who;
        let identity_url = who.identity_url(number);
        let mut body = json!({
            "sub": identity_url,
            "user_id": id::user(number),
            "organization_id": id::org(),
            "preferred_username": user.username,
            "nickname": user.nickname(),
            "name": user.name,
            "email": user.email,
            "email_verified": true,
            "given_name": user.first_name(),
            "family_name": user.last_name(),
            "zoneinfo": "GMT",
            "photos": who.photos(),
            "profile": format!("{}/{}", who.base, id::user(number)),
            "picture": format!("{}/profilephoto/005/F", who.base),
            "address": {},
            "is_salesforce_integration_user": false,
        });
        extend(&mut body, who.common());
        body["updated_at"] = CHANGED_AT.replace("+0000", "Z").into();
        Ok(body)
    })
    .await
}

/// `GET /id/{org}/{user}`.
pub(super) async fn identity(org: &Org, call: &mut Call, org_id: &str, user_id: &str) -> Reply {
    answer(org, call, |who| {
        if !id::is_same(&id::org(), org_id) {
            return Err(parameters::text(403, "Wrong_Org"));
        }
        let number = who.org.users.find_id(user_id);
        let Some((number, user)) = number.and_then(|n| Some((n, who.org.users.get(n)?))) else {
            return Err(parameters::text(404, "Bad_Id"));
        };
        let asserted = number == who.number;
        let who = Who {
            user,
            number,
            ..who
        };
        let mut body = json!({
            "id": who.identity_url(number),
            "asserted_user": asserted,
            "user_id": id::user(number),
            "organization_id": id::org(),
            "username": user.username,
            "nick_name": user.nickname(),
            "display_name": user.name,
            "email": user.email,
            "email_verified": true,
            "first_name": user.first_name(),
            "last_name": user.last_name(),
            "timezone": "GMT",
            "photos": who.photos(),
            "addr_street": null,
            "addr_city": null,
            "addr_state": null,
            "addr_country": null,
            "addr_zip": null,
            "mobile_phone": null,
            "mobile_phone_verified": false,
            "is_lightning_login_user": false,
            "status": { "created_date": null, "body": null },
            "last_modified_date": CHANGED_AT,
        });
        extend(&mut body, who.common());
        Ok(body)
    })
    .await
}

/// `GET /id/keys` and `/services/oauth2/keys`: the org signs no tokens, so there are no keys.
pub(super) fn keys() -> Reply {
    Reply::json(200, &json!({ "keys": [] }))
}

/// `GET /.well-known/openid-configuration`.
pub(super) fn configuration(org: &Org, request: &Request) -> Reply {
    let base = request.base_url(org);
    let endpoint = |name: &str| format!("{base}/services/oauth2/{name}");
    Reply::json(
        200,
        &json!({
            "issuer": base,
            "authorization_endpoint": endpoint("authorize"),
            "token_endpoint": endpoint("token"),
            "revocation_endpoint": endpoint("revoke"),
            "userinfo_endpoint": endpoint("userinfo"),
            "introspection_endpoint": endpoint("introspect"),
            "jwks_uri": format!("{base}/id/keys"),
            "scopes_supported": ["api", "full", "id", "offline_access", "refresh_token", "web"],
            "response_types_supported": ["code", "token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "display_values_supported": ["page", "popup", "touch"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
            "code_challenge_methods_supported": ["S256", "plain"],
        }),
    )
}

/// Whom an answer is about, and what its URLs are made of.
struct Who<'a> {
    org: &'a Org,
    user: &'a User,
    /// Number of the user.
    number: usize,
    base: &'a str,
    /// What stands for the version in URLs.
    version: String,
}

impl Who<'_> {
    fn identity_url(&self, number: usize) -> String {
        format!("{}/id/{}/{}", self.base, id::org(), id::user(number))
    }

    fn photos(&self) -> Value {
        let base = self.base;
        json!({
            "picture": format!("{base}/profilephoto/005/F"),
            "thumbnail": format!("{base}/profilephoto/005/T"),
        })
    }

    /// What both services tell.
    fn common(&self) -> Value {
        let Who { base, version, .. } = self;
        let org_id = &id::org()[..15];
        let soap = |letter: &str| format!("{base}/services/Soap/{letter}/{version}/{org_id}");
        let rest = |rest: &str| format!("{base}/services/data/v{version}/{rest}");
        json!({
            "urls": {
                "enterprise": soap("c"),
                "metadata": soap("m"),
                "partner": soap("u"),
                "tooling_soap": soap("T"),
                "rest": rest(""),
                "sobjects": rest("sobjects/"),
                "search": rest("search/"),
                "query": rest("query/"),
                "recent": rest("recent/"),
                "tooling_rest": rest("tooling/"),
                "feeds": rest("chatter/feeds"),
                "groups": rest("chatter/groups"),
                "users": rest("chatter/users"),
                "feed_items": rest("chatter/feed-items"),
                "feed_elements": rest("chatter/feed-elements"),
                "profile": format!("{base}/{}", id::user(self.number)),
                "custom_domain": base,
            },
            "active": self.user.active,
            "user_type": "STANDARD",
            "language": "en_US",
            "locale": "en_US",
            "utcOffset": 0,
            "is_app_installed": true,
        })
    }
}

/// Finds out who asks and renders what `tell` says, under the faults that are armed.
async fn answer(
    org: &Org,
    call: &mut Call,
    tell: impl FnOnce(Who<'_>) -> Result<Value, Reply> + Send,
) -> Reply {
    let request = &call.request;
    let parameters = parameters(request);
    let token = bearer(request, &parameters);
    let mut plan = org.faults.plan(&call.occasion(Endpoint::Other));
    let expired = plan
        .refuse
        .take_if(|refuse| matches!(refuse, Instead::SessionExpired { .. }));
    faulted::run(org, None, plan, || {
        if let (Some(Instead::SessionExpired { revoke: true, .. }), Some(token)) =
            (&expired, &token)
        {
            org.sessions().revoke(token);
        }
        if expired.is_some() {
            return parameters::text(403, "Bad_OAuth_Token");
        }
        let format = Format::of(request, &parameters);
        match told(org, request, &parameters, token.as_deref(), tell) {
            Ok(body) => format.reply(200, "user", &body),
            Err(reply) => reply,
        }
    })
    .await
}

fn told(
    org: &Org,
    request: &Request,
    parameters: &Parameters,
    token: Option<&str>,
    tell: impl FnOnce(Who<'_>) -> Result<Value, Reply>,
) -> Result<Value, Reply> {
    if !matches!(request.method.as_str(), "GET" | "HEAD" | "POST") {
        return Err(Reply::method_not_allowed(&request.method, "GET,HEAD,POST"));
    }
    let token = token.ok_or_else(|| parameters::text(403, "Missing_OAuth_Token"))?;
    let now = org.clock.monotonic_micros();
    let Identity { user: number, .. } = org
        .sessions()
        .touch(token, now)
        .ok_or_else(|| parameters::text(403, "Bad_OAuth_Token"))?;
    let user = org
        .users
        .get(number)
        .ok_or_else(|| parameters::text(403, "Bad_OAuth_Token"))?;
    let version = match parameters.get("version") {
        None => "{version}".to_owned(),
        Some("latest") => format!("{}.0", VERSIONS.end()),
        Some(number) => number
            .strip_suffix(".0")
            .unwrap_or(number)
            .parse()
            .ok()
            .filter(|number: &u32| VERSIONS.contains(number))
            .map(|number| format!("{number}.0"))
            .ok_or_else(|| parameters::text(406, "Invalid_Version"))?,
    };
    let base = request.base_url(org);
    tell(Who {
        org,
        user,
        number,
        base: &base,
        version,
    })
}

/// The token of the header, or else of the parameters.
fn bearer(request: &Request, parameters: &Parameters) -> Option<String> {
    let named = || {
        parameters
            .get("access_token")
            .or_else(|| parameters.get("oauth_token"))
    };
    match request.header("authorization") {
        Some(header) => rest::bearer(header),
        None => named().map(str::to_owned),
    }
}

fn extend(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}
