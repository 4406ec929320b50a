//! What can be written, as a JSON Schema: editors complete and check a file by it.

use std::sync::Arc;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use session_core::{Error, Store};

use super::registry::{CodecEntry, Kind};
use super::session::SessionSettings;
use super::{Context, Registry};

impl Registry {
    /// As [`kind`](Registry::kind), for settings that can be described: editors complete them.
    #[cfg_attr(docsrs, doc(cfg(feature = "config-schema")))]
    #[must_use]
    pub fn kind_with_schema<T, F>(self, name: impl Into<String>, build: F) -> Self
    where
        T: DeserializeOwned + JsonSchema + Send + Sync + 'static,
        F: Fn(&T, &mut Context<'_>) -> Result<Arc<dyn Store>, Error> + Send + Sync + 'static,
    {
        let name = name.into();
        let mut registry = self.kind(name.clone(), build);
        if let Some(Kind::Known { schema, .. }) = registry.kinds.get_mut(&name) {
            *schema = Some(SchemaGenerator::subschema_for::<T>);
        }
        registry
    }

    /// What a file may hold, as a JSON Schema (draft 7, which is what editors of TOML know).
    ///
    /// Of a kind that was registered without a schema it says the name, and nothing of its
    /// settings. Wherever a number or a boolean is meant, a string is allowed, too: it may be from
    /// a variable of the environment.
    ///
    /// ```
    /// let schema = session_kit::config::Registry::new().schema();
    /// assert_eq!(schema.get("required").unwrap(), &serde_json::json!(["stores"]));
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "config-schema")))]
    pub fn schema(&self) -> Schema {
        let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
        let mut generator = settings.into_generator();
        let mut session = generator.subschema_for::<SessionSettings>();
        if let Some(codec) = session.pointer_mut("/properties/codec").and_then(Value::as_object_mut)
        {
            let known = |(name, entry): (&String, &CodecEntry)| match entry {
                CodecEntry::Known { .. } => Some(name.clone()),
                CodecEntry::Needs(_) => None,
            };
            let names: Vec<String> = self.codecs.iter().filter_map(known).collect();
            codec.insert("enum".into(), json!(names));
        }
        let kinds: Vec<Schema> = self
            .kinds
            .iter()
            .filter_map(|(name, kind)| match kind {
                Kind::Known { schema, .. } => Some(store_schema(name, *schema, &mut generator)),
                Kind::Needs(_) => None,
            })
            .collect();
        let mut schema = json_schema!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "session-kit",
            "description": "Sessions, and the stores that keep them.",
            "type": "object",
            "properties": {
                "session": session,
                "stores": {
                    "description": "Stores by name: one may stand in front of another.",
                    "type": "object",
                    "additionalProperties": { "oneOf": kinds },
                },
            },
            "required": ["stores"],
            "additionalProperties": false,
        });
        AsWritten.transform(&mut schema);
        schema
    }
}

/// The settings of a kind, and `kind` itself.
fn store_schema(
    name: &str,
    settings: Option<fn(&mut SchemaGenerator) -> Schema>,
    generator: &mut SchemaGenerator,
) -> Schema {
    let mut schema = match settings {
        Some(settings) => settings(generator),
        None => json_schema!({ "type": "object" }),
    };
    let object = schema.ensure_object();
    let properties = object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(properties) = properties {
        properties.insert("kind".into(), json!({ "type": "string", "const": name }));
    }
    let required = object.entry("required").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(required) = required {
        required.insert(0, "kind".into());
    }
    schema
}

/// There is no null in TOML; and what is a number or a boolean may be a string with `${NAME}`.
struct AsWritten;

impl Transform for AsWritten {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        for list in ["anyOf", "enum"] {
            if let Some(Value::Array(options)) = object.get_mut(list) {
                options.retain(|option| !is_null(option));
            }
        }
        if let Some(Value::Array(options)) = object.get("anyOf")
            && let [Value::Object(only)] = options.as_slice()
        {
            let only = only.clone();
            object.remove("anyOf");
            for (name, value) in only {
                object.entry(name).or_insert(value);
            }
        }
        let types: Vec<Value> = match object.get("type") {
            Some(Value::Array(types)) => {
                types.iter().filter(|name| *name != "null").cloned().collect()
            }
            Some(name) => vec![name.clone()],
            None => return,
        };
        let is_plain =
            |name: &Value| ["integer", "number", "boolean"].iter().any(|plain| name == plain);
        let types = match types.as_slice() {
            [name] if is_plain(name) => json!([name, "string"]),
            [name] => name.clone(),
            _ => json!(types),
        };
        object.insert("type".into(), types);
        // A width in bits, which is Rust's.
        if object.get("format").is_some() {
            object.remove("format");
        }
    }
}

fn is_null(option: &Value) -> bool {
    option.is_null() || option.get("type").is_some_and(|name| name == "null")
}
