//! The same behind Caddy, whose proxy asks by other means.

use crate::patience::until;
use crate::site::{PLAIN, Site, in_a_hurry};

/// What somebody may try who would like to be somebody else.
const FORGED: &[(&str, &str)] = &[
    ("x-session-user", "admin"),
    ("X-SESSION-HANDLE", "admin"),
    ("x_session_user", "admin"),
    ("x-session_user", "admin"),
    ("X_SESSION-USER", "admin"),
    ("connection", "close, x-session-user"),
];

#[tokio::test]
async fn the_service_is_told_who_is_signed_in_by_the_gateway_alone() {
    let site = Site::start_behind_caddy(PLAIN).await;
    let mut anonymous = site.client();
    let answer = anonymous.send("GET", "/service/x", FORGED, "").await;
    answer.expect_error(401, "no_session");
    assert_eq!(site.service.asked(), 0);

    let mut client = site.signed_in("Zoë").await;
    let answer = client.send("POST", "/service/x?y=z", FORGED, "a body").await.expect(200);
    let names: Vec<String> = answer.identity().into_iter().map(|(name, _)| name).collect();
    let told = ["x-session-authenticated-at", "x-session-handle", "x-session-user"];
    assert_eq!(names, told, "{answer}");
    assert_eq!(answer.given("x-session-user"), ["Zo%C3%AB"]);
    assert_eq!(answer.given("(body)"), ["a body"]);
    assert!(answer.given("cookie").is_empty(), "{answer}");
    let answer = answer.expect_uncached();
    assert_eq!(answer.header("set-cookie"), ["theirs=1"], "{answer}");
    assert!(answer.header("x-session-user").is_empty(), "{answer}");

    // Where nobody is asked for, nothing is told either.
    for client in [&mut anonymous, &mut client] {
        let answer = client.send("POST", "/given", FORGED, "").await.expect(200);
        assert_eq!(answer.identity(), []);
    }

    client.clone().post("/log-out", "").await.expect(204);
    client.get("/service/x").await.expect_error(401, "no_session").expect_cleared();
}

#[tokio::test]
async fn who_cannot_be_told_is_not_let_through() {
    let site = Site::start_behind_caddy(&in_a_hurry(PLAIN)).await;
    let mut client = site.signed_in("u1001").await;
    site.redis.pause();
    client.get("/service/x").await.expect_outage();
    site.redis.resume();
    until("sessions are there again", async || {
        let answer = client.get("/service/x").await;
        answer.status == 200 || answer.expect_outage().status == 200
    })
    .await;

    let Site { gateway, service, .. } = site;
    let asked = service.asked();
    gateway.stopped().await;
    assert_eq!(client.get("/service/x").await.status, 502);
    assert_eq!(service.asked(), asked);
}
