use super::*;

const EVENTS: &str = "/api/v1/events";
const EVENTS_TOKEN: &str = "told-by-the-nodes-1";
const PUT: &str = include_str!("../../decide/event/tests/put.json");

/// The operator's side with both tokens.
async fn with_both(gate: &Arc<Gate>, registry: &Registry) -> Running {
    let (admin, events) = (Secret::new(TOKEN), Secret::new(EVENTS_TOKEN));
    let tokens = Tokens { admin: Some(&admin), events: Some(&events) };
    start_router(router(Arc::clone(gate), registry.clone(), tokens, None)).await
}

async fn post(running: &Running, token: &str, body: &str) -> Got {
    let bearer = format!("Bearer {token}");
    running.send(Method::POST, EVENTS, &[("authorization", &bearer)], body.to_owned()).await
}

/// The figures of a family, in the order of its labels.
fn counted(registry: &Registry, family: &str) -> String {
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
    let figures = lines.map(|line| line.split_once('"').unwrap().1.replace("\"}", ""));
    figures.collect::<Vec<_>>().join(", ")
}

fn taken(registry: &Registry) -> String {
    counted(registry, "watchgate_events_total")
}

#[tokio::test]
async fn what_a_node_says_is_counted() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = with_both(&gate, &registry).await;
    let got = post(&running, EVENTS_TOKEN, PUT).await;
    assert_eq!((got.status, got.body.as_str()), (204, ""));
    let two = r#"{"Records":[
        {"eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"movies"},"object":{"key":"a"}}},
        {"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"others"},"object":{"key":"a"}}}]}"#;
    assert_eq!(post(&running, EVENTS_TOKEN, two).await.status, 204);
    assert_eq!(post(&running, EVENTS_TOKEN, r#"{"Records":[]}"#).await.status, 204);
    assert_eq!(taken(&registry), "created 1, other 1, removed 1, replicated 0");
}

#[tokio::test]
async fn each_token_opens_its_own() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = with_both(&gate, &registry).await;
    for token in [TOKEN, "", "told-by-the-nodes-2"] {
        let got = post(&running, token, PUT).await;
        assert!(got.problem(401).contains("events token"));
        assert_eq!(got.headers["www-authenticate"], "Bearer realm=\"watchgate\"");
    }
    running.send(Method::POST, EVENTS, &[], PUT.to_owned()).await.problem(401);
    assert_eq!(taken(&registry), "created 0, other 0, removed 0, replicated 0");
    assert_eq!(counted(&registry, "watchgate_events_refused_total"), "body 0, size 0, token 4");
    let bearer = format!("Bearer {EVENTS_TOKEN}");
    for path in ["/", "/metrics", "/api/v1/nodes", "/nowhere"] {
        running.ask(Method::GET, path, &[("authorization", &bearer)]).await.problem(401);
    }
    running.ask(Method::POST, "/api/v1/nodes/msk/drain", &[("authorization", &bearer)]).await.problem(401);
}

#[tokio::test]
async fn what_is_no_webhook_is_told_why() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = with_both(&gate, &registry).await;
    for body in ["", "<xml/>", "{}"] {
        post(&running, EVENTS_TOKEN, body).await.problem(400);
    }
    let many = format!(r#"{{"Records":[{{}}{}]}}"#, ",{}".repeat(1000));
    assert!(post(&running, EVENTS_TOKEN, &many).await.problem(413).contains("1000 records"));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let got = running.ask(method, EVENTS, &[]).await;
        got.problem(405);
        assert_eq!(got.headers["allow"], "POST");
    }
    assert_eq!(taken(&registry), "created 0, other 0, removed 0, replicated 0");
    assert_eq!(counted(&registry, "watchgate_events_refused_total"), "body 3, size 1, token 0");
}

#[tokio::test]
async fn a_body_of_a_mebibyte_and_no_more() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = with_both(&gate, &registry).await;
    let padded = |length: usize| format!("{PUT}{}", " ".repeat(length - PUT.len()));
    assert_eq!(post(&running, EVENTS_TOKEN, &padded(1 << 20)).await.status, 204);
    let head = |framing: &str| {
        format!(
            "POST {EVENTS} HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {EVENTS_TOKEN}\r\n{framing}\r\n\r\n"
        )
    };
    // Who says too much is not listened to; who says nothing of the length is measured.
    let (length, too_long) = ((1 << 20) + 1, padded((1 << 20) + 1));
    let chunked = format!("{}{length:x}\r\n{too_long}", head("transfer-encoding: chunked"));
    for request in [head(&format!("content-length: {length}")), chunked] {
        let mut stream = connected(&running, &request).await;
        let mut answer = [0; 12];
        timeout(WAIT, stream.read_exact(&mut answer)).await.expect("an answer in time").unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413");
    }
    assert_eq!(taken(&registry), "created 1, other 0, removed 0, replicated 0");
    assert_eq!(counted(&registry, "watchgate_events_refused_total"), "body 0, size 2, token 0");
}

#[tokio::test]
async fn without_a_token_nothing_is_taken() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    for running in
        [start(&gate, &registry, None).await, start_router(events_router(Arc::clone(&gate), None)).await]
    {
        for method in [Method::POST, Method::GET] {
            let problem = running.ask(method, EVENTS, &[]).await.problem(404);
            assert!(problem.contains("presence.events_token_file"), "{problem}");
        }
    }
    // It is not for the admin token to say so.
    let running = start(&gate, &registry, Some(TOKEN)).await;
    running.ask(Method::POST, EVENTS, &[]).await.problem(404);
}

#[tokio::test]
async fn a_listener_of_their_own_has_nothing_else() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = start_router(events_router(Arc::clone(&gate), Some(&Secret::new(EVENTS_TOKEN)))).await;
    assert_eq!(post(&running, EVENTS_TOKEN, PUT).await.status, 204);
    post(&running, TOKEN, PUT).await.problem(401);
    running.get(EVENTS).await.problem(405);
    for path in ["/", "/metrics", "/livez", "/readyz", "/api/v1/nodes"] {
        running.get(path).await.problem(404);
    }
    let got = running.ask(Method::POST, "/api/v1/nodes/msk/drain", &[]).await;
    got.problem(404);
    assert_eq!(got.headers["cache-control"], "no-store");
}
