use super::*;
use crate::decide::decision::{PlaceView, PresenceView, ViewerView};

fn node(id: &str, rank: Option<usize>, score_ms: f64, dropped: Option<&str>) -> NodeView {
    NodeView {
        id: id.to_owned(),
        state: if dropped == Some("down") { "down" } else { "up" }.to_owned(),
        since: "2026-11-23T08:00:00Z".to_owned(),
        tier: "geo".to_owned(),
        distance_km: Some(score_ms * 90.0),
        cost_ms: score_ms - 2.0,
        spread_ms: 2.0,
        score_ms,
        rank,
        load: 0.25,
        presence: None,
        dropped: dropped.map(str::to_owned),
    }
}

fn decision(nodes: Vec<NodeView>) -> Decision {
    let chosen = nodes.iter().find(|node| node.rank == Some(1)).map(|node| node.id.clone());
    Decision {
        at: "2026-11-23T10:14:00Z".to_owned(),
        film: "00000000-0000-0000-0000-000000000001".to_owned(),
        key: "00000000-0000-0000-0000-000000000001.mp4".to_owned(),
        method: "GET".to_owned(),
        mode: "redirect".to_owned(),
        viewer: ViewerView { address: Some("203.0.113.7".to_owned()), from: "asked".to_owned() },
        place: PlaceView {
            lat: Some(-23.55),
            lon: Some(-46.63),
            radius_km: Some(20),
            country: Some("BR".to_owned()),
            from: "database".to_owned(),
            ..PlaceView::default()
        },
        policy: "refuse".to_owned(),
        outcome: if chosen.is_some() { "redirect" } else { "refused" }.to_owned(),
        reason: if chosen.is_some() { "nearest" } else { "all_down" }.to_owned(),
        chosen,
        alternates: Vec::new(),
        nodes,
    }
}

#[test]
fn a_stream_shows_who_goes_on_with_it() {
    let nodes = vec![node("gru", Some(1), 12.0, None), node("ams", Some(2), 105.5, None)];
    let mut streamed = decision(nodes);
    (streamed.outcome, streamed.mode) = ("stream".to_owned(), "stream".to_owned());
    streamed.alternates = vec!["ams".to_owned(), "sin".to_owned()];
    let text = render(&streamed, By::Gate, Paint::Plain);
    let expected = "gets a stream from gru: the nearest node that takes viewers, 1080 km away.\n\
                    If it fails, the film goes on from ams, then sin.\n\n";
    assert!(text.contains(expected), "{text}");
    streamed.alternates.clear();
    let text = render(&streamed, By::Gate, Paint::Plain);
    assert!(text.contains("If it fails, nobody is left to go on with the film."), "{text}");
}

#[test]
fn the_answer_comes_first_and_every_node_has_its_reason() {
    let nodes = vec![
        node("gru", Some(1), 12.0, None),
        node("ams", Some(2), 105.5, None),
        node("sin", None, 160.0, Some("down")),
    ];
    let expected = "\
203.0.113.7, in BR (23.55 S 46.63 W within 20 km), is redirected to gru: the nearest node that takes viewers, \
1080 km away.

   node  state        tier     km   cost  spread  score  load  why
1  gru   up 2h 14m    geo    1080   10.0     2.0   12.0  25 %  chosen
2  ams   up 2h 14m    geo    9495  103.5     2.0  105.5  25 %  93.5 ms behind
   sin   down 2h 14m  geo   14400  158.0     2.0  160.0  25 %  down by the health checks

score = cost + spread in milliseconds; the lowest wins. cost: 1 ms per 100 km, base_ms, and what the load adds.
spread: by a hash of viewer network and film, so that nodes about equally near share their viewers.
Film 00000000-0000-0000-0000-000000000001, object \"00000000-0000-0000-0000-000000000001.mp4\", GET, mode redirect; \
decided at 2026-11-23T10:14:00Z.
";
    assert_eq!(render(&decision(nodes), By::Gate, Paint::Plain), expected);
}

#[test]
fn who_asks_nobody_does_not_speak_of_states() {
    let text = render(&decision(vec![node("gru", Some(1), 12.0, None)]), By::Configuration, Paint::Plain);
    assert!(text.contains("taken as up") && !text.contains("up 2h"), "{text}");
    assert!(text.contains("from the configuration alone"), "{text}");
}

#[test]
fn a_refusal_names_the_policy() {
    let refused = decision(vec![node("gru", None, 12.0, Some("down"))]);
    let expected = "203.0.113.7, in BR (23.55 S 46.63 W within 20 km), is refused: no node may take viewers, and \
                    watch.all_down is \"refuse\".";
    assert_eq!(words::answer(&refused), expected);
}

#[test]
fn reasons_and_places_in_words() {
    let check = |edit: fn(&mut Decision), expected: &str| {
        let mut decision = decision(vec![node("gru", Some(1), 12.0, None)]);
        edit(&mut decision);
        assert_eq!(words::answer(&decision), expected);
    };
    check(
        |it| {
            it.reason = "all_down".into();
            it.policy = "nearest-anyway".into();
            it.outcome = "stream".into();
        },
        "203.0.113.7, in BR (23.55 S 46.63 W within 20 km), gets a stream from gru: no node is healthy, and \
         watch.all_down is \"nearest-anyway\", 1080 km away.",
    );
    check(
        |it| {
            it.reason = "rule".into();
            it.nodes[0].tier = "cidr".into();
            it.nodes[0].distance_km = Some(0.2);
        },
        "203.0.113.7, in BR (23.55 S 46.63 W within 20 km), is redirected to gru: an operator's rule for the \
         viewer's network names it, in the same place.",
    );
    check(
        |it| {
            it.place = PlaceView { from: "unknown".into(), ..PlaceView::default() };
            it.nodes[0].distance_km = None;
        },
        "203.0.113.7, of unknown place, is redirected to gru: without a place only load and hash choose, and they \
         choose it.",
    );
    check(
        |it| it.place.from = "country".into(),
        "203.0.113.7, somewhere in BR, is redirected to gru: the nearest node that takes viewers, 1080 km away.",
    );
    check(
        |it| it.reason = "a_word_of_tomorrow".into(),
        "203.0.113.7, in BR (23.55 S 46.63 W within 20 km), is redirected to gru: a_word_of_tomorrow, 1080 km away.",
    );
}

#[test]
fn a_node_that_is_chosen_although_it_is_down_is_told_so() {
    let mut down = node("gru", Some(1), 12.0, Some("down"));
    down.presence = Some(PresenceView { said: "held".to_owned(), age_s: 12.3, ..PresenceView::default() });
    let text = table(&decision(vec![down]), By::Gate).render(Paint::Plain);
    assert!(text.contains("held, 12 s ago  chosen although down by the health checks"), "{text}");
}
