//! Whether a file that holds secrets is shut to others, judged by its mode and owner alone.
//!
//! The rule is PostgreSQL's for its private keys: 0600 or less for a file of our own; root's may be
//! readable by a group as well. That is how orchestrators hand a secret to a user who is not root:
//! Kubernetes with `fsGroup` mounts it as root's, mode 0440, and nothing stricter can be asked of it.

const ROOT: u32 = 0;
const GROUP_AND_OTHERS: u32 = 0o077;
/// All but reading by the group.
const BEYOND_GROUP_READS: u32 = 0o037;

/// True when nobody whom root or `us` did not choose can read or write it.
#[must_use]
pub fn is_private(mode: u32, owner: u32, us: u32) -> bool {
    let shut = if owner == ROOT && us != ROOT {
        BEYOND_GROUP_READS
    } else {
        GROUP_AND_OTHERS
    };
    mode & shut == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u32 = 64_646;

    #[test]
    fn our_own_files_are_shut_to_the_group_and_to_others() {
        for mode in [0o600, 0o400, 0o100_600] {
            assert!(is_private(mode, US, US), "{mode:o}");
            assert!(is_private(mode, ROOT, ROOT), "{mode:o}");
        }
        for mode in [0o640, 0o440, 0o620, 0o604, 0o644] {
            assert!(!is_private(mode, US, US), "{mode:o}");
            assert!(!is_private(mode, ROOT, ROOT), "{mode:o}");
            assert!(!is_private(mode, 1_000, US), "{mode:o}");
        }
    }

    #[test]
    fn a_group_may_read_what_root_gives_it_and_nothing_more() {
        for mode in [0o440, 0o640, 0o400] {
            assert!(is_private(mode, ROOT, US), "{mode:o}");
        }
        for mode in [0o444, 0o644, 0o460, 0o660, 0o441, 0o450] {
            assert!(!is_private(mode, ROOT, US), "{mode:o}");
        }
    }
}
