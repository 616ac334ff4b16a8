//! Takes closed jobs and works on them, each in a task of its own.
use std::sync::Arc;

use super::ingest::{self, Stop};
use super::job::{Definition, Job};
use super::query::{self, QueryResults};
use super::state::JobState;
use crate::faults::hold;
use crate::org::Org;

/// Runs as long as the org does.
pub(crate) async fn work(org: Arc<Org>) {
    loop {
        while let Some(job) = org.bulk.next_queued() {
            tokio::spawn(finish(Arc::clone(&org), job));
        }
        org.bulk.queued.notified().await;
    }
}

/// Counts a job that has ended.
pub(crate) fn count_end(org: &Org, state: JobState) {
    org.watch.count(|stats| match state {
        JobState::JobComplete => stats.bulk_jobs_complete += 1,
        JobState::Failed => stats.bulk_jobs_failed += 1,
        JobState::Aborted => stats.bulk_jobs_aborted += 1,
        JobState::Open | JobState::UploadComplete | JobState::InProgress => {}
    });
}

async fn finish(org: Arc<Org>, job: Arc<Job>) {
    let task = tokio::spawn(process(Arc::clone(&org), Arc::clone(&job)));
    let (message, results) = match task.await {
        Ok(Ok(results)) => (None, results),
        Ok(Err(Stop::Failed(message))) => (Some(message), None),
        // Whoever aborted or deleted it has counted it.
        Ok(Err(Stop::Gone)) => return,
        // A panic is a bug of the sandbox; its client gets what Salesforce says of its own bugs.
        Err(_) => {
            let text = "InternalServerError : An unexpected error occurred.";
            (Some(text.to_owned()), None)
        }
    };
    let state = match message {
        None => JobState::JobComplete,
        Some(_) => JobState::Failed,
    };
    if job.end(message, results, org.now()) {
        count_end(&org, state);
    }
}

async fn process(org: Arc<Org>, job: Arc<Job>) -> Result<Option<QueryResults>, Stop> {
    let plan = org.faults.plan_job();
    let content = job.begin(org.now(), plan.expire)?;
    if plan.hits > 0 {
        org.watch.count(|stats| stats.faults_applied += plan.hits);
    }
    match &job.definition {
        Definition::Ingest(request) => {
            ingest::run(&org, &job, request, content, &plan).await?;
            Ok(None)
        }
        Definition::Query { request, .. } => {
            for (_, fault) in &plan.holds {
                hold(&org, job.held_by(*fault), false).await;
            }
            if let Some((_, message)) = &plan.fail {
                return Err(Stop::Failed(message.clone()));
            }
            query::run(&org, &job, request).await.map(Some)
        }
    }
}
