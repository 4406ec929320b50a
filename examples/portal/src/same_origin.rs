//! Refuses what pages of other sites have the visitor's browser send.
//!
//! `SameSite=Lax` keeps the cookie out of such requests, but not out of those of a sibling
//! subdomain, and a log-in needs no cookie: somebody else's page could sign the visitor in as an
//! attacker. Browsers say where a request comes from; programs say nothing, and are let through.

/// Whether that is so of a request with this method and these headers.
pub(crate) fn is_cross_site<'a>(
    method: &str,
    header: impl Fn(&'static str) -> Option<&'a [u8]>,
) -> bool {
    if matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE") {
        return false;
    }
    if let Some(site) = header("sec-fetch-site") {
        // `none`: the user's own doing, such as a bookmark.
        return site != b"same-origin" && site != b"none";
    }
    // Browsers leave `Sec-Fetch-Site` out where there is no TLS, but for the machine's own address.
    let Some(origin) = header("origin") else { return false };
    let origin = str::from_utf8(origin).ok();
    let authority = origin.and_then(|origin| origin.split_once("://"));
    match (authority, header("host")) {
        (Some((_, authority)), Some(host)) => host != authority.as_bytes(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(method: &str, headers: &[(&str, &str)]) -> bool {
        is_cross_site(method, |wanted| {
            let found = headers.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.as_bytes())
        })
    }

    #[test]
    fn other_sites_are_refused_and_programs_are_not() {
        let host = ("host", "portal.example:3000");
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[host], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "")], true),
            (&[host, ("origin", "http://portal.example:3000")], false),
            (&[host, ("origin", "http://portal.example")], true),
            (&[host, ("origin", "https://evil.example")], true),
            (&[host, ("origin", "null")], true),
            (&[("origin", "https://evil.example")], true),
        ];
        for (headers, refused) in cases {
            assert_eq!(is_refused("POST", headers), *refused, "{headers:?}");
            assert!(!is_refused("GET", headers), "{headers:?}");
        }
    }
}
