//! The gateway by itself, as Traefik and Caddy ask it: its answers reach the client.

use session_testkit::servers::Redis;

use crate::client::Client;
use crate::process::{ConfigFile, Gateway, run};
use crate::service::Served;
use crate::sign_in;
use crate::site::{PLAIN, replaced, sessions};

const SAMPLE: &str = include_str!("../../gateway.toml");

/// The gateway of the sample, as it stands, and who signs people in to the same sessions.
async fn of_the_sample(redis: &Redis) -> (Gateway, Served) {
    let url = redis.url();
    let gateway = Gateway::start_at("127.0.0.1:0", SAMPLE, &[("REDIS_URL", &url)]).await;
    (gateway, sign_in::start(sessions(SAMPLE, &url)).await)
}

#[tokio::test]
async fn every_answer_says_what_it_is() {
    let redis = Redis::start().await;
    let (gateway, sign_in) = of_the_sample(&redis).await;
    let mut client = gateway.client();
    client.get("/auth").await.expect_error(401, "no_session");

    let mut other = Client::new(format!("http://{}", sign_in.address));
    other.log_in("Zoë").await;
    client.set_cookie(other.cookie().unwrap());
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        for path in ["/auth", "/auth?consistency=strong", "/auth?max_age=300"] {
            let answer = client.send(method, path, &[], "").await.expect(200).expect_uncached();
            assert_eq!(answer.header("x-session-user"), ["Zo%C3%AB"], "{answer}");
            assert_eq!(answer.header("x-session-handle")[0].len(), 22, "{answer}");
            assert_eq!(answer.header("x-session-authenticated-at").len(), 1, "{answer}");
        }
    }
    // As if a proxy had passed on what a client sent.
    let forged = [("x-session-user", "admin")];
    let answer = client.send("GET", "/auth", &forged, "").await.expect(200);
    assert_eq!(answer.header("x-session-user"), ["Zo%C3%AB"], "{answer}");

    other.post("/log-out", "").await.expect(204);
    let strong = client.get("/auth?consistency=strong").await;
    strong.expect_error(401, "no_session").expect_cleared();
}

#[tokio::test]
async fn a_demand_that_nobody_knows_is_not_passed_over() {
    let redis = Redis::start().await;
    let (gateway, _sign_in) = of_the_sample(&redis).await;
    let mut client = gateway.client();
    for query in ["consistancy=strong", "consistency=weak", "max_age=5m", "max_age=1&max_age=9"] {
        client.get(&format!("/auth?{query}")).await.expect_error(400, "bad_request");
    }
    client.get("/authenticate").await.expect(404).expect_uncached();
    client.get("/healthz").await.expect(200).expect_uncached();
    client.get("/readyz").await.expect(200).expect_uncached();
}

#[tokio::test]
async fn what_cannot_be_right_stops_the_start() {
    let misspelt = replaced(PLAIN, "${REDIS_URL}", "redis://127.0.0.1:6379");
    let misspelt = ConfigFile::new(&replaced(&misspelt, "namespace", "namspace"));
    let unset = ConfigFile::new(PLAIN);
    for (arguments, word) in [
        (&[][..], "--config is missing"),
        (&["--config", misspelt.path()], "namspace"),
        (&["--config", unset.path()], "REDIS_URL"),
        (&["--config", "/no/such/file"], "/no/such/file"),
    ] {
        let output = run(arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(word), "{said}");
    }
}
