//! A flood of names that nobody knows.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_take_nothing_from_films_that_are_watched() {
    // One verdict is enough, and a busy machine is no reason for another.
    const CALM: &str = "[health]\ninterval = \"1m\"\ntimeout = \"20s\"\nrise = 1\nslow_start = \"0s\"";
    const SMALL: &str = "[presence]\ncapacity = 1000\nnegative_ttl = \"1h\"\npositive_ttl = \"24h\"";
    for mode in ["redirect", "stream"] {
        let stage = Stage::bare().await.with_film().await;
        let gate = up(&stage.setup().watch(&format!("mode = \"{mode}\"")).extra(CALM).extra(SMALL)).await;
        let expected = if mode == "redirect" { 302 } else { 200 };
        assert_eq!(gate.watch(SAO_PAULO).await.status, expected);
        let misses = gate.lookups("miss");
        for round in 0..12_u32 {
            let names = (0..100_u32).map(|name| format!("/watch/{round:08x}-d9cb-469f-a165-{name:012x}"));
            let (flooded, watched) = tokio::join!(gate.get_all(names), gate.watch(SAO_PAULO));
            assert!(flooded.iter().all(|got| got.status == 404), "{:?}", flooded[0]);
            assert_eq!(watched.status, expected);
        }
        assert_eq!(gate.lookups("miss") - misses, 1200, "the watched film was never asked for again");
        eventually("what nobody holds is forgotten", || {
            gate.metric("watchgate_presence_films", &[("kind", "lacking")]) <= 1100.0
        })
        .await;
        assert!(gate.metric("watchgate_presence_films", &[("kind", "held")]) >= 1.0);
    }
}
