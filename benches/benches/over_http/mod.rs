//! Requests over loopback, asked by another process, and what they cost the one that serves.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use session_core::Sessions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const CONNECTIONS: usize = 32;
pub(crate) const REQUESTS: usize = 16_000;

/// Microseconds of this process for each request.
pub(crate) async fn measure(address: SocketAddr, path: &str, cookies: &[String]) -> f64 {
    let program = std::env::current_exe().expect("this program");
    let mut asking = tokio::process::Command::new(program);
    asking.args(["ask", &address.to_string(), path]).args(cookies);
    let before = cpu_time();
    let asked = asking.status().await.expect("another process");
    assert!(asked.success(), "{path}: not all answers were 200");
    (cpu_time() - before).as_secs_f64() * 1e6 / REQUESTS as f64
}

/// A session of about 300 bytes, and the cookie that opens it.
pub(crate) async fn sign_in(sessions: &Sessions) -> String {
    let lazy = sessions.open([]);
    let session = lazy.load().await.expect("no store is asked");
    session.insert("name", &"Ada Lovelace").expect("a value");
    session.insert("cart", &(1..40).collect::<Vec<u32>>()).expect("a value");
    session.insert("theme", &"dark".repeat(20)).expect("a value");
    session.insert("counter", &0_u64).expect("a value");
    let header = lazy.finish(false).await.header.expect("a cookie");
    header.split("; ").next().expect("a pair").to_owned()
}

pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// The asking process: every connection asks again as soon as it is answered.
pub(crate) async fn ask(arguments: &[String]) {
    let [address, path, cookies @ ..] = arguments else { panic!("an address, a path, cookies") };
    let tasks: Vec<_> = cookies
        .iter()
        .map(|cookie| {
            let request =
                format!("GET {path} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n");
            let address = address.clone();
            tokio::spawn(async move {
                let mut connection = TcpStream::connect(address).await.expect("a connection");
                connection.set_nodelay(true).expect("no delay");
                let mut answer = [0; 2_048];
                for _ in 0..REQUESTS / CONNECTIONS {
                    connection.write_all(request.as_bytes()).await.expect("a request");
                    // Answers are short, and written in one piece.
                    let length = connection.read(&mut answer).await.expect("an answer");
                    assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("answers");
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

pub(crate) fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| figures[(figures.len() - 1) * quarter / 4])
}
