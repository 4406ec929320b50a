//! The servers behind the servers: on free ports, gone with the run.

use session_testkit::servers::{Postgres, Redis};
use tempfile::TempDir;

use crate::Failure;

pub(crate) struct Places {
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
    folder: TempDir,
}

impl Places {
    pub(crate) async fn open() -> Result<Self, Failure> {
        let postgres = Postgres::builder().config("max_connections", "200").start().await;
        Ok(Self { redis: Redis::start().await, postgres, folder: tempfile::tempdir()? })
    }

    /// As `peers-server` wants to be told.
    pub(crate) fn arguments(&self) -> Vec<String> {
        self.arguments_at(&self.redis)
    }

    /// With another Redis.
    pub(crate) fn arguments_at(&self, redis: &Redis) -> Vec<String> {
        let sqlite = self.folder.path().join("sessions.db");
        vec![
            "--redis".to_owned(),
            redis.url(),
            "--postgres".to_owned(),
            self.postgres.url(),
            "--sqlite".to_owned(),
            format!("sqlite://{}", sqlite.display()),
        ]
    }
}
