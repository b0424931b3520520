//! The script run again: one more replica, other secrets, a replica that lost everything.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_later_replica_gets_what_is_there_already() {
    let Some(stage) = Stage::start("a_later_replica_gets_what_is_there_already", 3).await else { return };
    // Films that were uploaded before there was any replication, and before versioning.
    stage.cluster.mc(&["mb", "n0/movies"]);
    stage.cluster.put("early.mp4", b"early");
    stage.set_up(&["movies", "n0", "n1"]);
    stage.cluster.put(KEY, b"film");
    stage.cluster.put("gone.mp4", b"gone");
    stage.cluster.mc(&["rm", "n0/movies/gone.mp4"]);
    stage.until_alike(1).await;

    let said = stage.set_up(&["movies", "n0", "n1", "n2"]);
    assert!(
        said.lines().all(|line| !line.starts_with("n1: ")) && said.contains("a rule that fills n2/movies"),
        "{said}"
    );
    stage.until_alike(2).await;
    stage.cluster.put(KEY, b"the film again");
    stage.cluster.mc(&["rm", "--force", "--versions", "n0/movies/early.mp4"]);
    for replica in [1, 2] {
        stage.until_alike(replica).await;
    }

    // A replica whose disk was replaced: nothing is on it, and its rule is still there.
    stage.cluster.mc(&["rb", "--force", "n2/movies"]);
    stage.cluster.mc(&["admin", "user", "rm", "n2", &stage.writer(2).0]);
    let said = stage.set_up(&["movies", "n0", "n1", "n2"]);
    assert!(said.contains("n0/movies: everything to n2/movies again\n"), "{said}");
    stage.until_alike(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_secrets_take_the_place_of_old_ones() {
    let Some(stage) = Stage::start("new_secrets_take_the_place_of_old_ones", 2).await else { return };
    stage.set_up(&["movies", "n0", "n1", "--keep-versions", "30"]);
    let (old, old_writer) = (stage.secret(1), stage.writer(1));
    let films = ["ls", "user/movies"];
    assert!(stage.may(1, ("gate", &old), &films));

    fs::write(stage.path("secrets/n1"), "rotated/secret+key=1\n").expect("written");
    fs::remove_file(stage.path("secrets/n1.movies.replication")).expect("removed");
    let said = stage.set_up(&["movies", "n0", "n1", "--keep-versions", "7"]);
    let wanted = format!(
        "n1: the secret key of secrets/n1 for the user gate\n\
         secrets/n1.movies.replication: a key for replication at random\n\
         n1: a user for replication, with the key of secrets/n1.movies.replication\n\
         n1: the policy watchgate-replica-movies for the user for replication\n\
         n0/movies: the rule that fills n1/movies, with the key for replication instead of the user {0}\n\
         n1: without the user {0}\n\
         n0/movies: replaced and deleted versions go after 7 days instead of 30\n\
         n1/movies: replaced and deleted versions go after 7 days instead of 30\n",
        old_writer.0
    );
    assert_eq!(said, wanted);
    assert!(!stage.may(1, ("gate", &old), &films), "the old key is good no more");
    assert!(!stage.may(1, (&old_writer.0, &old_writer.1), &films), "the old user is gone");
    assert!(stage.may(1, ("gate", "rotated/secret+key=1"), &films));
    stage.cluster.put(KEY, b"film");
    stage.until_alike(1).await;
    assert_eq!(stage.set_up(&["movies", "n0", "n1"]), "n0/movies fills n1: nothing to change\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn replication_that_was_set_up_by_hand_gets_a_user_of_its_own() {
    let story = "replication_that_was_set_up_by_hand_gets_a_user_of_its_own";
    let Some(stage) = Stage::start(story, 2).await else { return };
    for bucket in ["n0/movies", "n1/movies"] {
        stage.cluster.mc(&["mb", bucket]);
        stage.cluster.mc(&["version", "enable", bucket]);
    }
    stage.cluster.replicate(1, stage.cluster.nodes[1].endpoint().trim_start_matches("http://"));
    stage.cluster.put(KEY, b"film");
    stage.until_alike(1).await;
    let said = stage.set_up(&["movies", "n0", "n1"]);
    let taken = format!("with the key for replication instead of the user {}\n", ROOT.0);
    assert!(said.contains(&taken) && !said.contains("a rule that fills"), "{said}");
    stage.cluster.put(KEY, b"the film again");
    stage.until_alike(1).await;
}
