//! Many requests of one process that write to one session.

use session_core::{Session, Sessions};
use session_testkit::servers::Redis;

use crate::fixture::store;

const WRITERS: u64 = 16;
const WRITES: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_in_line_need_one_script_each() {
    let redis = Redis::start().await;
    let sessions = Sessions::builder(store(&redis)).build().unwrap();
    let lazy = sessions.open([]);
    lazy.load().await.unwrap().insert("count", &0_u64).unwrap();
    let header = lazy.finish(false).await.header.unwrap();
    let cookie = header.split("; ").next().unwrap().to_owned();

    let before = redis.command_calls("evalsha").await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (sessions, cookie) = (sessions.clone(), cookie.clone());
            tokio::spawn(async move {
                for _ in 0..WRITES {
                    let lazy = sessions.open([cookie.as_bytes()]);
                    let session = lazy.load().await.unwrap();
                    increment(&session);
                    assert!(lazy.finish(false).await.error.is_none());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let scripts = redis.command_calls("evalsha").await - before;

    let lazy = sessions.open([cookie.as_bytes()]);
    let count = lazy.load().await.unwrap().get::<u64>("count").unwrap();
    assert_eq!(count, Some(WRITERS * WRITES));
    // The first of them meet before there is a line, and each finds out by failing once; now and
    // then the line ends and begins anew.
    let limit = WRITERS * WRITES * 3 / 2;
    println!("{scripts} scripts for {} writes", WRITERS * WRITES);
    assert!(scripts <= limit, "{scripts} scripts for {} writes", WRITERS * WRITES);
}

fn increment(session: &Session) {
    session.update("count", |count| count.unwrap_or(0_u64) + 1).unwrap();
}
