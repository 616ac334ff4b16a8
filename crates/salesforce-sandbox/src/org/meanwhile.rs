//! Long work, and waiting for its end, on a thread that serves requests: the others are served meanwhile.
use tokio::runtime::{Handle, RuntimeFlavor};

/// Does something that takes long. Where a runtime has several threads, another one takes over what this one would
/// have served; a runtime of one thread waits.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    let several = Handle::try_current()
        .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if several {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::config::OrgConfig;
    use crate::org::leads::Stamp;
    use crate::org::{LeadStore, Org, Visibility, prepare_query, run_query};
    use crate::value::Value;

    /// No longer than a broken build may hang.
    const FOREVER: Duration = Duration::from_secs(30);

    fn one_worker() -> Runtime {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    }

    #[test]
    fn another_task_runs_while_the_only_worker_is_busy() {
        let runtime = one_worker();
        let (tell, told) = mpsc::sync_channel(1);
        let busy = runtime.spawn(async move { aside(|| told.recv_timeout(FOREVER)) });
        let other = runtime.spawn(async move { tell.send(()) });
        runtime.block_on(async {
            other.await.unwrap().unwrap();
            busy.await.unwrap().unwrap();
        });
    }

    #[test]
    fn a_runtime_of_one_thread_does_it_all_the_same() {
        let runtime = Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(async { aside(|| 5) }), 5);
        assert_eq!(aside(|| 6), 6);
    }

    #[test]
    fn who_waits_for_the_end_of_a_long_query_keeps_no_worker() {
        let runtime = one_worker();
        let org = Arc::new(Org::new(OrgConfig::default()));
        let (tell, told) = mpsc::sync_channel(1);
        let waiting = {
            let query = org.long_query();
            let leads = org.leads();
            let waiter = Arc::clone(&org);
            let (begin, begun) = mpsc::sync_channel(1);
            let waiting = runtime.spawn(async move {
                begin.send(()).unwrap();
                waiter.leads().count()
            });
            begun.recv_timeout(FOREVER).unwrap();
            runtime.spawn(async move { tell.send(()) });
            told.recv_timeout(FOREVER).unwrap();
            drop((leads, query));
            waiting
        };
        assert_eq!(runtime.block_on(waiting).unwrap(), 0);
    }

    #[test]
    fn a_long_query_lets_other_tasks_run() {
        let runtime = one_worker();
        let org = Arc::new(Org::new(OrgConfig::default()));
        fill(&org, &mut org.leads());
        let querying = Arc::clone(&org);
        let query = runtime.spawn(async move {
            let pattern = format!("Company LIKE '%{}b%'", "a".repeat(60));
            let text = format!(
                "SELECT COUNT() FROM Lead WHERE {}",
                [pattern.as_str(); 20].join(" OR ")
            );
            let plan = prepare_query(&querying, &text).unwrap();
            run_query(&querying, &mut querying.leads(), plan, Visibility::Live).is_ok()
        });
        let seen = runtime.block_on(runtime.spawn(async move {
            while !query.is_finished() {
                if org.is_in_long_query() {
                    return true;
                }
                tokio::task::yield_now().await;
            }
            false
        }));
        assert!(seen.unwrap());
    }

    fn fill(org: &Org, store: &mut LeadStore) {
        let company = org.schema.find("Company").unwrap();
        let name = Value::Text("a".repeat(150).into());
        let nobody = Stamp { user: 0, micros: 0 };
        for _ in 0..500 {
            store.insert(&[(company, name.as_borrowed())], nobody);
        }
    }
}
