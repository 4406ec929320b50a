//! Wrong configurations and the messages they get, as `refusals.md` has them: for people to read.

use super::*;

const DOCUMENT: &str = include_str!("refusals.md");

#[test]
fn every_message_is_the_one_that_was_read() {
    let (introduction, cases) = DOCUMENT.split_once("\n## ").unwrap();
    let cases: Vec<Case<'_>> = cases.split("\n## ").map(Case::parse).collect();
    let mut told = introduction.to_owned();
    for case in &cases {
        told += &format!("\n## {}\n> {}\n", case.before, case.message());
    }
    expect_file("src/config/tests/refusals.md", &told);

    let mut messages: Vec<String> = cases.iter().map(|case| case.message()).collect();
    for message in &messages {
        assert!(!message.contains("geheim") && !message.contains("Z2VoZWlt"), "{message}");
        assert!(message.contains("file: session.toml"), "{message}");
        let has_a_place = message.contains("line: ") || message.contains("variable: SESSION__");
        assert!(has_a_place || message.contains("is missing"), "{message}");
    }
    messages.sort();
    messages.dedup();
    assert_eq!(messages.len(), cases.len(), "each has a message of its own");
}

struct Case<'a> {
    /// All but the message.
    before: &'a str,
    text: &'a str,
    variables: Vec<(&'a str, &'a str)>,
    /// Of which kind the feature is off.
    without: Option<&'a str>,
}

impl<'a> Case<'a> {
    fn parse(section: &'a str) -> Self {
        let (before, _) = section.split_once("\n> ").unwrap();
        let (_, rest) = before.split_once("```toml\n").unwrap();
        let (text, rest) = rest.split_once("\n```\n").unwrap();
        let marked = |mark: &'static str| {
            rest.lines().filter_map(move |line| line.strip_prefix(mark)?.strip_suffix('`'))
        };
        Self {
            before,
            text,
            variables: marked("Variable: `").map(|line| line.split_once('=').unwrap()).collect(),
            without: marked("Without: `").next(),
        }
    }

    fn message(&self) -> String {
        let registry = match self.without {
            Some("redis") => Registry::new().kind_needs("redis", "`redis`"),
            Some(other) => panic!("which feature makes {other}?"),
            None => Registry::new(),
        };
        let variables = self.variables.iter().map(|&(name, value)| (name.into(), value.into()));
        let config = registry.parse(self.text, "session.toml", variables);
        let error = config.and_then(|config| config.build()).expect_err(self.before);
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        error.to_string()
    }
}
