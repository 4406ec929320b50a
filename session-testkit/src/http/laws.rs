//! What holds of every response, whatever was asked.
//!
//! | law | security.md | compare |
//! |---|---|---|
//! | one `Set-Cookie` at most, of exactly the session cookie's name | 5 | |
//! | `HttpOnly`, `SameSite`, an absolute `Path`, no `Domain`; what a prefix of the name demands | 4 | |
//! | name and value of 4,096 bytes at most, `Max-Age` of 400 days at most | 6 | |
//! | with a `Set-Cookie` come `Cache-Control: no-store` and `Vary: Cookie` | 10 | Rails CVE-2024-26144, Flask CVE-2023-30861 |
//! | no token in a body, or in a header other than `Set-Cookie` | 7 | |
//! | no 5xx while the store answers | 11 | |
//! | an error of the API is `{"error": code, "message": text}`, and the code fits the status | | |

use super::request::Request;
use super::response::Response;
use super::set_cookie::SetCookie;

/// Shorter values are found in any text by chance.
const SECRET: usize = 16;

const MAX_PAIR: usize = 4_096;
const MAX_AGE: i64 = 400 * 24 * 3_600;

/// Checks all of them but [`errors_are_typed`], which does not hold if it is the framework that
/// refuses a request.
///
/// # Panics
///
/// If one does not hold.
pub fn hold(cookie_name: &str, request: &Request, response: &Response) {
    assert!(response.status < 500, "a failure of the server in {response}");
    let cookies = response.set_cookies();
    assert!(cookies.len() <= 1, "more than one Set-Cookie in {response}");
    for cookie in &cookies {
        if let Err(reason) = is_sound(cookie, cookie_name) {
            panic!("{reason} in {response}");
        }
        is_kept_from_caches(response);
    }
    let sent = request.cookies().flat_map(|line| values(line, cookie_name));
    let received = cookies.iter().map(|cookie| cookie.value().as_bytes());
    for secret in sent.chain(received).filter(|secret| secret.len() >= SECRET) {
        tells_nothing_of(secret, response);
    }
}

/// Checks that an error of the API has the form of one.
///
/// # Panics
///
/// If it does not.
pub fn errors_are_typed(response: &Response) {
    if response.status < 400 || !response.asked.contains(" /api/") {
        return;
    }
    let body = response.json();
    let members = body.as_object().map(|members| members.keys().cloned().collect::<Vec<_>>());
    let expected = ["error".to_owned(), "message".to_owned()];
    assert!(members.is_some_and(|members| members == expected), "no typed error in {response}");
    let code = body["error"].as_str().unwrap_or_default();
    let fits = match response.status {
        400 => code == "bad_request",
        401 => ["no_session", "session_gone", "bad_credentials"].contains(&code),
        404 => code == "not_found",
        413 => code == "too_large",
        _ => false,
    };
    assert!(fits, "the error code does not fit the status in {response}");
    let message = body["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "an error without a message in {response}");
    let types: Vec<_> = response.header("content-type").collect();
    let is_json = types.len() == 1 && types[0].starts_with(b"application/json");
    assert!(is_json, "an error that is not announced as JSON in {response}");
}

/// Checks that no shared cache gives the response to anybody else.
///
/// # Panics
///
/// If one may.
pub fn is_kept_from_caches(response: &Response) {
    let no_store = response.list("cache-control").contains(&"no-store".to_owned());
    assert!(no_store, "no `Cache-Control: no-store` in {response}");
    let vary = response.list("vary");
    let varies = vary.iter().any(|name| name == "cookie" || name == "*");
    assert!(varies, "no `Vary: Cookie` in {response}");
}

/// Checks that `secret` is neither in the body nor in any header but `Set-Cookie`.
///
/// # Panics
///
/// If it is.
pub fn tells_nothing_of(secret: &[u8], response: &Response) {
    assert!(!contains(response.body(), secret), "a token in the body of {response}");
    for (name, value) in response.headers().filter(|(name, _)| *name != "set-cookie") {
        assert!(!contains(value, secret), "a token in the header {name} of {response}");
    }
}

fn is_sound(cookie: &SetCookie, name: &str) -> Result<(), &'static str> {
    let has = |attribute| cookie.attribute(attribute).is_some();
    let host = name.to_ascii_lowercase().starts_with("__host-");
    let secure = host || name.to_ascii_lowercase().starts_with("__secure-");
    let same_site = cookie.attribute("samesite").unwrap_or_default().to_ascii_lowercase();
    let rules = [
        (cookie.name() == name, "a cookie of another name"),
        (has("httponly"), "a cookie without HttpOnly"),
        (["lax", "strict", "none"].contains(&&*same_site), "a cookie without SameSite"),
        (same_site != "none" || has("secure"), "SameSite=None without Secure"),
        (!has("partitioned") || has("secure"), "Partitioned without Secure"),
        (!secure || has("secure"), "a name that demands Secure without it"),
        (!has("domain"), "a cookie that subdomains get"),
        (cookie.attribute("path").is_some_and(|path| path.starts_with('/')), "no absolute Path"),
        (!host || cookie.attribute("path") == Some("/"), "a `__Host-` cookie without Path=/"),
        (name.len() + cookie.value().len() <= MAX_PAIR, "a cookie that browsers drop"),
        (!has("max-age") || cookie.max_age().is_some(), "a Max-Age that is no number"),
        (cookie.max_age().unwrap_or(0) <= MAX_AGE, "a Max-Age of more than 400 days"),
        (
            cookie.is_removal() == cookie.value().is_empty(),
            "a removal with a value, or a value without",
        ),
        (!cookie.is_removal() || cookie.expires_long_ago(), "a removal without Expires"),
        (!cookie.is_removal() || cookie.max_age() == Some(0), "a removal without Max-Age=0"),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, reason)) => Err(reason),
        None => Ok(()),
    }
}

/// The values of the cookie `name` in a line.
fn values<'a>(line: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    line.split(|byte| *byte == b';')
        .filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect();
        Response { asked: "GET /api/me".into(), status: 401, headers, body: body.into() }
    }

    fn breaks(response: &Response) -> bool {
        let request = Request::get("/api/me").cookie("id=0123456789abcdef; a=b");
        std::panic::catch_unwind(|| hold("id", &request, response)).is_err()
    }

    const SET: &str = "id=fedcba9876543210; HttpOnly; SameSite=Lax; Path=/";
    const CACHING: [(&str, &str); 2] = [("cache-control", "no-store"), ("vary", "Accept, Cookie")];

    #[test]
    fn a_lawful_response_passes() {
        let set = ("set-cookie", SET);
        assert!(!breaks(&response(&[], "")));
        assert!(!breaks(&response(&[set, CACHING[0], CACHING[1]], "x")));
    }

    #[test]
    fn each_law_is_noticed_to_be_broken() {
        let set = ("set-cookie", SET);
        let [no_store, vary] = CACHING;
        assert!(breaks(&response(&[set, set, no_store, vary], "")));
        assert!(breaks(&response(&[set, no_store], "")));
        assert!(breaks(&response(&[set, vary], "")));
        assert!(breaks(&response(&[set, no_store, vary], "=fedcba9876543210")));
        assert!(breaks(&response(&[], "0123456789abcdef")));
        assert!(breaks(&response(&[("x-session", "0123456789abcdef")], "")));
        for (from, to) in [
            ("id=", "ID="),
            ("; HttpOnly", ""),
            ("; SameSite=Lax", ""),
            ("Lax", "None"),
            ("; Path=/", ""),
            ("; Path=/", "; Path=app"),
            ("; Path=/", "; Path=/; Domain=example.org"),
            ("; Path=/", "; Path=/; Max-Age=34560001"),
            ("; Path=/", "; Path=/; Max-Age=0"),
            ("fedcba9876543210", ""),
        ] {
            let set = SET.replace(from, to);
            assert!(breaks(&response(&[("set-cookie", &set), no_store, vary], "")), "{set}");
        }
    }

    #[test]
    fn the_prefix_of_a_name_demands_more() {
        let sound = |line: &str, name| is_sound(&SetCookie::parse(line.as_bytes()).unwrap(), name);
        let rest = "=x; HttpOnly; SameSite=Lax; Secure; Path=/";
        let name = "__Host-id";
        assert_eq!(sound(&format!("{name}{rest}"), name), Ok(()));
        assert!(sound(&format!("{name}{rest}app"), name).is_err());
        assert!(sound(&format!("{name}{}", rest.replace("; Secure", "")), name).is_err());
    }
}
