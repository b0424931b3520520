use std::collections::BTreeMap;

use reqwest::{Client, redirect};

use super::*;
use crate::config;
use crate::geoip::Databases;

const WAIT: Duration = Duration::from_secs(10);

fn a_gate(registry: &Registry) -> Gate {
    let text = "[bucket]\nname = \"movies\"\n[[node]]\nid = \"msk\"\nendpoint = \"http://192.0.2.1:9000\"\n\
        at = { lat = 55.75, lon = 37.62 }\naccess_key = \"gate\"\nsecret_key = \"not-so-secret\"\n";
    let source = config::Source { text, path: None, env: &BTreeMap::new() };
    Gate::new(config::parse(&source).unwrap().config, Databases::empty(), registry).unwrap()
}

#[tokio::test]
async fn the_gate_answers_for_all_listeners_and_all_the_rest_is_404() {
    let registry = Registry::new();
    let gate = Arc::new(a_gate(&registry).assuming_all_up());
    let door = FrontDoor::new(gate, 8, &registry).unwrap();
    let listeners = [bind(([127, 0, 0, 1], 0).into()).unwrap(), bind("[::]:0".parse().unwrap()).unwrap()];
    // An IPv6 wildcard takes IPv4 viewers as well.
    let at =
        listeners.each_ref().map(|listener| format!("127.0.0.1:{}", listener.local_addr().unwrap().port()));
    let (stop, shutdown) = watch::channel(false);
    let served = tokio::spawn(async move { door.serve(listeners.into(), shutdown, WAIT).await });
    let client =
        Client::builder().redirect(redirect::Policy::none()).timeout(WAIT).no_proxy().build().unwrap();

    for at in at {
        let film = format!("http://{at}/watch/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a");
        let got = client.get(film).send().await.unwrap();
        assert_eq!(got.status(), 302);
        let link = got.headers()["location"].to_str().unwrap();
        assert!(
            link.starts_with("http://192.0.2.1:9000/movies/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a.mp4?"),
            "{link}"
        );
        let got = client.get(format!("http://{at}/elsewhere")).send().await.unwrap();
        assert_eq!(got.status(), 404);
        assert_eq!(got.headers()["content-type"], "application/problem+json");
    }

    stop.send_replace(true);
    let stopped = tokio::time::timeout(WAIT, served).await.expect("stopped in time").unwrap();
    assert_eq!(stopped, Stopped { cut: 0 });
}
