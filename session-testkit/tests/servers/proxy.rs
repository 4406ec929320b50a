//! The proxy in front of a server that says what it hears, under each fault.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use session_testkit::proxy::{Direction, Fault, Proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Long enough for something to arrive that should not.
const A_WHILE: Duration = Duration::from_millis(50);

/// For what is to arrive.
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn without_a_fault_all_passes_and_is_counted() {
    let (proxy, _heard) = echo().await;
    let mut one = connect(&proxy).await;
    let mut other = connect(&proxy).await;
    assert_eq!(say(&mut one, b"hello").await.unwrap(), b"hello");
    let long: Vec<u8> = (0..3_000_000_u32).map(|index| index as u8).collect();
    assert!(say(&mut other, &long).await.unwrap() == long);
    assert_eq!((proxy.connections(), proxy.accepted()), (2, 2));

    // Both sides close: first the client, half of it, then the server that sees it.
    one.shutdown().await.unwrap();
    assert_eq!(one.read(&mut [0]).await.unwrap(), 0);
    closed(&proxy, 1).await;
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_resets() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Proxy::start(nobody).await;
    let mut client = connect(&proxy).await;
    assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn refuse_ends_connections_and_takes_no_more() {
    let (proxy, _heard) = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, b"hello").await.unwrap();
    for _ in 0..3 {
        proxy.set(Fault::Refuse).await;
        assert_eq!(proxy.connections(), 0);
        let error = client.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let error = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

        proxy.heal().await;
        client = connect(&proxy).await;
        assert_eq!(say(&mut client, b"again").await.unwrap(), b"again");
    }
    assert_eq!(proxy.accepted(), 4);
}

#[tokio::test]
async fn reset_ends_connections_and_those_to_come() {
    let (proxy, _heard) = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, b"hello").await.unwrap();
    proxy.set(Fault::Reset).await;
    assert_eq!(proxy.connections(), 0);
    let error = client.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    // Connecting succeeds if it is noticed before the reset is.
    let mut buffer = [0];
    let next = async { TcpStream::connect(proxy.address()).await?.read(&mut buffer).await };
    assert_eq!(next.await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    proxy.heal().await;
    assert_eq!(say(&mut connect(&proxy).await, b"again").await.unwrap(), b"again");
    assert_eq!(proxy.accepted(), 3);
}

#[tokio::test]
async fn a_black_hole_holds_requests_replies_or_both() {
    for (direction, hears) in
        [(Direction::ToServer, false), (Direction::ToClient, true), (Direction::Both, false)]
    {
        let (proxy, mut heard) = echo().await;
        let mut client = connect(&proxy).await;
        say(&mut client, b"a").await.unwrap();
        assert_eq!(heard.recv().await.unwrap(), b"a");

        proxy.set(Fault::Blackhole(direction)).await;
        client.write_all(b"b").await.unwrap();
        let mut newcomer = connect(&proxy).await;
        newcomer.write_all(b"b").await.unwrap();
        if hears {
            assert_eq!(within_limit(heard.recv()).await.unwrap(), b"b", "{direction:?}");
            assert_eq!(within_limit(heard.recv()).await.unwrap(), b"b", "{direction:?}");
        }
        let nothing = timeout(A_WHILE, heard.recv()).await;
        assert!(nothing.is_err(), "{direction:?}: {nothing:?}");
        for client in [&mut client, &mut newcomer] {
            let nothing = timeout(Duration::from_millis(1), client.read_u8()).await;
            assert!(nothing.is_err(), "{direction:?}: {nothing:?}");
        }
        assert_eq!(proxy.connections(), 2);

        proxy.heal().await;
        for client in [&mut client, &mut newcomer] {
            assert_eq!(within_limit(client.read_u8()).await.unwrap(), b'b', "{direction:?}");
        }
    }
}

#[tokio::test]
async fn a_black_hole_hides_that_the_other_side_is_gone() {
    let (proxy, mut heard) = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, b"a").await.unwrap();
    heard.recv().await.unwrap();
    proxy.set(Fault::Blackhole(Direction::Both)).await;
    drop(client);
    assert!(timeout(A_WHILE, heard.recv()).await.is_err());
    assert_eq!(proxy.connections(), 1);
    proxy.heal().await;
    closed(&proxy, 0).await;
}

#[tokio::test]
async fn a_fault_may_concern_one_connection_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await;
    let mut concerned = connect(&proxy).await;
    let (mut to_concerned, seen_as) = within_limit(listener.accept()).await.unwrap();
    let mut other = connect(&proxy).await;
    let (mut to_other, _) = within_limit(listener.accept()).await.unwrap();

    proxy.set_on(&[seen_as], Fault::Blackhole(Direction::ToClient)).await;
    let mut newcomer = connect(&proxy).await;
    let (mut to_newcomer, _) = within_limit(listener.accept()).await.unwrap();
    for stream in [&mut to_concerned, &mut to_other, &mut to_newcomer] {
        stream.write_all(b"a").await.unwrap();
    }
    for client in [&mut other, &mut newcomer] {
        assert_eq!(within_limit(client.read_u8()).await.unwrap(), b'a');
    }
    assert!(timeout(A_WHILE, concerned.read_u8()).await.is_err());
    concerned.write_all(b"b").await.unwrap();
    assert_eq!(within_limit(to_concerned.read_u8()).await.unwrap(), b'b', "the other way is open");

    proxy.heal().await;
    assert_eq!(within_limit(concerned.read_u8()).await.unwrap(), b'a');
}

#[tokio::test]
async fn delay_keeps_the_order_and_the_pace() {
    let (proxy, _heard) = echo().await;
    let mut client = connect(&proxy).await;
    let delay = Duration::from_millis(200);
    proxy.set(Fault::Delay(delay)).await;
    let start = Instant::now();
    let (mut reader, mut writer) = client.split();
    let send = async {
        for byte in 0..10 {
            writer.write_u8(byte).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let receive = async {
        let mut received = [0; 10];
        within_limit(reader.read_exact(&mut received)).await.unwrap();
        received
    };
    let ((), received) = tokio::join!(send, receive);
    assert_eq!(received, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let took = start.elapsed();
    // Once there and once back, not ten times.
    assert!(took >= 2 * delay && took < 10 * delay, "{took:?}");
}

#[tokio::test]
async fn healing_ends_a_delay() {
    let (proxy, _heard) = echo().await;
    let mut client = connect(&proxy).await;
    proxy.set(Fault::Delay(Duration::from_secs(600))).await;
    client.write_all(b"a").await.unwrap();
    assert!(timeout(A_WHILE, client.read_u8()).await.is_err());
    proxy.heal().await;
    assert_eq!(within_limit(client.read_u8()).await.unwrap(), b'a');
}

#[tokio::test]
async fn replies_are_cut_off_after_so_many_bytes() {
    let (proxy, mut heard) = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, b"before").await.unwrap();
    heard.recv().await.unwrap();
    proxy.set(Fault::CutAfter(3)).await;
    for mut client in [client, connect(&proxy).await] {
        client.write_all(b"hello").await.unwrap();
        assert_eq!(within_limit(heard.recv()).await.unwrap(), b"hello");
        let mut received = Vec::new();
        within_limit(client.read_to_end(&mut received)).await.unwrap();
        assert_eq!(received, b"hel");
    }
    closed(&proxy, 0).await;
}

#[tokio::test]
async fn a_request_is_carried_out_and_its_reply_is_lost() {
    let (proxy, mut heard) = echo().await;
    let mut client = connect(&proxy).await;
    say(&mut client, b"a").await.unwrap();
    heard.recv().await.unwrap();
    proxy.set(Fault::CutAfter(0)).await;
    assert!(timeout(A_WHILE, client.read_u8()).await.is_err(), "not before there is a reply");
    client.write_all(b"b").await.unwrap();
    assert_eq!(within_limit(heard.recv()).await.unwrap(), b"b");
    assert_eq!(within_limit(client.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn replies_drip_byte_by_byte() {
    let (proxy, _heard) = echo().await;
    let mut client = connect(&proxy).await;
    for interval in [Duration::ZERO, Duration::from_millis(5)] {
        proxy.set(Fault::Drip(interval)).await;
        let start = Instant::now();
        assert_eq!(say(&mut client, b"hello").await.unwrap(), b"hello");
        assert!(start.elapsed() >= 4 * interval, "{:?}", start.elapsed());
    }
    proxy.set(Fault::Drip(Duration::from_millis(20))).await;
    client.write_all(b"hello").await.unwrap();
    let mut buffer = [0; 5];
    let first = within_limit(client.read(&mut buffer)).await.unwrap();
    assert!(first < 5, "all at once");
    within_limit(client.read_exact(&mut buffer[first..])).await.unwrap();
    assert_eq!(&buffer, b"hello");
}

/// A proxy to a server that answers what it is told, and tells the test too.
async fn echo() -> (Proxy, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target: SocketAddr = listener.local_addr().expect("its address");
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(repeat(stream, tell.clone()));
        }
    });
    (Proxy::start(target).await, heard)
}

async fn repeat(mut stream: TcpStream, tell: mpsc::UnboundedSender<Vec<u8>>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let _ = tell.send(buffer[..count].to_vec());
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).await.expect("the proxy to accept");
    stream.set_nodelay(true).expect("an open connection");
    stream
}

/// Writes and reads at once: more is said than fits into the buffers on the way.
async fn say(client: &mut TcpStream, what: &[u8]) -> io::Result<Vec<u8>> {
    let (mut reader, mut writer) = client.split();
    let mut answer = vec![0; what.len()];
    let exchange = async {
        tokio::try_join!(writer.write_all(what), reader.read_exact(&mut answer)).map(drop)
    };
    within_limit(exchange).await?;
    Ok(answer)
}

async fn closed(proxy: &Proxy, left: usize) {
    let wait = async {
        while proxy.connections() != left {
            tokio::task::yield_now().await;
        }
    };
    within_limit(wait).await;
}

async fn within_limit<F: Future>(future: F) -> F::Output {
    timeout(LIMIT, future).await.expect("something to arrive")
}
