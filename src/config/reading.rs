//! A section becomes its settings. In place of the deserializer of TOML, for what that cannot:
//! errors that know the path of a setting and quote no value, and a text wherever a number or a
//! boolean is wanted, since environment variables are nothing else.

use serde::Deserializer;
use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use session_core::Error;
use toml::{Table, Value};

use super::refusal::Refusal;

/// Reads a section into its settings. Errors name the setting by its whole path.
pub(super) fn read<T: DeserializeOwned>(section: &str, table: Table) -> Result<T, Error> {
    T::deserialize(Reader(Value::Table(table))).map_err(|refusal| refusal.into_error(section))
}

/// A value that is read.
struct Reader(Value);

impl Reader {
    /// The text as what it says.
    fn parse<T: std::str::FromStr>(text: &str, wanted: &str) -> Result<T, Refusal> {
        text.trim().parse().map_err(|_| Refusal::wrong_type("a string", wanted))
    }
}

/// Those that take a text, too.
macro_rules! plain_or_text {
    ($($method:ident $visit:ident $wanted:literal),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            match self.0 {
                Value::String(text) => visitor.$visit(Self::parse(&text, $wanted)?),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Boolean(value) => visitor.visit_bool(value),
            // Nobody has settings for those; a format of one's own reads them as a text.
            Value::Datetime(time) => visitor.visit_string(time.to_string()),
            Value::Array(items) => visitor.visit_seq(Items { items: items.into_iter(), index: 0 }),
            Value::Table(table) => visitor.visit_map(Section::of(table)),
        }
    }

    plain_or_text! {
        deserialize_bool visit_bool "`true` or `false`",
        deserialize_i8 visit_i64 "i8",
        deserialize_i16 visit_i64 "i16",
        deserialize_i32 visit_i64 "i32",
        deserialize_i64 visit_i64 "i64",
        deserialize_u8 visit_u64 "u8",
        deserialize_u16 visit_u64 "u16",
        deserialize_u32 visit_u64 "u32",
        deserialize_u64 visit_u64 "u64",
        deserialize_f32 visit_f64 "f32",
        deserialize_f64 visit_f64 "f64",
    }

    /// There is no null: what is there is there.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(string(text)),
            Value::Table(table) => {
                visitor.visit_enum(MapAccessDeserializer::new(Section::of(table)))
            }
            other => Err(Refusal::wrong_type(name_of(&other), "a string")),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

impl IntoDeserializer<'_, Refusal> for Reader {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Section {
    settings: toml::map::IntoIter<String, Value>,
    current: Option<(String, Value)>,
}

impl Section {
    fn of(table: Table) -> Self {
        Self { settings: table.into_iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Section {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refusal> {
        self.current = self.settings.next();
        let Some((name, _)) = &self.current else { return Ok(None) };
        let key = seed.deserialize(string(name.clone()));
        key.map(Some).map_err(|refusal| refusal.within(name.clone()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let Some((name, value)) = self.current.take() else {
            return Err(serde::de::Error::custom("a value was asked for before its key"));
        };
        let shown = shown(&value);
        seed.deserialize(Reader(value)).map_err(|refusal| refusal.of(shown).within(name))
    }
}

struct Items {
    items: std::vec::IntoIter<Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refusal> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let (index, shown) = (self.index, shown(&item));
        self.index += 1;
        let value = seed.deserialize(Reader(item));
        value.map(Some).map_err(|refusal| refusal.of(shown).within(format!("[{index}]")))
    }
}

fn string(text: String) -> StringDeserializer<Refusal> {
    text.into_deserializer()
}

/// How an error shows a value, if it is a plain one.
fn shown(value: &Value) -> Option<String> {
    (!value.is_table() && !value.is_array()).then(|| value.to_string())
}

fn name_of(value: &Value) -> &'static str {
    super::refusal::name_of(match value {
        Value::String(text) => Unexpected::Str(text),
        Value::Integer(number) => Unexpected::Signed(*number),
        Value::Float(number) => Unexpected::Float(*number),
        Value::Boolean(value) => Unexpected::Bool(*value),
        Value::Datetime(_) => Unexpected::Other("a time"),
        Value::Array(_) => Unexpected::Seq,
        Value::Table(_) => Unexpected::Map,
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        name: String,
        port: Option<u16>,
        #[serde(default)]
        ratio: f32,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        mode: Mode,
        #[serde(default)]
        list: Vec<i8>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        #[default]
        Fast,
        VerySlow {
            by: u64,
        },
    }

    fn read(text: &str) -> Result<Settings, Error> {
        super::read("stores.main", text.parse().unwrap())
    }

    #[test]
    fn plain_values_and_texts_are_read_alike() {
        let plain =
            read("name = \"a\"\nport = 80\nratio = 0.5\non = true\nlist = [1, -2]").unwrap();
        let texts =
            "name = \"a\"\nport = \"80\"\nratio = \" 0.5 \"\non = \"true\"\nlist = [\"1\", -2]";
        assert_eq!(read(texts).unwrap(), plain);
        assert_eq!((plain.port, plain.mode, plain.list), (Some(80), Mode::Fast, vec![1, -2]));
        let slow = read("name = \"a\"\nratio = 1\nmode = { very-slow = { by = \"7\" } }").unwrap();
        assert_eq!((slow.ratio, slow.mode), (1.0, Mode::VerySlow { by: 7 }));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        for (text, told) in [
            ("", "missing field `name` (field: stores.main)"),
            (
                "nmae = \"a\"",
                "unknown field `nmae`; did you mean `name`? (field: stores.main.nmae)",
            ),
            (
                "name = 7",
                "this is an integer, and should be a string (field: stores.main.name, value: 7)",
            ),
            ("name = []", "this is a list, and should be a string (field: stores.main.name)"),
            (
                "name = 1.5",
                "this is a number, and should be a string (field: stores.main.name, value: 1.5)",
            ),
            (
                "port = 65536",
                "should be a whole number from 0 to 65535 (field: stores.main.port, value: 65536)",
            ),
            (
                "port = -1",
                "should be a whole number from 0 to 65535 (field: stores.main.port, value: -1)",
            ),
            (
                "port = \"http\"",
                "this is a string, and should be a whole number from 0 to 65535 \
                 (field: stores.main.port, value: \"http\")",
            ),
            (
                "on = \"maybe\"",
                "this is a string, and should be `true` or `false` (field: stores.main.on, value: \"maybe\")",
            ),
            (
                "list = [1, 300]",
                "should be a whole number from -128 to 127 (field: stores.main.list[1], value: 300)",
            ),
            (
                "mode = \"fats\"",
                "there is no such value; did you mean `fast`? (field: stores.main.mode, value: \"fats\")",
            ),
            (
                "mode = 1",
                "this is an integer, and should be a string (field: stores.main.mode, value: 1)",
            ),
            (
                "mode = { very-slow = { by = \"a\" } }",
                "this is a string, and should be a whole number, zero or more \
                 (field: stores.main.mode.very-slow.by, value: \"a\")",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert_eq!(error, format!("misconfigured: {told}"), "{text}");
        }
    }
}
