//! The gate inside somebody else's Pingora proxy: the program of `examples/plugin.rs`, as it stands.

use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

/// An upstream that answers everything with its own words.
async fn upstream() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nmovies")
                .await;
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread")]
async fn films_are_redirected_and_everything_else_is_the_hosts() {
    let node = node("ams").await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("watchgate.toml");
    std::fs::write(&config, Setup::new().node("ams", &node.endpoint()).toml()).expect("written");
    let test = std::env::current_exe().expect("this program");
    let built = test.ancestors().nth(2).expect("the target folder").join("examples/plugin");
    let upstream = upstream().await;
    // Pingora cannot be asked which port it took, so it is told one that was free a moment ago.
    let listen = format!("127.0.0.1:{}", free_port());
    let proxy = Command::new(built)
        .args([config.as_os_str(), upstream.to_string().as_ref(), listen.as_ref()])
        .stderr(Stdio::null())
        .spawn()
        .expect("the example was built with the tests");
    let _proxy = Running(proxy);
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("client");
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    let answered = async {
        loop {
            ticks.tick().await;
            let film = client.get(format!("http://{listen}/watch/{FILM}")).send().await;
            if let Ok(film) = film {
                return Got::of(film).await;
            }
        }
    };
    let film = tokio::time::timeout(PATIENCE, answered).await.expect("it listens in time");
    assert!(film.leads_to(&node));
    let played = Got::of(reqwest::get(film.location()).await.expect("the node answers")).await;
    assert_eq!(played.body, crate::support::film());
    let other =
        Got::of(client.get(format!("http://{listen}/api/movies")).send().await.expect("an answer")).await;
    assert_eq!((other.status, other.body.as_slice()), (200, &b"movies"[..]));
    let bad = Got::of(client.get(format!("http://{listen}/watch/x")).send().await.expect("an answer")).await;
    assert_eq!(bad.status, 400, "under the prefix nothing reaches the upstream");
}
