//! Keys, subjects and records to test with.

use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Device, Entropy as _, Key, Namespace, OsEntropy, Payload, Record, Revision, Subject, Timeouts,
    Timestamp, Token,
};

/// A key that nobody else has.
///
/// # Panics
///
/// If the operating system gives no random bytes.
pub fn key() -> Key {
    let token = Token::random(&OsEntropy).expect("random bytes for a token");
    Key::of(&token, &Namespace::parse("testkit").expect("a legal namespace"))
}

/// A key in the same partition as `other`, as that of a rotated session is.
///
/// # Panics
///
/// If the operating system gives no random bytes.
pub fn key_beside(other: &Key) -> Key {
    Key::from_parts(other.partition(), *key().digest())
}

/// A subject that nobody else has.
///
/// # Panics
///
/// If the operating system gives no random bytes.
pub fn subject() -> Subject {
    Subject::new(format!("anna-{}", random_word())).expect("a legal subject")
}

/// Subjects that have something in common with `one` and are not the same: in another case, with
/// a space behind, a part of it, a pattern that matches it, an accent that a lenient collation
/// ignores.
///
/// # Panics
///
/// If `one` is longer than 250 bytes, so that there is no room for the differences.
pub fn similar_subjects(one: &Subject) -> Vec<Subject> {
    let id = one.as_str();
    let mut half = id.len() / 2;
    while !id.is_char_boundary(half) {
        half -= 1;
    }
    let mut similar = vec![
        id.to_uppercase(),
        format!("{id} "),
        format!(" {id}"),
        format!("{id}:"),
        id.replacen('a', "á", 1),
        id.replacen('a', "a\u{301}", 1),
        "%".to_owned(),
        "*".to_owned(),
        "_".repeat(id.len()),
        id[..half].to_owned(),
    ];
    similar.retain(|other| other != id && !other.is_empty());
    similar.sort();
    similar.dedup();
    similar.into_iter().map(|id| Subject::new(id).expect("room for a difference")).collect()
}

/// A record without a subject that began `now` and lives for half an hour without use, twelve
/// hours at most. Its payload is random, to tell one from the other.
///
/// # Panics
///
/// If the operating system gives no random bytes.
pub fn record(now: Timestamp) -> Record {
    Record {
        revision: Revision::UNSAVED,
        created_at: now,
        authenticated_at: None,
        idle_deadline: now.plus(Duration::from_secs(30 * 60)),
        absolute_deadline: now.plus(Duration::from_secs(12 * 3600)),
        timeouts: None,
        subject: None,
        device: None,
        payload: Payload::new(format!(r#"{{"sample":"{}"}}"#, random_word())),
    }
}

/// As [`record`], but it ends after `idle` if it is not used.
///
/// # Panics
///
/// If the operating system gives no random bytes.
pub fn record_living(now: Timestamp, idle: Duration) -> Record {
    Record { idle_deadline: now.plus(idle), ..record(now) }
}

/// Records that are legal, and that something in a store may trip over. With each comes what is
/// special about it.
///
/// # Panics
///
/// If the operating system gives no random bytes.
pub fn nasty_records(now: Timestamp) -> Vec<(&'static str, Record)> {
    let plain = || record(now);
    let subject = |id: &str| Some(Subject::new(id).expect("a legal subject"));
    let timeouts = |limit| Some(Timeouts::new(limit, limit).expect("timeouts within their bounds"));
    let with_payload = |payload: Vec<u8>| Record { payload: Payload::new(payload), ..plain() };
    let with_device = |device| Record { device: Some(Arc::new(device)), ..plain() };
    let millisecond = Duration::from_millis(1);
    let every_byte = || (0..=u8::MAX).chain((0..=u8::MAX).rev());

    vec![
        ("an empty payload", with_payload(Vec::new())),
        ("a payload of every byte value", with_payload(every_byte().collect())),
        ("a payload of 64 KiB", with_payload(every_byte().cycle().take(64 << 10).collect())),
        ("a payload of zeros", with_payload(vec![0; 64])),
        ("a payload that is half an object", with_payload(br#"{"a":"'; --\"#.to_vec())),
        (
            "a subject full of other languages' syntax",
            Record {
                subject: subject(r#"'; DROP TABLE x; -- "{a}:*?[b]%_\$1 \0 ${c}"#),
                ..plain()
            },
        ),
        (
            "a Unicode subject of 255 bytes",
            Record { subject: subject(&format!("{}\u{1F511}é", "ゞ".repeat(83))), ..plain() },
        ),
        ("a subject with spaces around", Record { subject: subject(" anna "), ..plain() }),
        (
            "a device of 255 bytes",
            with_device(
                Device::new()
                    .with_user_agent(&"Mozilla/5.0 (\u{1F511}) ".repeat(40))
                    .with_address("2001:db8::1%eth0"),
            ),
        ),
        ("a device without an address", with_device(Device::new().with_user_agent("'\"\\"))),
        ("a device without a name", with_device(Device::new().with_address("192.0.2.1"))),
        (
            "the longest timeouts",
            Record {
                timeouts: timeouts(Timeouts::MAX),
                idle_deadline: now.plus(Timeouts::MAX),
                absolute_deadline: now.plus(Timeouts::MAX),
                ..plain()
            },
        ),
        ("the shortest timeouts", Record { timeouts: timeouts(millisecond), ..plain() }),
        (
            "two different timeouts",
            Record {
                timeouts: Some(
                    Timeouts::new(millisecond * 86_399_999, millisecond * 2_592_000_001)
                        .expect("timeouts within their bounds"),
                ),
                ..plain()
            },
        ),
        (
            "a beginning and a log-in at the epoch",
            Record {
                created_at: Timestamp::from_millis(0),
                authenticated_at: Some(Timestamp::from_millis(0)),
                ..plain()
            },
        ),
        (
            "times that are no whole seconds",
            Record {
                created_at: now.minus(millisecond * 1_001),
                authenticated_at: Some(now.minus(millisecond)),
                idle_deadline: now.plus(millisecond * 3_600_001),
                absolute_deadline: now.plus(millisecond * 3_600_007),
                ..plain()
            },
        ),
        ("a revision nobody asked for", Record { revision: Revision::new(u64::MAX), ..plain() }),
    ]
}

/// The columns in which `found` is not what was `given`, but for the revision, which a store
/// assigns.
///
/// ```
/// use session_core::{Payload, Record, Timestamp};
/// use session_testkit::sample;
///
/// let given = sample::record(Timestamp::from_millis(0));
/// let found = Record { payload: Payload::new("{}"), ..given.clone() };
/// assert_eq!(sample::differences(&found, &given), ["payload"]);
/// ```
pub fn differences(found: &Record, given: &Record) -> Vec<&'static str> {
    // Taken apart, so that a column added later cannot be forgotten here.
    let Record {
        revision: _,
        created_at,
        authenticated_at,
        idle_deadline,
        absolute_deadline,
        timeouts,
        subject,
        device,
        payload,
    } = given;
    let columns = [
        ("created_at", found.created_at == *created_at),
        ("authenticated_at", found.authenticated_at == *authenticated_at),
        ("idle_deadline", found.idle_deadline == *idle_deadline),
        ("absolute_deadline", found.absolute_deadline == *absolute_deadline),
        ("timeouts", found.timeouts == *timeouts),
        ("subject", found.subject == *subject),
        ("device", found.device == *device),
        ("payload", found.payload == *payload),
    ];
    columns.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

pub(crate) fn random_number() -> u64 {
    let mut bytes = [0; 8];
    OsEntropy.fill(&mut bytes).expect("random bytes");
    u64::from_ne_bytes(bytes)
}

fn random_word() -> String {
    format!("{:016x}", random_number())
}
