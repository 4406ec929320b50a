//! Caddy, by what tests rely on.

use session_testkit::servers::Caddy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn caddy(what: &str) -> Caddy {
    Caddy::start(|address| format!("http://{address} {{\n\t{what}\n}}\n")).await
}

async fn get(caddy: &Caddy) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(caddy.address()).await?;
    let request = format!("GET /path HTTP/1.0\r\nHost: {}\r\n\r\n", caddy.address());
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn it_answers_as_its_configuration_says_and_once_more_when_it_was_killed() {
    let caddy = caddy("respond \"it is {path}\"").await;
    let answer = get(&caddy).await.unwrap();
    assert!(answer.contains(" 200 OK\r\n") && answer.ends_with("\r\n\r\nit is /path"), "{answer}");
    assert_eq!(caddy.url(), format!("http://127.0.0.1:{}", caddy.port()));

    caddy.kill();
    assert!(get(&caddy).await.is_err());
    caddy.restart().await;
    assert!(get(&caddy).await.unwrap().ends_with("it is /path"));
}

#[tokio::test]
async fn one_that_cannot_start_says_why() {
    let start = tokio::spawn(async { caddy("no_such_directive").await });
    let panic = start.await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    for part in ["caddy has ended", "no_such_directive"] {
        assert!(message.contains(part), "{message}");
    }
}
