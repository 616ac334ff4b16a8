//! The states of a job and who may change them (facts 5.2).
//!
//! Clients close and abort; the platform starts and ends. Nothing leaves a terminal state.
use crate::org::Refusal;

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum JobState {
    /// Waits for its data and for being closed. Query jobs are never open.
    Open,
    /// Closed by the client, waits for being processed.
    UploadComplete,
    InProgress,
    Aborted,
    JobComplete,
    Failed,
}

impl JobState {
    /// As the API spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            JobState::Open => "Open",
            JobState::UploadComplete => "UploadComplete",
            JobState::InProgress => "InProgress",
            JobState::Aborted => "Aborted",
            JobState::JobComplete => "JobComplete",
            JobState::Failed => "Failed",
        }
    }

    /// Whether nothing will happen to the job any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            JobState::Aborted | JobState::JobComplete | JobState::Failed => true,
            JobState::Open | JobState::UploadComplete | JobState::InProgress => false,
        }
    }

    /// The state that a client may bring the job into by naming it.
    pub(super) fn requested(self, wanted: &str) -> Result<JobState, Refusal> {
        match (wanted, self) {
            ("UploadComplete", JobState::Open) => Ok(JobState::UploadComplete),
            ("Aborted", JobState::Open | JobState::UploadComplete | JobState::InProgress) => {
                Ok(JobState::Aborted)
            }
            ("UploadComplete" | "Aborted", now) => Err(invalid(format!(
                "The state of the job can't be changed from {} to {wanted}.",
                now.name()
            ))),
            (other, _) => Err(invalid(format!(
                "The job state {other} is not valid. Use UploadComplete or Aborted."
            ))),
        }
    }

    /// Data are taken once, while the job is open.
    pub(super) fn check_upload(self, has_data: bool) -> Result<(), Refusal> {
        match self {
            JobState::Open if !has_data => Ok(()),
            JobState::Open => Err(invalid("The data of the job were uploaded already.".into())),
            now => Err(invalid(format!(
                "Data can be uploaded while the job is Open only; it is {}.",
                now.name()
            ))),
        }
    }

    /// Jobs that wait for data or are being worked on cannot be deleted.
    pub(super) fn check_delete(self) -> Result<(), Refusal> {
        match self {
            JobState::Open | JobState::InProgress => Err(invalid(format!(
                "A job that is {} can't be deleted.",
                self.name()
            ))),
            JobState::UploadComplete
            | JobState::Aborted
            | JobState::JobComplete
            | JobState::Failed => Ok(()),
        }
    }

    /// Results can be read when the job has ended.
    pub(super) fn check_results(self) -> Result<(), Refusal> {
        if self.is_terminal() {
            return Ok(());
        }
        Err(invalid(format!(
            "The job has no results yet: it is {}.",
            self.name()
        )))
    }
}

pub(super) fn invalid(message: String) -> Refusal {
    Refusal::new("INVALIDJOBSTATE", message)
}

#[cfg(test)]
mod tests {
    use super::JobState::*;
    use super::*;

    const ALL: [JobState; 6] = [
        Open,
        UploadComplete,
        InProgress,
        Aborted,
        JobComplete,
        Failed,
    ];

    #[test]
    fn clients_close_open_jobs_and_abort_living_ones() {
        for state in ALL {
            assert_eq!(
                state.requested("UploadComplete").is_ok(),
                state == Open,
                "{state:?}"
            );
            assert_eq!(
                state.requested("Aborted").is_ok(),
                !state.is_terminal(),
                "{state:?}"
            );
            for wanted in ["Open", "InProgress", "JobComplete", "Failed", "", "aborted"] {
                let refusal = state.requested(wanted).unwrap_err();
                assert_eq!(refusal.code, "INVALIDJOBSTATE", "{state:?} {wanted}");
            }
        }
    }

    #[test]
    fn data_come_once_and_only_while_open() {
        for state in ALL {
            assert_eq!(state.check_upload(false).is_ok(), state == Open);
            assert!(state.check_upload(true).is_err());
        }
    }

    #[test]
    fn open_jobs_and_running_ones_are_not_deleted_and_only_ended_ones_have_results() {
        for state in ALL {
            assert_eq!(
                state.check_delete().is_err(),
                matches!(state, Open | InProgress),
                "{state:?}"
            );
            assert_eq!(state.check_results().is_ok(), state.is_terminal());
        }
    }
}
