//! Who asks: the user of the operating system at the other end of the control socket. It goes into
//! the journal with what was asked for.

use tokio::net::UnixStream;

const USERS: &str = "/etc/passwd";

/// The user's name, or `uid 1000` where the system has no name for it.
pub(super) fn author(stream: &UnixStream) -> String {
    match stream.peer_cred() {
        Ok(credentials) => {
            let uid = credentials.uid();
            name_or_number(uid)
        }
        // The socket lets its owner in alone, so it is nobody else.
        Err(_) => "unknown".to_owned(),
    }
}

/// Who runs this process.
#[must_use]
pub fn own_name() -> String {
    name_or_number(rustix::process::getuid().as_raw())
}

fn name_or_number(uid: u32) -> String {
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    name_of(&users, uid).unwrap_or_else(|| format!("uid {uid}"))
}

fn name_of(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        let own = parts.nth(1)?.parse::<u32>().ok()?;
        (own == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_the_names_that_the_system_gives_them() {
        let users = "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("anna"));
        assert_eq!(name_of(users, 0).as_deref(), Some("root"));
        assert_eq!(name_of(users, 7), None);
        assert_eq!(name_of("broken\n:x:7:\n", 7), None);
    }
}
