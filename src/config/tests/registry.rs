//! Kinds and codecs that are not ours.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use session_core::codec::{Json, ReadValue};
use session_core::{Codec, CodecId, Fields, LazySession, Store};
use session_memory::MemoryStore;

use super::*;
use crate::config::{Context, Period, Registry};

/// A store of somebody else: `MemoryStore`, with settings of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TheirSettings {
    room: usize,
    #[serde(default)]
    #[cfg_attr(not(all(feature = "layered", feature = "redis")), expect(dead_code))]
    is_silent: bool,
    pause: Option<Period>,
}

impl TheirSettings {
    fn build(&self, _: &mut Context<'_>) -> Result<Arc<dyn Store>, Error> {
        if self.room == 7 {
            return Err(Error::misconfigured("room", self.room, "nobody likes this number"));
        }
        if self.pause.is_some_and(|pause| pause.0 > Duration::from_secs(60)) {
            return Err(Error::new(ErrorKind::Misconfigured, "these two do not go together"));
        }
        Ok(Arc::new(MemoryStore::builder().max_sessions(self.room).build()?))
    }
}

const TEXT: &str = "[session]\nstore = \"main\"\n\n[stores.main]\nkind = \"theirs\"\nroom = 10\n";

fn refusal(registry: &Registry, text: &str, environment: &[(&str, &str)]) -> String {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let config = registry.parse(text, "session.toml", environment.iter().map(owned));
    config.and_then(|config| config.build()).unwrap_err().to_string()
}

#[test]
fn a_kind_of_somebody_else_is_read_and_refused_as_ours_are() {
    let registry = Registry::new().kind("theirs", TheirSettings::build);
    registry.parse(TEXT, "session.toml", []).unwrap().build().unwrap();

    let with = |line: &str| format!("{TEXT}{line}\n");
    let variable = ("SESSION__STORES__MAIN__ROOM", "plenty");
    for (text, environment, told) in [
        (
            TEXT.replace("room", "rooms"),
            vec![],
            "unknown field `rooms`; did you mean `room`? (field: stores.main.rooms, line: 6",
        ),
        (
            with("is_silent = \"maybe\""),
            vec![],
            "this is a string, and should be `true` or `false` \
             (field: stores.main.is_silent, value: \"maybe\", line: 7",
        ),
        (
            with("pause = 3"),
            vec![],
            "this is an integer, and should be a duration as a string, like \"30m\" \
             (field: stores.main.pause, value: 3, line: 7",
        ),
        (
            TEXT.to_owned(),
            vec![variable],
            "this is a string, and should be a whole number, zero or more (field: \
             stores.main.room, value: \"plenty\", variable: SESSION__STORES__MAIN__ROOM",
        ),
        (
            TEXT.replace("10", "7"),
            vec![],
            "nobody likes this number (field: stores.main.room, value: 7, line: 6",
        ),
        (
            with("pause = \"2m\""),
            vec![],
            "these two do not go together (field: stores.main, line: 4",
        ),
        (
            TEXT.replace("theirs", "their"),
            vec![],
            "there is no such kind; did you mean `theirs`? (field: stores.main.kind, value: \
             \"their\", line: 5",
        ),
    ] {
        let message = refusal(&registry, &text, &environment);
        assert_eq!(message, format!("misconfigured: {told}, file: session.toml)"), "{text}");
    }
    let enough = ("SESSION__STORES__MAIN__ROOM".to_owned(), " 20 ".to_owned());
    registry.parse(TEXT, "session.toml", [enough]).unwrap().build().unwrap();
}

#[test]
fn a_kind_can_take_the_place_of_ours() {
    let registry = Registry::new().kind("memory", TheirSettings::build);
    let text = TEXT.replace("theirs", "memory");
    assert!(registry.parse(&text, "session.toml", []).unwrap().build().is_ok());
    let message = refusal(&registry, &text.replace("room", "max_sessions"), &[]);
    assert!(message.contains("unknown field `max_sessions`; there are: room"), "{message}");
}

#[test]
fn what_others_name_secret_is_not_shown() {
    #[derive(Deserialize)]
    struct Remote {
        #[expect(dead_code, reason = "nothing is built")]
        api_token: u32,
    }

    let build = |_: &Remote, _: &mut Context<'_>| panic!("nothing is built");
    let registry = Registry::new().kind("theirs", build);
    for line in ["api_token = \"geheim\"", "api_token = [\"geheim\"]", "api_tokn = \"geheim\""] {
        let message = refusal(&registry, &TEXT.replace("room = 10", line), &[]);
        assert!(message.contains("stores.main") && !message.contains("geheim"), "{message}");
    }
}

/// Stands in front of one or two others.
#[derive(Deserialize)]
struct FrontSettings {
    behind: String,
    beside: Option<String>,
}

/// What stores in front have seen: their name, and what is behind.
type Seen = Arc<Mutex<Vec<(String, Arc<dyn Store>)>>>;

/// A registry with such a kind.
fn with_fronts() -> (Registry, Seen) {
    let seen = Seen::default();
    let seeing = Arc::clone(&seen);
    let build = move |settings: &FrontSettings, context: &mut Context<'_>| {
        let store = context.store("behind", &settings.behind)?;
        if let Some(name) = &settings.beside {
            // Words of its own, which are not the ones to be told.
            context
                .store("beside", name)
                .map_err(|_| Error::new(ErrorKind::Misconfigured, "nothing can be beside this"))?;
        }
        seeing.lock().unwrap().push((context.name().to_owned(), Arc::clone(&store)));
        Ok(store)
    };
    (Registry::new().kind("front", build), seen)
}

const FRONTS: &str = "
[session]
store = \"a\"
[stores.a]
kind = \"front\"
behind = \"main\"
[stores.b]
kind = \"front\"
behind = \"main\"
beside = \"a\"
[stores.main]
kind = \"memory\"
";

#[test]
fn a_store_is_built_once_for_all_who_name_it() {
    let (registry, seen) = with_fronts();
    let config = registry.parse(FRONTS, "session.toml", []).unwrap();
    config.build().unwrap();
    {
        let seen = seen.lock().unwrap();
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(Arc::ptr_eq(&seen[0].1, &seen[1].1));
    }
    config.build().unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 4, "another build makes stores of its own");
    assert!(!Arc::ptr_eq(&seen[0].1, &seen[2].1));
}

#[test]
fn what_is_wrong_behind_is_told_as_its_own() {
    let (registry, _) = with_fronts();
    for (from, to, told) in [
        (
            "kind = \"memory\"",
            "kind = \"memory\"\nmax_sessions = 0",
            "field: stores.main.max_sessions, value: 0, line: 13",
        ),
        ("beside = \"a\"", "beside = \"c\"", "field: stores.b.beside, value: \"c\", line: 10"),
        ("behind = \"main\"", "behind = \"b\"", "itself: b -> b (field: stores.b.behind"),
        (
            "kind = \"memory\"",
            "kind = \"front\"\nbehind = \"a\"",
            "itself: a -> main -> a (field: stores.a.behind, value: \"main\", line: 6",
        ),
    ] {
        let message = refusal(&registry, &FRONTS.replace(from, to), &[]);
        assert!(message.contains(told), "{message}");
        assert!(!message.contains("nothing can be beside"), "{message}");
    }
}

#[test]
fn a_factory_knows_what_the_sessions_are_and_who_is_behind() {
    let build = |_: &TheirSettings, context: &mut Context<'_>| {
        assert_eq!(context.name(), "main");
        assert_eq!(context.kind_of("main"), Some("theirs"));
        assert_eq!(context.kind_of("nowhere"), None);
        assert_eq!(context.timeouts().idle(), Duration::from_secs(60));
        #[cfg(feature = "opentelemetry")]
        assert!(context.meter().is_none());
        context.no_backplane_because("nobody can say");
        assert_eq!(context.why_no_backplane("main"), None, "it is not there yet");
        Ok(Arc::new(MemoryStore::new()) as Arc<dyn Store>)
    };
    let text = TEXT.replace("[session]", "[session]\nidle_timeout = \"1m\"");
    let registry = Registry::new().kind("theirs", build);
    registry.parse(&text, "session.toml", []).unwrap().build().unwrap();
}

#[cfg(feature = "layered")]
mod under_a_cache {
    use super::*;

    const CACHED: &str = "
[session]
store = \"front\"
[stores.front]
kind = \"layered\"
shared = \"main\"
[stores.main]
kind = \"theirs\"
room = 10
";

    #[test]
    fn a_store_that_announces_is_cached() {
        let registry = Registry::new().kind("theirs", TheirSettings::build);
        let sessions = registry.parse(CACHED, "session.toml", []).unwrap().build().unwrap();
        assert!(format!("{:?}", sessions.store()).contains("Layered"));
    }

    #[cfg(feature = "redis")]
    #[test]
    fn one_that_does_not_is_refused_in_its_own_words() {
        let build = |settings: &TheirSettings, context: &mut Context<'_>| {
            if settings.is_silent {
                context.no_backplane_because("folders say nothing: take `theirs` with `voice`");
            }
            let place = session_redis::Topology::single("redis://host")?;
            let store = session_redis::RedisStore::builder(place).without_announcements();
            Ok(Arc::new(store.build()?) as Arc<dyn Store>)
        };
        let registry = Registry::new().kind("theirs", build);
        let message = refusal(&registry, CACHED, &[]);
        assert!(message.contains("this store does not announce its changes"), "{message}");
        let message = refusal(&registry, &format!("{CACHED}is_silent = true"), &[]);
        let told = "folders say nothing: take `theirs` with `voice` (field: stores.front.shared, \
                    value: \"main\", line: 6";
        assert!(message.contains(told), "{message}");
    }
}

/// JSON from behind to front, so that nobody else reads it.
#[derive(Debug)]
struct Reversed;

impl Codec for Reversed {
    fn id(&self) -> CodecId {
        CodecId(200)
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, Error> {
        Json.encode(value)
    }

    fn decode(&self, bytes: &[u8], read: ReadValue<'_>) -> Result<(), Error> {
        Json.decode(bytes, read)
    }

    fn pack(&self, fields: &Fields) -> Result<Vec<u8>, Error> {
        let mut packed = Json.pack(fields)?;
        packed.reverse();
        Ok(packed)
    }

    fn unpack(&self, packed: Bytes) -> Result<Fields, Error> {
        Json.unpack(packed.iter().rev().copied().collect())
    }
}

#[tokio::test]
async fn sessions_survive_a_change_of_codec() {
    let registry = Registry::new().codec("reversed", Reversed);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let sessions = |registry: &Registry, codec: &str| {
        let text = changed(&format!("codec = \"{codec}\""));
        let store = Arc::clone(&store);
        let kept = move |_: &IgnoredAny, _: &mut Context<'_>| Ok(Arc::clone(&store));
        let registry = registry.clone().kind("memory", kept);
        registry.parse(&text, "session.toml", []).unwrap().build().unwrap()
    };
    for (from, to) in [("reversed", "json"), ("json", "reversed")] {
        let visitor = sessions(&registry, from).open([]);
        visitor.load().await.unwrap().insert("name", &"ada").unwrap();
        let header = visitor.finish(false).await.header.unwrap();
        let cookie = header.split(';').next().unwrap();
        let name = async |visitor: LazySession| visitor.load().await?.get::<String>("name");
        let found = name(sessions(&registry, to).open([cookie.as_bytes()])).await;
        assert_eq!(found.unwrap().as_deref(), Some("ada"), "{from} to {to}");
        if from == "reversed" {
            let found = name(sessions(&Registry::new(), to).open([cookie.as_bytes()])).await;
            assert_ne!(found.ok().flatten().as_deref(), Some("ada"), "nobody else reads it");
        }
    }
    let message = refusal(&registry, &changed("codec = \"revered\""), &[]);
    assert!(message.contains("there is no such codec; did you mean `reversed`?"), "{message}");
}
