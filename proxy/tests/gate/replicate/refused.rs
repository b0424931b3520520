//! What the script refuses, and that it changes nothing then.

use super::*;

/// Runs the script, which must end so and say all this.
fn check(stage: &Stage, args: &[&str], exit: i32, says: &[&str]) {
    let output = stage.script(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {stderr}");
    for said in says {
        assert!(stderr.contains(said), "{args:?}: \"{said}\" is not in: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_told_without_a_question_to_any_node() {
    let Some(stage) = Stage::start("wrong_usage_is_told_without_a_question_to_any_node", 0).await else {
        return;
    };
    let rows: [(&[&str], &str); 12] = [
        (&["movies", "n0"], "wanted: BUCKET SOURCE_ALIAS REPLICA_ALIAS..., not 2 arguments"),
        (&["movies", "n0", "n1", "--color"], "--color is no option"),
        (&["movies", "n0", "n1", "--secrets"], "--secrets wants a value"),
        (&["Movies", "n0", "n1"], "\"Movies\" is no name of a bucket"),
        (&["movies", "n0", "n0"], "n0 is named twice"),
        (&["movies", "n0", "n1/movies"], "\"n1/movies\" is no alias"),
        (&["movies", "n0", "n1", "--reach", "n1=minio:9000"], "--reach: \"n1=minio:9000\" is not like"),
        (&["movies", "n0", "n1", "--reach", "n0=http://minio:9000"], "--reach: n0 is none of the replicas"),
        (&["movies", "n0", "n1", "--access-key", "a b"], "--access-key: \"a b\""),
        (&["movies", "n0", "n1", "--keep-versions", "0"], "--keep-versions: \"0\" is no number of days"),
        (&["movies", "n0", "n1", "--events", "http://gate/e"], "--events wants --events-token"),
        (
            &["movies", "n0", "n1", "--events", "gate", "--events-token", "t"],
            "--events: \"gate\" is not like",
        ),
    ];
    for (args, said) in rows {
        check(&stage, args, 2, &[said]);
    }
    assert!(!stage.path("mc.calls").exists(), "nobody was asked");
    let help = stage.script(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--dry-run"));
    assert!(!stage.path("secrets").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_not_what_they_should_be_are_refused() {
    let Some(mut stage) = Stage::start("nodes_that_are_not_what_they_should_be_are_refused", 1).await else {
        return;
    };
    let mut alias = |name: &str, key: (&str, &str), at: &str| {
        let host = at.replace("://", &format!("://{}:{}@", key.0, key.1));
        stage.aliases.push((format!("MC_HOST_{name}"), host));
    };
    let endpoint = stage.cluster.nodes[0].endpoint();
    alias("same", ROOT, &endpoint);
    alias("gone", ROOT, &format!("http://127.0.0.1:{}", free_port()));
    alias("stranger", ("nobody", "nobody-secret"), &endpoint);
    let faults = [
        "unknown is no alias of mc: mc alias set unknown URL ADMIN",
        "gone (http://127.0.0.1:",
        "connection refused",
        "stranger (http://127.0.0.1:",
        "does not answer its administrator: The Access Key Id you provided does not exist",
        "refused, and nothing was changed",
    ];
    check(&stage, &["movies", "n0", "unknown", "gone", "stranger"], 1, &faults);
    check(&stage, &["movies", "n0", "same"], 1, &["n0 and same are the same MinIO"]);
    check(&stage, &["movies", "n0", "gone", "--access-key", ROOT.0], 1, &["is the administrator of n0"]);
    stage.nothing_was_changed("refused");

    // No test can set MinIO's clock, so a stand-in for mc says what MinIO would.
    stage.program(
        "late",
        "#!/bin/sh\ncase \"$*\" in *alias*) echo '{\"URL\":\"http://minio:9000\"}' ;;\n\
         *) echo '{\"status\":\"error\",\"error\":\"The difference between the request time and the server'\"'\"'s time \
         is too large.\"}' ;; esac\n",
    );
    let output = stage.script_with(&stage.path("late"), &["movies", "n0", "n1"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("15 minutes off: set both right"), "{stderr}");
}

/// Makes a bucket with versioning.
fn bucket(stage: &Stage, name: &str) {
    stage.cluster.mc(&["mb", name]);
    stage.cluster.mc(&["version", "enable", name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_are_half_done_or_contradict_themselves_are_refused() {
    let story = "states_that_are_half_done_or_contradict_themselves_are_refused";
    let Some(stage) = Stage::start(story, 3).await else { return };
    let (mc, wanted) = (|args: &[&str]| stage.cluster.mc(args), ["movies", "n0", "n1", "n2"]);

    // Films of a replica's own, one of them under a name that the source knows, too.
    bucket(&stage, "n0/movies");
    bucket(&stage, "n1/movies");
    for node in [0, 1] {
        stage.cluster.put_at(node, KEY, b"film");
    }
    stage.cluster.put_at(1, "own \"film\".mp4", b"film");
    mc(&["mb", "--with-lock", "n2/movies"]);
    check(&stage, &wanted, 1, &["object lock is on for one of n0/movies and n2/movies only"]);
    mc(&["rb", "n2/movies"]);
    let own = "n1/movies holds 2 versions that n0 does not have, of \"";
    check(
        &stage,
        &wanted,
        1,
        &[own, "mc rm --recursive --versions --force n1/movies", "nothing was changed"],
    );
    mc(&["rm", "--recursive", "--versions", "--force", "n1/movies"]);
    stage.nothing_was_changed("a replica with films of its own");

    // Users, versioning and lifecycle, all told at once.
    fs::create_dir(stage.path("secrets")).expect("made");
    fs::write(stage.path("secrets/n0"), "short\n").expect("written");
    fs::write(stage.path("secrets/n1"), "long-enough\n").expect("written");
    for (node, policy) in [("n1", "readwrite"), ("n2", "readonly")] {
        mc(&["admin", "user", "add", node, "gate", "long-enough"]);
        mc(&["admin", "policy", "attach", node, policy, "--user", "gate"]);
    }
    mc(&["admin", "user", "disable", "n1", "gate"]);
    mc(&["version", "suspend", "n1/movies"]);
    mc(&["ilm", "rule", "add", "--noncurrent-expire-days", "3", "--prefix", "a/", "n0/movies"]);
    bucket(&stage, "n2/movies");
    let back = stage.cluster.nodes[0].endpoint().replace("://", &format!("://{}:{}@", ROOT.0, ROOT.1));
    mc(&["replicate", "add", "n2/movies", "--remote-bucket", &format!("{back}/movies")]);
    let faults = [
        "secrets/n0 must hold one line of 8 to 40 of",
        "n2 has the user gate already, and secrets/n2 is missing",
        "the user gate of n1 may do more than reading: mc admin policy detach n1 readwrite --user gate",
        "the user gate of n1 is disabled: mc admin user enable n1 gate",
        "n1/movies has its versioning suspended",
        "n0/movies has another rule for replaced versions",
        "n2/movies replicates to somewhere itself, and films would go in circles",
    ];
    check(&stage, &[&wanted[..], &["--keep-versions", "30"]].concat(), 1, &faults);
    let elsewhere = stage.cluster.nodes[1].endpoint();
    let both = format!("n2={elsewhere}");
    check(
        &stage,
        &[&wanted[..], &["--reach", &both]].concat(),
        1,
        &["two replicas cannot both be at 127.0.0.1:"],
    );
    stage.nothing_was_changed("contradictions");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_leave_something_out_are_refused() {
    let Some(stage) = Stage::start("rules_that_leave_something_out_are_refused", 2).await else { return };
    let mc = |args: &[&str]| stage.cluster.mc(args);
    stage.set_up(&["movies", "n0", "n1"]);
    mc(&[
        "replicate",
        "update",
        "n0/movies",
        "--id",
        "watchgate-n1",
        "--state",
        "disable",
        "--replicate",
        "delete",
    ]);
    stage.calls();
    let faults = [
        "the rule watchgate-n1 of n0/movies to n1 is disabled, leaves deletes out, leaves existing objects out",
        "have it made anew, mc replicate rm n0/movies --all --force;",
        "--state enable --replicate delete,delete-marker,existing-objects",
    ];
    check(&stage, &["movies", "n0", "n1"], 1, &faults);
    let elsewhere = ["movies", "n0", "n1", "--reach", "n1=http://localhost:9"];
    check(
        &stage,
        &elsewhere,
        1,
        &["the rule watchgate-n1 of n0/movies fills another address than http://localhost:9"],
    );
    stage.nothing_was_changed("another rule");
    // What it says to do about it works.
    let words = "delete,delete-marker,existing-objects";
    mc(&[
        "replicate",
        "update",
        "n0/movies",
        "--id",
        "watchgate-n1",
        "--state",
        "enable",
        "--replicate",
        words,
    ]);
    assert_eq!(stage.set_up(&["movies", "n0", "n1"]), "n0/movies fills n1: nothing to change\n");
    mc(&["replicate", "rm", "n0/movies", "--all", "--force"]);
    let said = stage.set_up(&["movies", "n0", "n1"]);
    assert!(
        said.starts_with("n0/movies: a rule that fills n1/movies at ") && said.lines().count() == 1,
        "{said}"
    );
}
