//! What a person calls the browser behind a `User-Agent`.

/// Like `Firefox on Linux`; a user agent that is none of the known browsers as it is.
pub(crate) fn browser_name(user_agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(BROWSERS), find(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => user_agent.to_owned(),
    }
}

/// Most of them claim to be Chrome, and that one to be Safari, so the order matters.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use super::browser_name;

    #[test]
    fn knows_the_common_ones() {
        let linux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)";
        let mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15";
        for (user_agent, name) in [
            (format!("{linux} Chrome/140.0.0.0 Safari/537.36"), "Chrome on Linux"),
            (format!("{linux} HeadlessChrome/140.0.0.0 Safari/537.36"), "Chrome on Linux"),
            (format!("{linux} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"), "Edge on Linux"),
            (format!("{mac} (KHTML, like Gecko) Version/26.0 Safari/605.1.15"), "Safari on macOS"),
            (
                "Mozilla/5.0 (Android 16; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0".into(),
                "Firefox on Android",
            ),
            ("curl/8.14.1".into(), "curl"),
            ("Netscape/4.8 (BeOS)".into(), "Netscape/4.8 (BeOS)"),
        ] {
            assert_eq!(browser_name(&user_agent), name);
        }
    }
}
