use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;

const DONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// Serves one connection after the other: each entry is the answers on one of them, after the last
/// of which it is closed. A request is over with its head.
async fn server(connections: Vec<Vec<&'static str>>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(listener.local_addr().unwrap(), "id");
    tokio::spawn(async move {
        for answers in connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    target
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let target = server(vec![vec![DONE, DONE, DONE]]).await;
    let mut connection = target.connection();
    for _ in 0..3 {
        assert_eq!(connection.send(&Request::get("/")).await.status(), 204);
    }
    let refused = connection.attempt(&Request::get("/")).await;
    assert!(refused.is_err_and(|refused| refused.is_hang_up()), "there is no second connection");
}

#[tokio::test]
async fn a_connection_is_opened_anew_when_it_cannot_go_on() {
    let closing = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    let refusing = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
    let target = server(vec![vec![closing], vec![refusing], vec![DONE]]).await;
    let mut connection = target.connection();
    connection.send(&Request::get("/")).await;
    assert_eq!(connection.send(&Request::post("/").body("")).await.status(), 413);
    assert_eq!(connection.send(&Request::get("/")).await.status(), 204);
}

#[tokio::test]
async fn nothing_is_sent_twice() {
    let target = server(vec![vec![""], vec![DONE]]).await;
    let mut connection = target.connection();
    let refused = connection.attempt(&Request::post("/")).await;
    assert!(refused.is_err_and(|refused| refused.is_hang_up()));
    assert_eq!(connection.send(&Request::post("/")).await.status(), 204);
}

#[tokio::test]
async fn nonsense_is_not_a_hang_up() {
    let target =
        server(vec![vec!["HTTP/1.1 204 No Content\r\n\r\nHTTP"], vec!["SSH-2.0\r\n\r\n"]]).await;
    for _ in 0..2 {
        let refused = target.connection().attempt(&Request::get("/")).await;
        assert!(refused.is_err_and(|refused| !refused.is_hang_up()));
    }
}

#[tokio::test]
async fn a_response_is_read_though_the_request_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(listener.local_addr().unwrap(), "id");
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let refusal = b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(refusal).await.unwrap();
        stream
    });
    let request = Request::get("/").cookie(vec![b'x'; 64 << 20]);
    assert_eq!(target.connection().attempt(&request).await.unwrap().status(), 431);
    drop(served.await);
}

#[tokio::test]
#[should_panic(expected = "no response within")]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(listener.local_addr().unwrap(), "id");
    let target = target.with_deadline(Duration::from_millis(20));
    target.connection().send(&Request::get("/")).await;
}

#[tokio::test]
async fn a_browser_keeps_the_cookie_until_it_is_told_to_forget_it() {
    const CACHING: &str = "Cache-Control: no-store\r\nVary: Cookie\r\nSet-Cookie: id=";
    let set =
        format!("HTTP/1.1 204 No Content\r\n{CACHING}abc; HttpOnly; SameSite=Lax; Path=/\r\n\r\n");
    let clear = format!(
        "HTTP/1.1 204 No Content\r\n{CACHING}; HttpOnly; SameSite=Lax; Path=/; Max-Age=0; \
         Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
    );
    let target = server(vec![vec![set.leak(), DONE, clear.leak()]]).await;
    let mut browser = target.browser();
    for expected in [Some("abc"), Some("abc"), None] {
        browser.get("/").await;
        assert_eq!(browser.token(), expected);
    }
}
