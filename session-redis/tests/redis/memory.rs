//! What a session takes up on the server, against what others would take up.

use std::fmt::Write as _;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use session_core::{Device, Key, Payload, Record, Store as _, Subject, Touch, Touched};
use session_redis::RedisStore;
use session_testkit::sample;
use session_testkit::servers::Redis;

use crate::fixture::{anonymous, create, name_of, signed_in, store};

/// Bytes beyond the payload, whatever of them the payload's memory class happens to add.
const BEYOND_AT_MOST: usize = 200;

#[tokio::test]
async fn a_session_takes_less_than_a_hash_and_little_more_than_its_payload() {
    let redis = Redis::start().await;
    let mut scale = Scale { store: store(&redis), connection: redis.connection().await };
    let mut table = String::from(
        "MEMORY USAGE, bytes in all (beyond the payload)\n\
         payload     anonymous     signed in          hash  plain string\n",
    );
    let sizes = [100..=100, 200..=200, 300..=300, 400..=400, 1_000..=1_000, 250..=350];
    for sizes in sizes {
        let (first, last) = (*sizes.start(), *sizes.end());
        let count = sizes.clone().count();
        let payload = sizes.clone().sum::<usize>() / count;
        let mut sums = [0; 4];
        for size in sizes {
            let usage = scale.weigh(size).await;
            assert!(usage[0] < usage[2], "{size} bytes: {usage:?}");
            sums.iter_mut().zip(usage).for_each(|(sum, usage)| *sum += usage);
        }
        let means = sums.map(|sum| sum / count);
        let name = if count == 1 { first.to_string() } else { format!("{first}..{last}") };
        write!(table, "{name:<9}").unwrap();
        for mean in means {
            write!(table, "{:>14}", format!("{mean} ({})", mean - payload)).unwrap();
        }
        table.push('\n');
        if count > 1 {
            assert!(means[0] <= payload + BEYOND_AT_MOST, "\n{table}");
        }
    }
    for sessions in [1, 10, 100] {
        let index = scale.weigh_index(sessions).await;
        writeln!(table, "index of a subject with {sessions} sessions: {index}").unwrap();
    }
    println!("{table}");
}

#[tokio::test]
async fn to_be_used_costs_no_memory() {
    let redis = Redis::start().await;
    let mut scale = Scale { store: store(&redis), connection: redis.connection().await };
    for size in (0..1_000).step_by(50) {
        let payload = Payload::new("p".repeat(size));
        let record = Record { payload, ..anonymous() };
        let (key, _) = create(&scale.store, &record).await;
        let before = scale.usage(&name_of(&key)).await;
        let touch = Touch { key, idle_deadline: record.absolute_deadline };
        assert_eq!(scale.store.touch(&[touch]).await.unwrap(), [Touched::Done]);
        assert_eq!(scale.usage(&name_of(&key)).await, before, "{size} bytes of payload");
    }
}

struct Scale {
    store: RedisStore,
    connection: MultiplexedConnection,
}

impl Scale {
    /// Of an anonymous session, one that is signed in, a hash, and a plain string.
    async fn weigh(&mut self, payload: usize) -> [usize; 4] {
        let payload = "p".repeat(payload);
        let anonymous = Record { payload: Payload::new(payload.clone()), ..anonymous() };
        let device = Device::new()
            .with_user_agent(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/138.0.0.0 Safari/537.36",
            )
            .with_address("203.0.113.195");
        let subject = Subject::new("anna@example.org").unwrap();
        let signed_in = Record {
            device: Some(Arc::new(device)),
            payload: anonymous.payload.clone(),
            ..signed_in(&subject)
        };
        let keys =
            [create(&self.store, &anonymous).await.0, create(&self.store, &signed_in).await.0];
        let names = keys.map(|key| name_of(&key));
        let hash = self.hash(&payload).await;
        let string = self.string(&payload).await;
        let usage = [
            self.usage(&names[0]).await,
            self.usage(&names[1]).await,
            self.usage(&hash).await,
            self.usage(&string).await,
        ];
        for key in keys {
            self.store.delete(&key).await.unwrap();
        }
        usage
    }

    /// The same session in fields, under the same key.
    async fn hash(&mut self, payload: &str) -> String {
        let name = name_of(&sample::key());
        let mut both = redis::pipe();
        both.cmd("HSET").arg(&name).arg("payload").arg(payload).arg("revision").arg(1);
        for time in ["created", "idle", "absolute"] {
            both.arg(time).arg(1_780_000_000_123_u64);
        }
        both.cmd("PEXPIRE").arg(&name).arg(1_800_000);
        let () = both.query_async(&mut self.connection).await.unwrap();
        name
    }

    /// As most stores write a session: an id of 128 bits in base64, and beside the payload the id
    /// once more and a date. No revision, no second deadline.
    async fn string(&mut self, payload: &str) -> String {
        let id = id_of(&sample::key());
        let value = format!("{payload}{}", "e".repeat(50));
        let mut command = redis::cmd("SET");
        command.arg(&id).arg(value).arg("PX").arg(1_800_000);
        let () = command.query_async(&mut self.connection).await.unwrap();
        id
    }

    async fn weigh_index(&mut self, sessions: usize) -> usize {
        let record = signed_in(&sample::subject());
        let mut command = redis::cmd("KEYS");
        command.arg("shop:subject:*");
        let before: Vec<String> = command.query_async(&mut self.connection).await.unwrap();
        for _ in 0..sessions {
            create(&self.store, &record).await;
        }
        let names: Vec<String> = command.query_async(&mut self.connection).await.unwrap();
        let name = names.iter().find(|name| !before.contains(name)).unwrap();
        self.usage(name).await
    }

    async fn usage(&mut self, name: &str) -> usize {
        let mut command = redis::cmd("MEMORY");
        command.arg("USAGE").arg(name);
        command.query_async(&mut self.connection).await.unwrap()
    }
}

/// 22 random characters.
fn id_of(key: &Key) -> String {
    name_of(key).rsplit(':').next().unwrap()[..22].to_owned()
}
