//! Three MySQL servers, one of them the primary, behind a switchboard that leadstream connects to.

use leadstream::rehearsal::{MysqlOptions, MysqlServer, replication};
use leadstream::runtime::status::Status;
use salesforce_sandbox::OrgConfig;

use super::source;
use super::switchboard::Switchboard;
use super::{Build, World};

pub struct Cluster {
    /// Its server is the primary.
    pub world: World,
    pub others: Vec<MysqlServer>,
    pub switchboard: Switchboard,
}

impl Cluster {
    /// A primary with two replicas.
    pub fn new() -> Self {
        Self::with_replicas(2)
    }

    pub fn with_replicas(replicas: u32) -> Self {
        let cluster = Self::without_replication(MysqlOptions::default(), replicas);
        cluster.world.wait_for(async {
            for replica in &cluster.others {
                replication::follow(replica, &cluster.world.mysql).await?;
                replication::catch_up(replica, &cluster.world.mysql).await?;
            }
            Ok(())
        });
        cluster
    }

    /// Servers that know nothing of each other.
    pub fn without_replication(options: MysqlOptions, others: u32) -> Self {
        let mut world = World::with(Build::Release, options.clone(), OrgConfig::default());
        let others = (0..others)
            .map(|number| {
                let options = MysqlOptions {
                    server_id: number + 2,
                    ..options.clone()
                };
                source::start_here(options)
            })
            .collect();
        let switchboard = Switchboard::new(world.mysql.port());
        let url = format!("mysql://root@127.0.0.1:{}", switchboard.port());
        world.set("source.url", &url);
        world.set("source.heartbeat", "500ms");
        world.set("retry.cap", "1s");
        Self {
            world,
            others,
            switchboard,
        }
    }

    /// Makes another server the primary: what is inserted from now on goes there. leadstream is
    /// still led to where it was.
    pub fn promote(&mut self, index: usize) {
        let next = self.others.remove(index);
        let last = std::mem::replace(&mut self.world.mysql, next);
        self.others.insert(index, last);
        self.world.wait_for(replication::promote(&self.world.mysql));
    }

    /// Leads leadstream to the primary.
    pub fn lead_to_primary(&self) {
        self.switchboard.point_at(self.world.mysql.port());
    }

    pub fn lead_to(&self, index: usize) {
        self.switchboard.point_at(self.others[index].port());
    }

    pub fn catch_up(&self, index: usize) {
        let (replica, primary) = (&self.others[index], &self.world.mysql);
        self.world.wait_for(replication::catch_up(replica, primary));
    }

    pub fn follow(&self, index: usize) {
        let (replica, primary) = (&self.others[index], &self.world.mysql);
        self.world.wait_for(replication::follow(replica, primary));
    }

    pub fn execute(&self, index: usize, statements: &[&str]) {
        let server = &self.others[index];
        let statements = in_words_of(server, statements);
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        self.world
            .wait_for(replication::execute(server, &statements));
    }

    pub fn execute_on_primary(&self, statements: &[&str]) {
        let server = &self.world.mysql;
        let statements = in_words_of(server, statements);
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        self.world
            .wait_for(replication::execute(server, &statements));
    }

    /// Waits until capture waits, for the reason that the page explains.
    #[track_caller]
    pub fn wait_for_trouble(&mut self, page: &str) -> Status {
        self.world.wait_for_status(page, |status| {
            let trouble = status.source.trouble.as_ref();
            !status.source.connected && trouble.is_some_and(|trouble| trouble.page == page)
        })
    }

    /// Waits until it has tried some more times, and still waits.
    #[track_caller]
    pub fn keeps_waiting(&mut self, page: &str, tries: u32) -> Status {
        let before = self.wait_for_trouble(page);
        let before = before.source.trouble.map_or(0, |trouble| trouble.attempt);
        self.world.wait_for_status("further tries", |status| {
            assert!(!status.source.connected, "it streams: {status:?}");
            let trouble = status.source.trouble.as_ref();
            trouble.is_some_and(|trouble| trouble.attempt >= before + tries)
        })
    }
}

fn in_words_of(server: &MysqlServer, statements: &[&str]) -> Vec<String> {
    let spoken = |statement: &&str| source::spoken(server.kind(), statement);
    statements.iter().map(spoken).collect()
}
