//! Who may log in: apps and users, as Rust values or TOML.
//!
//! Owns their defaults and the checks that no org may violate. What a login is worth is decided in `oauth`.
use std::fmt;

use serde::Deserialize;

/// What tokens of an app may be used for, unless its configuration or the request says otherwise.
const SCOPES: [&str; 3] = ["api", "id", "refresh_token"];

/// Every lead notes two of them, in two bytes each.
const MAX_USERS: usize = 65_535;

/// One registered app, the user it runs as, and its policies.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret; without it the client-credentials grant is refused and the app counts as public.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// PEM of the RSA public key or of the certificate; without it the JWT grant is refused.
    #[serde(default)]
    pub public_key_pem: Option<String>,
    /// The user it runs as, who has approved it; none when empty.
    pub username: String,
    /// Further users who have approved the app, or whom an administrator has.
    #[serde(default)]
    pub approved_users: Vec<String>,
    /// "Admin approved users are pre-authorized": other users are refused by `invalid_app_access`, and none can
    /// approve the app by logging in.
    #[serde(default)]
    pub admin_approval: bool,
    /// Scopes that may be granted; `full` stands for all. `refresh_token` makes web logins yield refresh tokens.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Callback URLs, compared exactly; any loopback URL when empty.
    #[serde(default)]
    pub callback_urls: Vec<String>,
    /// Whether exchanging a code or a refresh token takes the secret, where there is one.
    #[serde(default = "yes")]
    pub require_secret: bool,
    /// Whether a web login without a code challenge is refused.
    #[serde(default)]
    pub require_pkce: bool,
    /// Whether each use of a refresh token replaces it.
    #[serde(default)]
    pub rotate_refresh_tokens: bool,
    /// Life of a refresh token since it was issued, on the org's clock; until revoked when absent.
    #[serde(default)]
    pub refresh_token_seconds: Option<u64>,
}

impl Default for AppConfig {
    fn default() -> Self {
        AppConfig {
            client_id: "leadstream-demo".into(),
            client_secret: Some("leadstream-demo-secret".into()),
            public_key_pem: None,
            username: "integration@leadstream.example".into(),
            approved_users: Vec::new(),
            admin_approval: false,
            scopes: scopes(),
            callback_urls: Vec::new(),
            require_secret: true,
            require_pkce: false,
            rotate_refresh_tokens: false,
            refresh_token_seconds: None,
        }
    }
}

impl fmt::Debug for AppConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppConfig")
            .field("client_id", &self.client_id)
            .field("client_secret", &hidden(self.client_secret.as_ref()))
            .field("public_key_pem", &self.public_key_pem)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// One user; a user that an app runs as needs an entry only for what differs from the defaults.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserConfig {
    /// Looks like an e-mail address; unique in the org, in any case of letters.
    pub username: String,
    /// Without it no login by password.
    pub password: Option<String>,
    /// What must follow the password outside of a trusted network.
    pub security_token: Option<String>,
    pub active: bool,
    /// The username when absent.
    pub email: Option<String>,
    /// First and last name.
    pub name: Option<String>,
    pub profile: Option<String>,
}

impl Default for UserConfig {
    fn default() -> Self {
        UserConfig {
            username: String::new(),
            password: None,
            security_token: None,
            active: true,
            email: None,
            name: None,
            profile: None,
        }
    }
}

impl fmt::Debug for UserConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserConfig")
            .field("username", &self.username)
            .field("password", &hidden(self.password.as_ref()))
            .field("security_token", &hidden(self.security_token.as_ref()))
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// Every mistake in apps and users, as sentences that name the key.
pub(crate) fn mistakes(apps: &[AppConfig], users: &[UserConfig]) -> Vec<String> {
    let mut found = Vec::new();
    if apps.len() + users.len() > MAX_USERS {
        found.push(format!("apps and users: more than {MAX_USERS} of them"));
    }
    for (i, app) in apps.iter().enumerate() {
        if app.client_id.is_empty() {
            found.push(format!("apps[{i}].client_id is empty"));
        }
        if apps[..i]
            .iter()
            .any(|earlier| earlier.client_id == app.client_id)
        {
            found.push(format!("apps[{i}].client_id `{}` is taken", app.client_id));
        }
        if let Some(pem) = &app.public_key_pem
            && let Err(reason) = crate::oauth::check_public_key(pem)
        {
            found.push(format!("apps[{i}].public_key_pem is not usable: {reason}"));
        }
        for name in &app.approved_users {
            let known = apps
                .iter()
                .map(|app| &app.username)
                .chain(users.iter().map(|user| &user.username))
                .any(|username| username.eq_ignore_ascii_case(name));
            if !known {
                found.push(format!(
                    "apps[{i}].approved_users: there is no user `{name}`"
                ));
            }
        }
        for url in &app.callback_urls {
            if !crate::oauth::is_redirectable(url) {
                found.push(format!(
                    "apps[{i}].callback_urls: `{url}` is not an absolute URL without fragment"
                ));
            }
        }
        if app
            .scopes
            .iter()
            .any(|scope| scope.is_empty() || scope.contains(' '))
        {
            found.push(format!(
                "apps[{i}].scopes must be words, without blanks in them"
            ));
        }
    }
    for (i, user) in users.iter().enumerate() {
        let taken = users[..i]
            .iter()
            .any(|earlier| earlier.username.eq_ignore_ascii_case(&user.username));
        if user.username.is_empty() || taken {
            found.push(format!(
                "users[{i}].username `{}` is empty or taken",
                user.username
            ));
        }
    }
    found
}

fn scopes() -> Vec<String> {
    SCOPES.map(String::from).to_vec()
}

fn yes() -> bool {
    true
}

fn hidden(secret: Option<&String>) -> Option<&'static str> {
    secret.map(|_| "(hidden)")
}
