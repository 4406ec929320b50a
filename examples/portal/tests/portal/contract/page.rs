use serde_json::json;

use crate::client::Client;
use crate::frameworks::Framework;
use crate::process::Portal;

const LOGIN: &str = "user=u1001&password=demo";

pub(crate) async fn the_page_asks_strangers_to_sign_in(on: Framework) {
    let portal = Portal::start_on(on).await;
    let answer = portal.client().get("/").await.expect(200).expect_no_cookie();
    assert!(answer.header("content-type").starts_with("text/html"), "{answer}");
    let page = answer.text();
    for part in [
        "<html lang=\"en\">",
        "<title>Sign in",
        "<form class=\"card\" method=\"post\" action=\"/login\">",
        "<label for=\"user\">",
        "<label for=\"password\">",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains("<script"), "{page}");
}

pub(crate) async fn pages_can_neither_load_nor_run_anything(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    for path in ["/", "/?notice=wrong-password", "/?notice=nonsense"] {
        let answer = client.get(path).await.expect(200);
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        for part in ["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
    }
    client.get("/favicon.ico").await.expect(204);
}

pub(crate) async fn forms_sign_in_count_and_sign_out(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    client.submit("/login", LOGIN).await.expect_redirect("/");
    let page = page(&mut client).await;
    for part in ["u1001", "You are signed in.", "This device", "<output id=\"counter\">0</output>"]
    {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!self::page(&mut client).await.contains("You are signed in."), "shown once");

    client.submit("/counter", "").await.expect_redirect("/#counter-section");
    assert!(self::page(&mut client).await.contains("<output id=\"counter\">1</output>"));
    client.submit("/logout", "").await.expect_redirect("/?notice=signed-out").expect_cleared();
    let answer = client.get("/?notice=signed-out").await.expect(200);
    assert!(answer.text().contains("You are signed out."));
}

pub(crate) async fn a_wrong_password_is_said_and_nothing_stored(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    for form in ["user=u1001&password=wrong", "user=two+words&password=demo"] {
        let answer = client.submit("/login", form).await;
        answer.expect_redirect("/?notice=wrong-password").expect_no_cookie();
    }
    let page = client.get("/?notice=wrong-password").await.expect(200).text();
    assert!(page.contains("role=\"alert\""), "{page}");
    for form in ["", "user=u1001", "password=demo"] {
        client.submit("/login", form).await.expect(400).expect_no_cookie();
    }
    client.submit("/login", "x".repeat(128 * 1024)).await.expect(413).expect_no_cookie();
}

pub(crate) async fn forms_sign_devices_out(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut one = portal.client();
    one.submit("/login", LOGIN).await.expect_redirect("/");
    let mut two = portal.signed_in("u1001").await;
    let me = two.get("/api/me").await.expect(200).json();
    let path = format!("/devices/{}/revoke", me["handle"].as_str().expect("a handle"));

    one.submit(&path, "").await.expect_redirect("/");
    assert!(page(&mut one).await.contains("The device is signed out."));
    two.get("/api/me").await.expect_error(401, "no_session");
    for path in [&path, "/devices/x/revoke", "/devices/%00/revoke", "/devices/%FF/revoke"] {
        one.submit(path, "").await.expect_redirect("/");
        assert!(page(&mut one).await.contains("That device was signed out already."));
    }

    for (others, text) in [
        (0, "There was no other device to sign out."),
        (1, "One other device is signed out."),
        (2, "2 other devices are signed out."),
    ] {
        for _ in 0..others {
            portal.signed_in("u1001").await;
        }
        one.submit("/revoke-others", "").await.expect_redirect("/");
        assert!(page(&mut one).await.contains(text), "{text}");
    }

    let me = one.get("/api/me").await.expect(200).json();
    let path = format!("/devices/{}/revoke", me["handle"].as_str().expect("a handle"));
    one.submit(&path, "").await.expect_redirect("/?notice=signed-out").expect_cleared();
}

pub(crate) async fn forms_of_an_ended_session_lead_to_the_sign_in(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let cookie = client.cookie().expect("a cookie").to_owned();
    client.post("/api/logout").await.expect(204);
    for path in ["/counter", "/revoke-others", "/devices/AAAAAAAAAAAAAAAAAAAAAA/revoke"] {
        client.set_cookie(&cookie);
        client.submit(path, "").await.expect_redirect("/?notice=ended").expect_cleared();
    }
    let page = client.get("/?notice=ended").await.expect(200).text();
    assert!(page.contains("Your session has ended."), "{page}");
}

pub(crate) async fn what_clients_say_is_shown_as_text(on: Framework) {
    const AGENT: &str = "<script>alert(1)</script>\"'><img src=x>";
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    let login = json!({ "user": "u1001", "password": "demo" }).to_string();
    client.send("POST", "/api/login", &[("user-agent", AGENT)], login).await.expect(200);
    let page = page(&mut client).await;
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
}

async fn page(client: &mut Client) -> String {
    client.get("/").await.expect(200).text()
}
