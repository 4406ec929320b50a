//! The samples that are promised to work as they stand, and those of the portal.

use super::*;

/// Each with the features that it needs.
fn samples() -> Vec<(&'static str, bool, String)> {
    let redis = "kind = \"redis\"\nnamespace = \"portal\"\ntimeout = \"500ms\"\n\
                 wait = { replicas = 1, timeout = \"100ms\" }";
    let main = |store: &str| format!("[session]\nstore = \"main\"\n[stores.main]\n{store}");
    let of_session = |line: &str| {
        format!("[session]\n{line}\nstore = \"main\"\n[stores.main]\nkind = \"memory\"")
    };
    let protected = "encrypt = { keys = [\"base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"] }\n\
                     cookie = { name = \"__Host-session\", sign = { keys = \
                     [\"base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"] } }";
    let is_redis = cfg!(feature = "redis");
    let is_layered = cfg!(feature = "layered");
    vec![
        ("memory", true, MEMORY.to_owned()),
        (
            "one server",
            is_redis,
            main(&format!("{redis}\nurl = \"redis://user:secret@127.0.0.1:6379/0\"")),
        ),
        (
            "sentinel",
            is_redis,
            main(&format!(
                "{redis}\nsentinel = {{ nodes = [\"127.0.0.1:26379\", \"127.0.0.1:26380\"], master = \"mymaster\" }}"
            )),
        ),
        (
            "cluster",
            is_redis,
            main(&format!(
                "{redis}\ncluster = {{ nodes = [\"127.0.0.1:7000\", \"127.0.0.1:7001\"] }}"
            )),
        ),
        (
            "sql",
            cfg!(feature = "sqlite"),
            main(
                "kind = \"sql\"\nurl = \"sqlite://sessions.db\"\nmigrate = true\nsweep_every = \"1m\"",
            ),
        ),
        ("json", true, of_session("codec = \"json\"")),
        ("msgpack", cfg!(feature = "msgpack"), of_session("codec = \"msgpack\"")),
        ("cbor", cfg!(feature = "cbor"), of_session("codec = \"cbor\"")),
        ("compress", cfg!(feature = "compress"), of_session("compress = { over = \"1KiB\" }")),
        ("keys", cfg!(all(feature = "encrypt", feature = "secure-cookies")), of_session(protected)),
        ("portal.toml", true, include_str!("../../../examples/portal/portal.toml").into()),
        (
            "sqlite.toml",
            cfg!(feature = "sqlite"),
            include_str!("../../../examples/portal/sqlite.toml").into(),
        ),
        (
            "mysql.toml",
            cfg!(feature = "mysql"),
            include_str!("../../../examples/portal/mysql.toml").into(),
        ),
        (
            "postgres.toml",
            is_layered && cfg!(feature = "postgres"),
            include_str!("../../../examples/portal/postgres.toml").into(),
        ),
        (
            "layered.toml",
            is_layered && is_redis,
            include_str!("../../../examples/portal/layered.toml").into(),
        ),
    ]
}

#[test]
fn every_sample_builds() {
    for (name, is_enabled, text) in samples() {
        let database =
            if name == "mysql.toml" { "mysql://u:p@host/db" } else { "postgres://u:p@host/db" };
        let environment = [("REDIS_URL", "redis://host"), ("DATABASE_URL", database)];
        if is_enabled {
            sessions(&text, &environment).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

/// It is made with every feature on; that for experiments adds nothing to it.
#[cfg(all(
    feature = "cbor",
    feature = "config-schema",
    feature = "layered",
    feature = "msgpack",
    feature = "postgres",
    feature = "redis"
))]
mod schema {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::config::{Period, Registry};

    #[test]
    fn the_file_for_editors_is_up_to_date() {
        let now = serde_json::to_string_pretty(&Registry::new().schema()).unwrap();
        // In which order names are kept is up to a feature of serde_json, which any crate of a
        // build may turn on.
        let kept = std::fs::read_to_string(in_repository(FILE)).unwrap_or_default();
        if serde_json::from_str::<Value>(&kept).ok() != serde_json::from_str(&now).ok() {
            expect_file(FILE, &format!("{now}\n"));
        }
    }

    const FILE: &str = "session-kit.schema.json";

    #[test]
    fn every_sample_fits_the_schema() {
        for (name, _, text) in samples() {
            check(&schema(), &document(&text)).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        }
    }

    #[test]
    fn what_is_structurally_wrong_does_not_fit() {
        for (from, to, wrong) in [
            ("idle_timeout", "idel_timeout", "session.idel_timeout: not known"),
            ("\"12h\"", "12", "session.absolute_timeout: not of the type"),
            ("\"lax\"", "\"loose\"", "session.cookie.same_site: not one of"),
            ("\"memory\"", "\"etcd\"", "stores.main: fits 0"),
            ("max_sessions", "max", "stores.main: fits 0"),
            ("max_sessions = 1000000", "max_sessions = -1", "stores.main: fits 0"),
            ("kind = \"memory\"", "", "stores.main: fits 0"),
            ("store = \"main\"", "store = \"main\"\ncodec = \"yaml\"", "session.codec: not one of"),
            (
                "store = \"main\"",
                "store = \"main\"\nencrypt = { keys = [1] }",
                "session.encrypt.keys[0]: not of",
            ),
            ("[stores.main]", "[store.main]", ": lacks \"stores\""),
        ] {
            let text = MEMORY.replace(from, to);
            let told = check(&schema(), &document(&text)).expect_err(to);
            assert!(told.starts_with(wrong), "{to}: {told}");
        }
        check(&schema(), &document(&MEMORY.replace("1000000", "\"${ROOM}\""))).unwrap();
    }

    /// Every kind, with what it may say; settings that are refused when read are no part of it.
    #[test]
    fn kinds_bring_their_settings() {
        #[derive(Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        struct TheirSettings {
            /// Where to.
            #[expect(dead_code, reason = "nothing is built")]
            folder: String,
            #[expect(dead_code, reason = "nothing is built")]
            pause: Option<Period>,
        }

        let build = |_: &TheirSettings, _: &mut Context<'_>| panic!("nothing is built");
        let anything = |_: &Table, _: &mut Context<'_>| panic!("nothing is built");
        let registry = Registry::new()
            .kind_with_schema("file", build)
            .kind("any", anything)
            .codec("yaml", session_core::codec::Json);
        let schema = serde_json::to_value(registry.schema()).unwrap();
        let fits = |store: &str| {
            let text =
                format!("[session]\nstore = \"main\"\ncodec = \"yaml\"\n[stores.main]\n{store}");
            check(&schema, &document(&text))
        };
        fits("kind = \"file\"\nfolder = \"/var/lib\"\npause = \"1s\"").unwrap();
        fits("kind = \"any\"\nwhatever = [1]").unwrap();
        for wrong in
            ["kind = \"file\"", "kind = \"file\"\nfolder = \"a\"\nfile = \"b\"", "kind = \"other\""]
        {
            assert!(fits(wrong).is_err(), "{wrong}");
        }
        let described = schema.to_string();
        assert!(described.contains("Where to.") && !described.contains("null"), "{described}");
    }

    fn schema() -> Value {
        serde_json::to_value(Registry::new().schema()).unwrap()
    }

    fn document(text: &str) -> Value {
        serde_json::to_value(text.parse::<Table>().unwrap()).unwrap()
    }

    /// The part of JSON Schema that ours are written in. Whatever else may be in one must be added
    /// here, or nothing fits.
    fn check(schema: &Value, value: &Value) -> Result<(), String> {
        fits(schema, value, "")
    }

    fn fits(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
        let rules = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Object(rules) => rules,
            _ => return Err(format!("{path}: not known")),
        };
        for (keyword, rule) in rules {
            let is_kept = match keyword.as_str() {
                "$schema" | "title" | "description" | "examples" | "default" => true,
                "type" => match rule {
                    Value::Array(types) => types.iter().any(|name| is_of_type(value, name)),
                    name => is_of_type(value, name),
                },
                "const" => value == rule,
                "enum" => rule.as_array().unwrap().contains(value),
                "minimum" => !value.is_number() || value.as_f64() >= rule.as_f64(),
                "maximum" => !value.is_number() || value.as_f64() <= rule.as_f64(),
                "oneOf" => {
                    let fitting = |one: &&Value| fits(one, value, path).is_ok();
                    match rule.as_array().unwrap().iter().filter(fitting).count() {
                        1 => true,
                        count => return Err(format!("{path}: fits {count} of those it may be")),
                    }
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        if value.get(name.as_str().unwrap()).is_none() {
                            return Err(format!("{path}: lacks {name}"));
                        }
                    }
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        fits(rule, item, &format!("{path}[{index}]"))?;
                    }
                    true
                }
                // Of those that are known already.
                "additionalProperties" => true,
                "properties" => true,
                other => return Err(format!("{path}: {other} is not understood")),
            };
            if !is_kept {
                let told = match keyword.as_str() {
                    "type" => "not of the type",
                    "enum" => "not one of",
                    _ => "beyond",
                };
                return Err(format!("{path}: {told} {rule}"));
            }
        }
        let nothing = serde_json::Map::new();
        let known = rules.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
        let others = rules.get("additionalProperties").unwrap_or(&Value::Bool(true));
        for (name, inner) in value.as_object().into_iter().flatten() {
            fits(known.get(name).unwrap_or(others), inner, &places::join(path, name))?;
        }
        Ok(())
    }

    fn is_of_type(value: &Value, name: &Value) -> bool {
        match name.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("{other} is not understood"),
        }
    }
}
