use serde_json::{Value, json};

use crate::client::Client;
use crate::frameworks::Framework;
use crate::process::Portal;

pub(crate) async fn devices_are_those_of_the_user(on: Framework) {
    let portal = Portal::start_on(on).await;
    portal.signed_in("somebody").await;
    let mut one = portal.client();
    let login = json!({ "user": "u1001", "password": "demo" }).to_string();
    one.send("POST", "/api/login", &[("user-agent", "Lynx/2.9")], login).await.expect(200);
    let mut two = portal.signed_in("u1001").await;

    // Two that began in the same millisecond come in any order.
    let of = |devices: Vec<Value>, current: bool| -> Value {
        assert_eq!(devices.len(), 2);
        let mut found = devices.into_iter().filter(|device| device["current"] == current);
        found.next().expect("one is this device, and one is not")
    };
    let mine = of(list(&mut one).await, true);
    let members: Vec<&String> = mine.as_object().expect("an object").keys().collect();
    let expected = ["address", "created_at", "current", "handle", "last_seen_at", "user_agent"];
    assert_eq!(members, expected);
    let me = one.get("/api/me").await.expect(200).json();
    assert_eq!(mine["handle"], me["handle"]);
    assert_eq!(mine["created_at"], me["created_at"]);
    assert_eq!(mine["user_agent"], "Lynx/2.9");
    assert_eq!(mine["address"], "127.0.0.1");
    let other = of(list(&mut one).await, false);
    assert_eq!(other["user_agent"], Value::Null);
    assert_eq!(of(list(&mut two).await, true)["handle"], other["handle"]);
}

pub(crate) async fn a_device_is_signed_out_once(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut kept = portal.signed_in("u1001").await;
    let mut lost = portal.signed_in("u1001").await;
    let path = format!("/api/devices/{}", handle(&mut lost).await);
    kept.delete(&path).await.expect(204).expect_no_cookie();
    lost.get("/api/me").await.expect_error(401, "no_session").expect_cleared();
    kept.delete(&path).await.expect_error(404, "not_found");
    assert_eq!(list(&mut kept).await.len(), 1);
}

pub(crate) async fn ones_own_device_is_signed_out_with_its_cookie(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let cookie = client.cookie().expect("a cookie").to_owned();
    let path = format!("/api/devices/{}", handle(&mut client).await);
    client.delete(&path).await.expect(204).expect_cleared();
    client.set_cookie(&cookie);
    client.get("/api/me").await.expect_error(401, "no_session");
}

pub(crate) async fn nobody_elses_device_is_found(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut victim = portal.signed_in("victim").await;
    let mut attacker = portal.signed_in("attacker").await;
    let handle = handle(&mut victim).await;
    for named in [&*handle, "x", "AAAAAAAAAAAAAAAAAAAAAA", "..%2F..", "%00", "revoke-others"] {
        let path = format!("/api/devices/{named}");
        let answer = attacker.delete(&path).await;
        if named == "revoke-others" {
            answer.expect_error(405, "method_not_allowed");
        } else {
            answer.expect_error(404, "not_found").expect_no_cookie();
        }
    }
    victim.get("/api/me").await.expect(200);
}

pub(crate) async fn all_other_devices_are_signed_out(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut kept = portal.signed_in("u1001").await;
    let mut others = [portal.signed_in("u1001").await, portal.signed_in("u1001").await];
    let mut bystander = portal.signed_in("somebody").await;
    let answer = kept.post("/api/devices/revoke-others").await.expect(200).expect_no_cookie();
    assert_eq!(answer.json(), json!({ "revoked": 2 }));
    for other in &mut others {
        other.get("/api/me").await.expect_error(401, "no_session");
    }
    let answer = kept.post("/api/devices/revoke-others").await.expect(200);
    assert_eq!(answer.json(), json!({ "revoked": 0 }));
    kept.get("/api/me").await.expect(200);
    bystander.get("/api/me").await.expect(200);
}

pub(crate) async fn all_devices_are_signed_out(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let mut other = portal.signed_in("u1001").await;
    let cookie = client.cookie().expect("a cookie").to_owned();
    let answer = client.post("/api/devices/revoke-all").await.expect(200).expect_cleared();
    assert_eq!(answer.json(), json!({ "revoked": 2 }));
    client.set_cookie(&cookie);
    for client in [&mut client, &mut other] {
        client.get("/api/me").await.expect_error(401, "no_session").expect_cleared();
    }
}

pub(crate) async fn devices_are_for_those_who_are_signed_in(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut anonymous = portal.client();
    anonymous.post("/api/counter").await.expect(204);
    for mut client in [portal.client(), anonymous] {
        for (method, path) in [
            ("GET", "/api/devices"),
            ("DELETE", "/api/devices/AAAAAAAAAAAAAAAAAAAAAA"),
            ("POST", "/api/devices/revoke-others"),
            ("POST", "/api/devices/revoke-all"),
        ] {
            let answer = client.send(method, path, &[], "").await;
            answer.expect_error(401, "no_session").expect_no_cookie();
        }
    }
}

async fn list(client: &mut Client) -> Vec<Value> {
    let devices = client.get("/api/devices").await.expect(200).json();
    devices.as_array().expect("a list").clone()
}

async fn handle(client: &mut Client) -> String {
    let me = client.get("/api/me").await.expect(200).json();
    me["handle"].as_str().expect("a handle").to_owned()
}
