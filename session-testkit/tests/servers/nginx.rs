//! nginx, by what tests rely on.

use std::time::{Duration, Instant};

use session_testkit::servers::Nginx;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn nginx(what: &str) -> Nginx {
    Nginx::start(|address| format!("server {{ listen {address}; {what} }}")).await
}

async fn get(nginx: &Nginx) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(nginx.address()).await?;
    connection.write_all(b"GET /path HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn it_answers_as_its_configuration_says() {
    let nginx = nginx(r#"return 200 "it is $uri";"#).await;
    let answer = get(&nginx).await.unwrap();
    assert!(answer.contains(" 200 OK\r\n") && answer.ends_with("\r\n\r\nit is /path"), "{answer}");
    assert_eq!(nginx.url(), format!("http://127.0.0.1:{}", nginx.port()));
}

#[tokio::test]
async fn it_is_a_proxy_for_more_than_fits_into_memory() {
    const BODY: usize = 1 << 20;
    let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = behind.local_addr().unwrap();
    let nginx = nginx(&format!("location / {{ proxy_pass http://{to}; }}")).await;
    let serve = async {
        let (mut connection, _) = behind.accept().await.unwrap();
        let mut request = [0; 4096];
        let read = connection.read(&mut request).await.unwrap();
        assert!(request[..read].starts_with(b"GET /path "));
        connection.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
        connection.write_all(&[b'x'; BODY]).await.unwrap();
    };
    let (answer, ()) = tokio::join!(get(&nginx), serve);
    assert!(answer.unwrap().ends_with(&"x".repeat(BODY)), "{}", nginx.log());
}

#[tokio::test]
async fn it_is_paused_killed_and_started_again_on_its_own() {
    let nginx = nginx("return 204;").await;
    let pid = nginx.pid();
    nginx.pause();
    let mut waiting = std::pin::pin!(get(&nginx));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
    assert!(early.is_err(), "{early:?}");
    nginx.resume();
    assert!(waiting.await.unwrap().contains(" 204 "));

    nginx.kill();
    assert!(get(&nginx).await.is_err());
    nginx.restart().await;
    assert!(nginx.pid().is_some_and(|restarted| Some(restarted) != pid));
    assert!(get(&nginx).await.unwrap().contains(" 204 "));
}

#[tokio::test]
async fn one_that_cannot_start_says_why() {
    let begun = Instant::now();
    let start = tokio::spawn(async { nginx("no_such_directive on;").await });
    let panic = start.await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    for part in ["nginx has ended", "no_such_directive"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "it is not waited for in vain");
}
