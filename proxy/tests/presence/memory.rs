//! What is known is not asked again, and what is asked is asked once.

use reqwest::Method;
use watchgate_node::Lag;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_known_is_not_asked_for() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().extra(LONG)).await;
    assert!(gate.watch(SAO_PAULO).await.leads_to(&stage.gru));
    eventually("all were asked behind the viewer's back", || stage.asked() == 3).await;
    eventually("and have answered", || {
        gate.metric("watchgate_presence_checks_total", &[("result", "held")]) >= 3.0
    })
    .await;
    for viewer in [SAO_PAULO, AMSTERDAM, "198.51.100.7", "100.64.0.1"] {
        assert_eq!(gate.watch(viewer).await.status, 302);
    }
    assert_eq!(stage.asked(), 3);
    assert_eq!((gate.lookups("miss"), gate.lookups("hit"), gate.lookups("negative")), (1, 4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_viewers_ask_once() {
    for known in [true, false] {
        let mut stage = Stage::bare().await;
        if known {
            stage = stage.with_film().await;
        }
        let gate = up(&stage.setup().extra(LONG)).await;
        let path = format!("/watch/{FILM}");
        let answers = gate.get_all((0..100).map(|_| path.clone())).await;
        let expected = if known { 302 } else { 404 };
        assert!(answers.iter().all(|got| got.status == expected), "{answers:?}");
        for node in stage.nodes() {
            assert!(heads(node).len() <= 1, "{} was asked {} times", node.name(), heads(node).len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_is_asked_again_before_anybody_has_to_wait() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().extra(SHORT)).await;
    gate.watch(SAO_PAULO).await;
    // As long as somebody comes every few milliseconds, nobody waits, through several lives of a word.
    let asked = stage.asked();
    gate.until_watched(SAO_PAULO, "it was asked for again and again", |got| {
        assert!(got.leads_to(&stage.gru), "{got:?}");
        stage.asked() >= asked + 9
    })
    .await;
    assert_eq!(gate.lookups("miss"), 1, "only the first viewer waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_film_is_noticed_by_asking() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().extra(SHORT)).await;
    assert!(gate.watch(SAO_PAULO).await.leads_to(&stage.gru));
    // As a dead disk loses it: no event tells.
    stage.gru.forget(KEY);
    let elsewhere = gate.until_watched(SAO_PAULO, "others take its viewers", |got| !got.leads_to(&stage.gru));
    assert_eq!(elsewhere.await.follow().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_as_json_says_what_is_known() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup()).await;
    let accept = [("accept", "application/json")];
    let got = gate.ask(Method::GET, &format!("/watch/{FILM}"), SAO_PAULO, &accept).await;
    let json = got.json();
    let stored = reqwest::get(json["url"].as_str().expect("a link")).await.expect("the node answers");
    assert_eq!(json["size"], 200_000);
    assert_eq!(json["etag"].as_str(), stored.headers()["etag"].to_str().ok());
    assert_eq!(json["version_id"].as_str(), stored.headers()["x-amz-version-id"].to_str().ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lives_as_long_as_its_film_takes_to_watch() {
    let stage = Stage::bare().await;
    // 6.4 GB at 1 Mbit/s play for 51,200 s; two hours for pauses, and the window.
    stage.ams.put_generated(KEY, 6_400_000_000, 1).expect("a long film");
    let short = "11111111-d9cb-469f-a165-70867728950e";
    stage.ams.put(&format!("{short}.mp4"), film(1), "video/mp4").expect("a short film");
    let gate = up(&stage.setup().watch("link_lifetime = \"auto\"")).await;
    let expires = async |film: &str| {
        let got = gate.get(&format!("/watch/{film}"), AMSTERDAM).await;
        let link = got.header("location").to_owned();
        let (_, after) = link.split_once("X-Amz-Expires=").expect("a signed link");
        after.split('&').next().expect("a number").parse::<u64>().expect("a number")
    };
    assert_eq!(expires(FILM).await, 51_200 + 7200 + 300);
    assert_eq!(expires(short).await, 7202 + 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_everything_is_down_the_policy_hopes() {
    let stage = Stage::replicating(Lag::Frozen).await;
    let gate = up(&stage.setup()).await;
    for node in stage.nodes() {
        node.kill().await;
    }
    gate.until("all are down", |nodes| nodes.iter().all(|node| node.state == "down")).await;
    assert!(
        gate.watch(SAO_PAULO).await.leads_to(&stage.gru),
        "viewers may come through where the gate does not"
    );
    let refusing = stage.setup().watch("all_down = \"refuse\"").start_proven().await;
    let got = refusing.watch(SAO_PAULO).await;
    assert_eq!((got.status, got.problem()), (503, "all_down".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_film_that_is_known_answers_for_its_head() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().watch("mode = \"stream\"").extra(LONG)).await;
    let path = format!("/watch/{FILM}");
    let got = gate.get(&path, SAO_PAULO).await;
    assert_eq!((got.status, got.body == film(1)), (200, true));
    eventually("the others were asked behind the viewer's back", || stage.asked() == 2).await;
    let seen = || stage.nodes().iter().map(|node| node.seen().len()).sum::<usize>();
    let films =
        || stage.nodes().iter().flat_map(|node| node.seen()).filter(|it| it.path.contains(KEY)).count();
    let before = films();
    let head = gate.ask(Method::HEAD, &path, SAO_PAULO, &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, "200000"));
    assert_eq!(head.header("etag"), got.header("etag"));
    let etag = got.header("etag").to_owned();
    let same = gate.ask(Method::GET, &path, SAO_PAULO, &[("if-none-match", &etag)]).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    let other = gate.ask(Method::GET, &path, SAO_PAULO, &[("if-match", "\"other\"")]).await;
    assert_eq!(other.status, 412);
    assert_eq!(films(), before, "no node was asked, of {} requests", seen());
    let wanted = gate.ask(Method::GET, &path, SAO_PAULO, &[("if-match", &etag)]).await;
    assert_eq!((wanted.status, wanted.body == film(1)), (200, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_who_holds_the_film_and_why_a_nearer_node_was_passed_over() {
    let stage = Stage::replicating(Lag::Frozen).await;
    stage.ams.put(KEY, film(1), "video/mp4").expect("the film");
    let gate = up(&stage.setup()).await;
    let ask = asked();
    gate.gate.look_for(&ask).await;
    let decision = gate.gate.explain(&ask);
    assert_eq!((decision.chosen.as_deref(), &*decision.reason), (Some("ams"), "only_holder"));
    let of = |id: &str| decision.nodes.iter().find(|node| node.id == id).expect("a node").clone();
    let (ams, gru) = (of("ams"), of("gru"));
    let (held, absent) = (ams.presence.expect("it was asked"), gru.presence.expect("it was asked"));
    assert_eq!((&*held.said, held.size, ams.dropped), ("held", Some(200_000), None));
    assert!(held.age_s < 60.0 && held.version_id.is_some() && held.etag.is_some());
    assert_eq!((&*absent.said, gru.dropped.as_deref()), ("absent", Some("absent")));
    assert_eq!(of("sin").dropped.as_deref(), Some("absent"), "nobody's word is missing");
    assert_eq!(decision.alternates, Vec::<String>::new());
    stage.ams.delete(KEY).expect("it was there");
    gate.gate.object_changed(KEY, watchgate::decide::event::Kind::Removed);
    gate.until_watched(SAO_PAULO, "it is gone", |got| got.status == 404).await;
    let decision = gate.gate.explain(&ask);
    assert_eq!((&*decision.outcome, &*decision.reason), ("refused", "deleted"));
}
