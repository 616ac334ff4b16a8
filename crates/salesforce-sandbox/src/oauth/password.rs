//! Logins by username and password, at the token endpoint or by SOAP.
use super::{GrantRefusal, admit, check_org};
use crate::org::{Identity, Opening, Org, PasswordCheck, id};

/// What a client sends.
pub(crate) struct PasswordLogin<'a> {
    pub(crate) username: &'a str,
    /// With the security token behind it.
    pub(crate) password: &'a str,
    /// The org that the client means, of 15 or 18 characters.
    pub(crate) organization_id: Option<&'a str>,
}

/// Why a password login by SOAP fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PasswordRefusal {
    /// Username, password, token or org is wrong, or the user is locked out.
    Invalid,
    /// All would be right with the security token.
    TokenMissing,
    /// Neither is wrong, but the org or the user may not log in now.
    Refused(GrantRefusal),
}

/// The user, if the password is right.
pub(super) fn prove(org: &Org, login: &PasswordLogin<'_>) -> Result<usize, PasswordRefusal> {
    if login
        .organization_id
        .is_some_and(|wanted| !id::is_same(&id::org(), wanted))
    {
        return Err(PasswordRefusal::Invalid);
    }
    let number = org
        .users
        .find(login.username)
        .ok_or(PasswordRefusal::Invalid)?;
    let user = org.users.get(number).ok_or(PasswordRefusal::Invalid)?;
    match user.check_password(login.password, org.config.trusted_network) {
        PasswordCheck::Right => Ok(number),
        PasswordCheck::TokenMissing => Err(PasswordRefusal::TokenMissing),
        PasswordCheck::Wrong => Err(PasswordRefusal::Invalid),
    }
}

/// The session to open for a login without an app.
pub(crate) fn log_in(org: &Org, login: &PasswordLogin<'_>) -> Result<Opening, PasswordRefusal> {
    check_org(org).map_err(PasswordRefusal::Refused)?;
    let user = prove(org, login)?;
    // The fault does not tell whether a user is locked out or unknown.
    if !org.users.get(user).is_some_and(|user| user.active) {
        return Err(PasswordRefusal::Invalid);
    }
    admit(org, user).map_err(PasswordRefusal::Refused)?;
    Ok(Opening {
        identity: Identity { user, app: None },
        scope: "full".into(),
        approval: None,
    })
}
