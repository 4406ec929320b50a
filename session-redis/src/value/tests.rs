use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn full() -> Record {
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    Record {
        revision: Revision::new(9),
        created_at: Timestamp::from_millis(1_700_000_000_000),
        authenticated_at: Some(Timestamp::from_millis(-1)),
        idle_deadline: Timestamp::from_millis(1_700_003_600_000),
        absolute_deadline: Timestamp::from_millis(1_700_086_400_000),
        timeouts: Some(Timeouts::new(hours(1), hours(24)).unwrap()),
        subject: Some(Subject::new("Zoë").unwrap()),
        device: Some(Arc::new(Device::new().with_user_agent("curl").with_address("::1"))),
        payload: Payload::new(r#"{"cart":3}"#),
    }
}

fn bare() -> Record {
    Record {
        authenticated_at: None,
        timeouts: None,
        subject: None,
        device: None,
        payload: Payload::default(),
        ..full()
    }
}

fn encoded(record: &Record) -> Vec<u8> {
    encode(record, record.revision)
}

fn refused(value: &[u8]) -> String {
    let error = decode(value.to_vec()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    error.to_string()
}

#[track_caller]
fn assert_same(left: &Record, right: &Record) {
    let parts = |record: &Record| {
        let Record {
            revision,
            created_at,
            authenticated_at,
            idle_deadline,
            absolute_deadline,
            timeouts,
            subject,
            device,
            payload,
        } = record.clone();
        let times = (created_at, authenticated_at, idle_deadline, absolute_deadline);
        (revision, times, timeouts, subject, device, payload)
    };
    assert_eq!(parts(left), parts(right));
}

/// What decodes must be what is written; what does not must be called corrupt, in words that
/// quote nothing.
#[track_caller]
fn assert_exact(value: &[u8]) {
    match decode(value.to_vec()) {
        Ok(record) => assert_eq!(encoded(&record), value),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            let said = format!("{error} {error:?}");
            for content in ["Zo", "curl", "::1", "cart"] {
                assert!(!said.contains(content), "{said}");
            }
        }
    }
}

#[test]
fn the_format_does_not_drift() {
    let golden: [&[u8]; 14] = [
        b"S\x01",
        b"\x00\x4B",
        b"\x00\x00\x00\x00\x00\x00\x01\x02",
        b"\x00\x00\x01\x8B\xD0\x1C\x56\x80",
        b"\x00\x00\x01\x8B\xD5\x0B\xC4\x00",
        b"\x00\x00\x01\x8B\xCF\xE5\x68\x00",
        b"\x1F",
        b"\x04Zo\xC3\xAB",
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"\x00\x00\x00\x00\x00\x36\xEE\x80",
        b"\x00\x00\x00\x00\x05\x26\x5C\x00",
        b"\x04curl",
        b"\x03::1",
        br#"{"cart":3}"#,
    ];
    let value = encode(&full(), Revision::new(0x102));
    assert_eq!(value.escape_ascii().to_string(), golden.concat().escape_ascii().to_string());
    assert_same(&decode(value).unwrap(), &Record { revision: Revision::new(0x102), ..full() });
}

#[test]
fn scripts_find_revision_deadlines_and_subject_at_fixed_offsets() {
    for record in [full(), bare()] {
        let value = encode(&record, Revision::new(7));
        assert_eq!(value[4..12], revision_bytes(Revision::new(7)));
        let subject = subject_block(&record);
        assert_eq!(value[37..37 + subject.len()], subject);

        let mut touched = value.clone();
        touched[12..20].copy_from_slice(&5_i64.to_be_bytes());
        let head = Head {
            revision: Revision::new(7),
            idle_deadline: Timestamp::from_millis(5),
            absolute_deadline: record.absolute_deadline,
        };
        assert_eq!(decode_head(&touched[..HEAD]).unwrap(), head);
        let Head { revision, idle_deadline, .. } = head;
        assert_same(
            &decode(touched).unwrap(),
            &Record { revision, idle_deadline, ..record.clone() },
        );
    }
    assert_eq!(subject_block(&full()), "\u{4}Zoë".as_bytes());
    assert_eq!(subject_block(&bare()), [0]);
}

#[test]
fn values_are_allocated_once_and_payloads_not_copied() {
    for record in [full(), bare()] {
        let value = encoded(&record);
        assert_eq!(value.capacity(), value.len());
        let payload = value[header_len(&record)..].as_ptr();
        assert_eq!(decode(value).unwrap().payload.as_bytes().as_ptr(), payload);
    }
}

#[test]
fn the_longest_parts_and_the_farthest_times_fit() {
    let long = "x".repeat(255);
    let devices = [
        None,
        Some(Device::new()),
        Some(Device::new().with_user_agent(&long)),
        Some(Device::new().with_address(&long)),
        Some(Device::new().with_user_agent(&long).with_address(&long)),
    ];
    for device in devices {
        let [first, last] = [i64::MIN, i64::MAX].map(Timestamp::from_millis);
        let record = Record {
            revision: Revision::new(u64::MAX),
            created_at: first,
            authenticated_at: Some(last),
            idle_deadline: last,
            absolute_deadline: first,
            timeouts: Some(Timeouts::new(Timeouts::MAX, Timeouts::MAX).unwrap()),
            subject: Some(Subject::new(&long).unwrap()),
            device: device.map(Arc::new),
            payload: Payload::default(),
        };
        assert_same(&decode(encoded(&record)).unwrap(), &record);
    }
}

#[test]
fn every_cut_of_a_header_is_corrupt() {
    for record in [full(), bare()] {
        let value = encoded(&record);
        for end in 0..header_len(&record) {
            let message = refused(&value[..end]);
            assert_eq!(message.contains("cut off"), end > 0, "cut at {end}: {message}");
            assert_eq!(decode_head(&value[..end]).is_ok(), end >= HEAD, "cut at {end}");
        }
    }
}

#[test]
fn every_flipped_bit_is_corrupt_or_another_session() {
    for record in [full(), bare()] {
        let value = encoded(&record);
        for bit in 0..8 * value.len() {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_exact(&flipped);
        }
    }
}

#[test]
fn what_others_wrote_is_no_session_value() {
    let others: [&[u8]; 7] =
        [b"", b"{}", b"\x81\xA1a\x01", b"\x1F\x8B\x08\x00", b"s\x01", b"S\x00\x00\x26", b"\0"];
    for other in others {
        assert!(refused(other).contains("not a session value"), "{}", other.escape_ascii());
    }
}

#[test]
fn a_newer_format_is_named() {
    let mut value = encoded(&full());
    value[1] = 2;
    for newer in [&value, &value[..2]] {
        assert!(refused(newer).contains("newer version, in format 2"));
    }
    assert!(decode_head(&value[..HEAD]).is_err());
}

#[test]
fn whatever_is_wrong_with_a_header_is_said() {
    /// The full session's header with these bytes at that offset.
    fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut value = encoded(&full());
        value[at..at + bytes.len()].copy_from_slice(bytes);
        value
    }
    for (value, reason) in [
        (with(2, b"\xFF\xFF"), "cut off"),
        (with(2, b"\x00\x25"), "cannot be that short"),
        (with(2, b"\x00\x26"), "too short for its parts (part: subject)"),
        (with(2, b"\x00\x4A"), "too short for its parts (part: address)"),
        (with(2, b"\x00\x4C"), "goes on after its last part (excess bytes: 1)"),
        (with(36, b"\x3F"), "unknown flags (unknown: 0x20)"),
        (with(36, b"\x1B"), "describes a device but has none"),
        (with(37, b"\xFF"), "too short for its parts (part: subject)"),
        (with(38, b"\n"), "invalid (part: subject)"),
        (with(40, b"\xFF"), "invalid (part: subject)"),
        // An idle timeout of nothing, of more than the absolute one, and of far too long.
        (with(50, &[0; 8]), "invalid (part: timeouts)"),
        (with(50, b"\x00\x00\x00\x00\x05\x26\x5C\x01"), "invalid (part: timeouts)"),
        (with(50, &[0xFF; 16]), "invalid (part: timeouts)"),
        (with(66, b"\x00\x07curl:::"), "invalid (part: device)"),
        (with(67, b"\xFF"), "invalid (part: user agent)"),
        (with(72, b"\x1B"), "invalid (part: device)"),
    ] {
        let message = refused(&value);
        assert!(message.contains(reason), "{message} is not {reason}");
    }
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn text() -> impl Strategy<Value = String> {
    let char = any::<char>().prop_map(|char| if char.is_control() { 'ß' } else { char });
    vec(char, 1..=63).prop_map(String::from_iter)
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let millis = 1..=Timeouts::MAX.as_millis() as u64;
    (millis.clone(), millis).prop_map(|(one, other)| {
        let [idle, absolute] = [one.min(other), one.max(other)].map(Duration::from_millis);
        Timeouts::new(idle, absolute).unwrap()
    })
}

fn device() -> impl Strategy<Value = Arc<Device>> {
    (option::of(text()), option::of(text())).prop_map(|(user_agent, address)| {
        let device = Device::new().with_user_agent(&user_agent.unwrap_or_default());
        Arc::new(device.with_address(&address.unwrap_or_default()))
    })
}

prop_compose! {
    fn record()(
        revision in any::<u64>(),
        times in (time(), option::of(time()), time(), time()),
        timeouts in option::of(timeouts()),
        subject in option::of(text()),
        device in option::of(device()),
        payload in vec(any::<u8>(), 0..40),
    ) -> Record {
        let (created_at, authenticated_at, idle_deadline, absolute_deadline) = times;
        Record {
            revision: Revision::new(revision),
            created_at,
            authenticated_at,
            idle_deadline,
            absolute_deadline,
            timeouts,
            subject: subject.map(|id| Subject::new(id).unwrap()),
            device,
            payload: Payload::new(payload),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_encoded_decodes_to_the_same(record in record()) {
        let value = encoded(&record);
        prop_assert_eq!(value.capacity(), value.len());
        assert_same(&decode(value).unwrap(), &record);
    }

    #[test]
    fn a_damaged_value_is_corrupt_or_spelt_as_it_would_be(
        record in record(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut value = encoded(&record);
        // In the header: any payload is as good as another.
        let end = header_len(&record);
        for (at, byte) in damage {
            value[at.index(end)] = byte;
        }
        if let Ok(record) = decode(value.clone()) {
            prop_assert_eq!(encoded(&record), value);
        }
    }

    #[test]
    fn whatever_calls_itself_a_value_is_corrupt_or_spelt_as_it_would_be(
        flags in 0..0x40_u8,
        rest in vec(prop_oneof![Just(0), Just(1), Just(b'a'), any::<u8>()], 0..60),
    ) {
        let header_len = 38 + rest.len() as u16;
        let mut value = [b"S\x01".as_slice(), &header_len.to_be_bytes(), &[1; 32]].concat();
        value.push(flags);
        value.push(0);
        value.extend(rest);
        assert_exact(&value);
    }
}
