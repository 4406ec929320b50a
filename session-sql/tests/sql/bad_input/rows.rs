//! Rows that are no sessions.

use session_core::{
    ErrorKind, Key, Load, Loaded, Replaced, Revision, Store as _, Subject, Touch, Touched,
};
use session_sql::SqlStore;
use session_testkit::sample;

use super::{SUBJECT, assert_refused, migrating, record};
use crate::fixture;
use crate::outsider::Outsider;

/// What is written into a row, and into which of its parts.
const NONE: &[(&str, &str)] = &[
    ("revision = -1", "revision"),
    ("idle_timeout = 5", "timeouts"),
    ("absolute_timeout = 5", "timeouts"),
    ("idle_timeout = -5, absolute_timeout = -5", "timeouts"),
    ("idle_timeout = 0, absolute_timeout = 0", "timeouts"),
    ("idle_timeout = 9223372036854775807, absolute_timeout = 9223372036854775807", "timeouts"),
    ("user_agent = NULL", "device"),
    ("address = NULL", "device"),
    ("address = 'hunter2\nhunter2'", "device"),
];

/// Those that no database refuses to hold, and MySQL does.
const TOO_LONG: &[(&str, &str)] = &[("user_agent = '{long}'", "device")];

/// Strange, and all the same one.
const STRANGE: &[&str] = &[
    "created_at = -9223372036854775808",
    "created_at = 9223372036854775807, authenticated_at = -9223372036854775808",
    "idle_deadline = 9223372036854775807, absolute_deadline = 9223372036854775807",
    "revision = 9223372036854775807",
    "user_agent = '', address = ''",
];

pub(super) async fn check(url: &str) {
    let store = migrating(url, "rows");
    let mut database = Outsider::connect(url).await;
    let good = create(&store).await;
    for (assignment, part) in NONE {
        is_none(&store, &mut database, &good, assignment, part).await;
    }
    if !matches!(database, Outsider::MariaDb(_)) {
        for (assignment, part) in TOO_LONG {
            let assignment = assignment.replace("{long}", &"hunter2 ".repeat(100));
            is_none(&store, &mut database, &good, &assignment, part).await;
        }
    }
    for subject in subjects(&database) {
        has_no_subject(&store, &mut database, &good, &subject).await;
    }
    for assignment in STRANGE {
        let key = create(&store).await;
        write(&mut database, &key, assignment).await;
        let loaded = store.load(&key, Load::default()).await.unwrap();
        assert!(matches!(loaded, Loaded::Found { .. }), "{assignment}: {loaded:?}");
        store.touch(&[touch(&key)]).await.unwrap();
        replace(&store, &key).await.unwrap();
        assert!(store.delete(&key).await.unwrap(), "{assignment}");
    }
    keys_of_another_length(&store, &mut database, &good).await;
}

fn subjects(database: &Outsider) -> Vec<String> {
    match database {
        // Bytes, which may be no text at all.
        Outsider::MariaDb(_) => vec!["''".to_owned(), "X'68756e74657232FF'".to_owned()],
        _ => vec!["''".to_owned(), format!("'{}'", "hunter2 ".repeat(40))],
    }
}

async fn create(store: &SqlStore) -> Key {
    let key = sample::key();
    store.create(&key, &record()).await.unwrap();
    key
}

async fn replace(store: &SqlStore, key: &Key) -> Result<Replaced, session_core::Error> {
    store.replace(key, &record(), Revision::new(7)).await
}

fn touch(key: &Key) -> Touch {
    Touch { key: *key, idle_deadline: record().absolute_deadline }
}

async fn write(database: &mut Outsider, key: &Key, assignment: &str) {
    let table = fixture::table("rows");
    let key = database.literal(key);
    database.execute(&format!("UPDATE {table} SET {assignment} WHERE session_key = {key}")).await;
}

/// A row of which one part is no part of a session: it is told so, and is in nobody's way.
async fn is_none(
    store: &SqlStore,
    database: &mut Outsider,
    good: &Key,
    assignment: &str,
    part: &str,
) {
    let key = create(store).await;
    write(database, &key, assignment).await;
    let error = assert_corrupt(store, &key, assignment).await;
    assert_eq!(error.context("part"), Some(part), "{assignment}: {error}");
    assert_eq!(listed(store, SUBJECT).await, [*good], "{assignment}");
    ends(store, &key).await;
}

async fn has_no_subject(store: &SqlStore, database: &mut Outsider, good: &Key, subject: &str) {
    let key = create(store).await;
    write(database, &key, &format!("subject = {subject}")).await;
    let error = assert_corrupt(store, &key, subject).await;
    assert_eq!(error.context("part"), Some("subject"), "{subject}: {error}");
    assert_eq!(listed(store, SUBJECT).await, [*good], "{subject}");
    ends(store, &key).await;
}

async fn assert_corrupt(store: &SqlStore, key: &Key, what: &str) -> session_core::Error {
    let kinds = [ErrorKind::Corrupt];
    // It would be in the answer that there is another revision.
    assert_refused(what, replace(store, key).await, &kinds, store);
    assert_refused(what, store.load(key, Load::default()).await, &kinds, store)
}

/// What cannot be read can be touched and ended.
async fn ends(store: &SqlStore, key: &Key) {
    assert_eq!(store.touch(&[touch(key)]).await.unwrap(), [Touched::Done]);
    assert!(store.delete(key).await.unwrap());
    assert!(matches!(store.load(key, Load::default()).await, Ok(Loaded::Absent)));
}

async fn listed(store: &SqlStore, subject: &str) -> Vec<Key> {
    let (subject, index) = (Subject::new(subject).unwrap(), store.subjects().unwrap());
    let (mut keys, mut after) = (Vec::new(), None);
    // In pages of one, of which none may be the last because it is empty.
    loop {
        let page = index.list(&subject, after.as_ref(), 1).await.unwrap();
        keys.extend(page.sessions.iter().map(|(key, _)| *key));
        match page.next {
            Some(next) => after = Some(next),
            None => return keys,
        }
    }
}

/// Where the table lets them in, they are nobody's sessions.
async fn keys_of_another_length(store: &SqlStore, database: &mut Outsider, good: &Key) {
    let table = fixture::table("rows");
    let key = database.literal(good);
    let short = match database {
        Outsider::Postgres(_) => "'\\xabcd'",
        _ => "X'abcd'",
    };
    let columns = "revision, created_at, idle_deadline, absolute_deadline, subject, payload";
    let inserted = database
        .try_execute(&format!(
            "INSERT INTO {table} (session_key, {columns}) \
             SELECT {short}, {columns} FROM {table} WHERE session_key = {key}"
        ))
        .await;
    // MySQL fills them with zeros, and so they are keys that nobody has.
    assert_eq!(inserted.is_ok(), matches!(database, Outsider::MariaDb(_)), "{inserted:?}");
    assert!(listed(store, SUBJECT).await.contains(good));
    assert!(matches!(store.load(good, Load::default()).await, Ok(Loaded::Found { .. })));
}
