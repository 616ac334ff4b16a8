//! The org's users: who may hold a session, and what is told of them.
//!
//! Invariant: a user's place in the list is the number behind its id, and never changes: users that apps run as come
//! first, in the order of the apps, then those of the configuration. A user that is both is one user.
use crate::config::OrgConfig;

use super::id;

/// A person or an integration with a login.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) username: String,
    pub(crate) email: String,
    /// First and last name.
    pub(crate) name: String,
    pub(crate) profile: String,
    pub(crate) active: bool,
    /// Nobody logs in with a password that is not there.
    password: Option<String>,
    security_token: Option<String>,
}

/// What a password is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasswordCheck {
    Right,
    /// It would be right if the security token followed it.
    TokenMissing,
    Wrong,
}

impl User {
    pub(super) fn named(username: &str) -> User {
        User {
            username: username.to_owned(),
            email: username.to_owned(),
            name: name_of(username),
            profile: "System Administrator".into(),
            active: true,
            password: None,
            security_token: None,
        }
    }

    /// The words before the last one of the name; empty where there is but one.
    pub(crate) fn first_name(&self) -> &str {
        self.name.rsplit_once(' ').map_or("", |(first, _)| first)
    }

    pub(crate) fn last_name(&self) -> &str {
        self.name
            .rsplit_once(' ')
            .map_or(self.name.as_str(), |(_, last)| last)
    }

    /// The username without its domain.
    pub(crate) fn nickname(&self) -> &str {
        self.username.split('@').next().unwrap_or_default()
    }

    /// Judges a password as clients send it: followed by the security token, which a trusted network may leave out.
    pub(crate) fn check_password(&self, given: &str, trusted_network: bool) -> PasswordCheck {
        let Some(rest) = self
            .password
            .as_deref()
            .and_then(|password| given.strip_prefix(password))
        else {
            return PasswordCheck::Wrong;
        };
        match self.security_token.as_deref().unwrap_or_default() {
            token if rest == token => PasswordCheck::Right,
            _ if !rest.is_empty() => PasswordCheck::Wrong,
            _ if trusted_network => PasswordCheck::Right,
            _ => PasswordCheck::TokenMissing,
        }
    }
}

/// All users of the org.
#[derive(Debug)]
pub(crate) struct Users {
    list: Vec<User>,
}

impl Users {
    /// The configuration has been checked.
    pub(crate) fn new(config: &OrgConfig) -> Users {
        let mut users = Users { list: Vec::new() };
        for app in &config.apps {
            if !app.username.is_empty() && users.find(&app.username).is_none() {
                users.list.push(User::named(&app.username));
            }
        }
        for user in &config.users {
            let number = users.find(&user.username).unwrap_or_else(|| {
                users.list.push(User::named(&user.username));
                users.list.len() - 1
            });
            let known = &mut users.list[number];
            known.active = user.active;
            known.password = user.password.clone().filter(|text| !text.is_empty());
            known.security_token.clone_from(&user.security_token);
            for (place, told) in [
                (&mut known.email, &user.email),
                (&mut known.name, &user.name),
                (&mut known.profile, &user.profile),
            ] {
                if let Some(told) = told {
                    place.clone_from(told);
                }
            }
        }
        users
    }

    /// The number of the user; Salesforce does not mind the case of usernames.
    pub(crate) fn find(&self, username: &str) -> Option<usize> {
        self.list
            .iter()
            .position(|user| user.username.eq_ignore_ascii_case(username))
    }

    /// All of them, each at the place that its number says.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &User> {
        self.list.iter()
    }

    pub(crate) fn get(&self, number: usize) -> Option<&User> {
        self.list.get(number)
    }

    /// The number behind an id of 15 or 18 characters.
    pub(crate) fn find_id(&self, text: &str) -> Option<usize> {
        (0..self.list.len()).find(|number| id::is_same(&id::user(*number), text))
    }

    /// A number for each distinct profile, in the order of the users.
    pub(crate) fn profile_number(&self, profile: &str) -> usize {
        let mut distinct: Vec<&str> = Vec::new();
        for user in &self.list {
            if user.profile == profile {
                break;
            }
            if !distinct.contains(&user.profile.as_str()) {
                distinct.push(&user.profile);
            }
        }
        distinct.len()
    }
}

/// A first and a last name for who was given none: the words of the username before its domain.
fn name_of(username: &str) -> String {
    let local = username.split('@').next().unwrap_or_default();
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        let first: String = letters
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .collect();
        first + letters.as_str()
    };
    let mut words: Vec<String> = local
        .split(['.', '_', '-', '+'])
        .filter(|word| !word.is_empty())
        .map(capitalised)
        .collect();
    if words.len() < 2 {
        words.push("User".into());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn who_has_no_name_is_called_by_the_username() {
        assert_eq!(super::name_of("ada.von_doe@acme.example"), "Ada Von Doe");
        assert_eq!(
            super::name_of("integration@acme.example"),
            "Integration User"
        );
        assert_eq!(super::name_of("@"), "User");
    }

    use super::*;
    use crate::config::{AppConfig, UserConfig};

    fn user(username: &str) -> UserConfig {
        UserConfig {
            username: username.into(),
            ..UserConfig::default()
        }
    }

    #[test]
    fn a_user_that_apps_run_as_and_that_is_configured_is_one_user() {
        let app = |client_id: &str, username: &str| AppConfig {
            client_id: client_id.into(),
            username: username.into(),
            ..AppConfig::default()
        };
        let config = OrgConfig {
            apps: vec![
                app("a", "one@acme.example"),
                app("b", ""),
                app("c", "ONE@acme.example"),
            ],
            users: vec![
                user("two@acme.example"),
                UserConfig {
                    email: Some("box@acme.example".into()),
                    ..user("One@Acme.example")
                },
            ],
            ..OrgConfig::default()
        };
        let users = Users::new(&config);
        assert_eq!(users.find("oNe@acme.example"), Some(0));
        assert_eq!(users.find("two@acme.example"), Some(1));
        assert_eq!(users.get(0).unwrap().email, "box@acme.example");
        assert!(users.get(2).is_none());
        assert_eq!(users.find_id(&id::user(1)), Some(1));
        assert_eq!(users.find_id(&id::user(1)[..15]), Some(1));
        assert_eq!(users.find_id(&id::user(2)), None);
        assert_eq!(users.find_id("é"), None);
    }

    #[test]
    fn a_password_needs_its_security_token_outside_of_a_trusted_network() {
        let config = OrgConfig {
            users: vec![UserConfig {
                password: Some("secret".into()),
                security_token: Some("TOKEN".into()),
                ..user("one@acme.example")
            }],
            ..OrgConfig::default()
        };
        let users = Users::new(&config);
        let user = users.get(users.find("one@acme.example").unwrap()).unwrap();
        let check = |given, trusted| user.check_password(given, trusted);
        assert_eq!(check("secretTOKEN", false), PasswordCheck::Right);
        assert_eq!(check("secretTOKEN", true), PasswordCheck::Right);
        assert_eq!(check("secret", true), PasswordCheck::Right);
        assert_eq!(check("secret", false), PasswordCheck::TokenMissing);
        for wrong in ["", "secre", "secretTOKE", "secretTOKENx", "TOKEN"] {
            assert_eq!(check(wrong, false), PasswordCheck::Wrong, "{wrong}");
            assert_eq!(check(wrong, true), PasswordCheck::Wrong, "{wrong}");
        }
        let without = Users::new(&OrgConfig::default());
        assert_eq!(
            without.get(0).unwrap().check_password("", true),
            PasswordCheck::Wrong,
            "no password is no password at all"
        );
    }
}
