//! Registered apps, and how they prove who they are.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::PublicKey;
use super::parameters::Parameters;
use super::redirect;
use super::{GrantRefusal, refuse};
use crate::config::AppConfig;
use crate::org::{Org, Users};

/// The scope that stands for all others.
const FULL: &str = "full";
/// Either makes a web login yield a refresh token.
const REFRESH_SCOPES: [&str; 2] = ["refresh_token", "offline_access"];

/// An app with its key parsed and its users found.
pub(crate) struct RegisteredApp {
    pub(crate) config: AppConfig,
    /// The user it runs as.
    pub(super) user: Option<usize>,
    pub(super) approved: Vec<usize>,
    pub(super) key: Option<PublicKey>,
}

impl RegisteredApp {
    /// The configuration was checked before: a key that is there parses, approved users exist.
    pub(crate) fn new(config: &AppConfig, users: &Users) -> RegisteredApp {
        RegisteredApp {
            user: users.find(&config.username),
            approved: config
                .approved_users
                .iter()
                .filter_map(|name| users.find(name))
                .collect(),
            key: config
                .public_key_pem
                .as_deref()
                .and_then(|pem| PublicKey::parse(pem).ok()),
            config: config.clone(),
        }
    }

    /// Whether an administrator let the user in, or the app runs as this user.
    pub(super) fn is_pre_approved_for(&self, user: usize) -> bool {
        self.user == Some(user) || self.approved.contains(&user)
    }

    /// Checks the secret of a request that may have none where the app is public or does not insist.
    pub(super) fn check_secret(&self, given: Option<&str>) -> Result<(), GrantRefusal> {
        let wrong = || refuse("invalid_client", "invalid client credentials");
        match (self.config.client_secret.as_deref(), given) {
            (None, _) => Ok(()),
            (Some(_), None) if !self.config.require_secret => Ok(()),
            (Some(secret), Some(given)) if secret == given => Ok(()),
            (Some(_), _) => Err(wrong()),
        }
    }

    pub(super) fn allows_redirect_to(&self, url: &str) -> bool {
        redirect::is_redirectable(url)
            && if self.config.callback_urls.is_empty() {
                redirect::is_loopback(url)
            } else {
                self.config.callback_urls.iter().any(|known| known == url)
            }
    }

    /// The scopes of a web login: those asked for, else all of the app; `None` when one of them is not allowed.
    pub(super) fn scope(&self, wanted: Option<&str>) -> Option<String> {
        let allowed = &self.config.scopes;
        let wanted: Vec<&str> = wanted.unwrap_or_default().split_whitespace().collect();
        if wanted.is_empty() {
            return Some(allowed.join(" "));
        }
        let is_allowed = |scope: &&str| {
            let refreshes = REFRESH_SCOPES.contains(scope);
            allowed
                .iter()
                .any(|a| a == scope || (a == FULL && !refreshes))
                || (refreshes && allowed.iter().any(|a| REFRESH_SCOPES.contains(&a.as_str())))
        };
        wanted.iter().all(is_allowed).then(|| wanted.join(" "))
    }

    /// The scopes of a login that yields no refresh token.
    pub(super) fn plain_scope(&self) -> String {
        let scopes: Vec<&str> = self
            .config
            .scopes
            .iter()
            .map(String::as_str)
            .filter(|scope| !REFRESH_SCOPES.contains(scope))
            .collect();
        scopes.join(" ")
    }
}

/// Whether a login with this scope yields a refresh token.
pub(super) fn yields_refresh_token(scope: &str) -> bool {
    scope
        .split(' ')
        .any(|scope| REFRESH_SCOPES.contains(&scope))
}

/// The app that a client says to be, and the secret it gave, from Basic authentication or else from the form.
pub(super) struct Client<'o> {
    pub(super) number: usize,
    pub(super) app: &'o RegisteredApp,
    pub(super) secret: Option<String>,
}

impl<'o> Client<'o> {
    pub(super) fn of(
        org: &'o Org,
        parameters: &Parameters,
        authorization: Option<&str>,
    ) -> Result<Client<'o>, GrantRefusal> {
        let (id, secret) = match authorization.and_then(basic_credentials) {
            Some((id, secret)) => (id, Some(secret)),
            None => (
                parameters.get("client_id").unwrap_or_default().to_owned(),
                parameters.get("client_secret").map(str::to_owned),
            ),
        };
        let (number, app) = find(org, &id)?;
        Ok(Client {
            number,
            app,
            secret,
        })
    }

    /// Checks a secret that must be there.
    pub(super) fn must_know_secret(&self) -> Result<(), GrantRefusal> {
        match (&self.app.config.client_secret, &self.secret) {
            (Some(wanted), Some(given)) if wanted == given => Ok(()),
            _ => Err(refuse("invalid_client", "invalid client credentials")),
        }
    }

    pub(super) fn check_secret(&self) -> Result<(), GrantRefusal> {
        self.app.check_secret(self.secret.as_deref())
    }
}

pub(super) fn find<'o>(
    org: &'o Org,
    client_id: &str,
) -> Result<(usize, &'o RegisteredApp), GrantRefusal> {
    org.apps
        .iter()
        .enumerate()
        .find(|(_, app)| app.config.client_id == client_id)
        .ok_or_else(|| refuse("invalid_client_id", "client identifier invalid"))
}

pub(super) fn basic_credentials(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    text.split_once(':')
        .map(|(id, secret)| (id.into(), secret.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OrgConfig;

    fn app(scopes: &[&str]) -> RegisteredApp {
        let config = AppConfig {
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            ..AppConfig::default()
        };
        RegisteredApp::new(&config, &Users::new(&OrgConfig::default()))
    }

    #[test]
    fn only_scopes_of_the_app_are_granted_and_full_stands_for_all_but_refreshing() {
        let plain = app(&["api", "id", "refresh_token"]);
        assert_eq!(plain.scope(None).as_deref(), Some("api id refresh_token"));
        assert_eq!(plain.scope(Some(" ")), plain.scope(None));
        assert_eq!(plain.scope(Some("id  api")).as_deref(), Some("id api"));
        assert_eq!(
            plain.scope(Some("offline_access")).as_deref(),
            Some("offline_access")
        );
        assert_eq!(plain.scope(Some("api web")), None);
        assert_eq!(plain.plain_scope(), "api id");
        let full = app(&["full"]);
        assert_eq!(full.scope(Some("api web")).as_deref(), Some("api web"));
        assert_eq!(full.scope(Some("refresh_token")), None);
    }

    #[test]
    fn basic_credentials_are_read_in_any_case_and_nonsense_is_none() {
        let encoded = STANDARD.encode("id:se:cret");
        for header in [format!("Basic {encoded}"), format!(" bAsIc  {encoded} ")] {
            assert_eq!(
                basic_credentials(&header),
                Some(("id".into(), "se:cret".into())),
                "{header}"
            );
        }
        for header in [
            "",
            "Basic",
            "Basic ",
            "Basic ###",
            "Bearer aWQ6eA==",
            "Basic aWQ=",
        ] {
            assert_eq!(basic_credentials(header), None, "{header}");
        }
    }
}
