//! What stores other than `MinIO` do otherwise.

use std::time::Duration;

use watchgate_node::{Credential, Lag, Manners, Node, Policy};

use crate::client::{Ask, Got};
use crate::{ACCESS, SECRET, SOON};

/// A node that holds the film; its key may read.
async fn node(manners: Manners) -> Node {
    let reader = Credential::new(ACCESS, SECRET).policy(Policy::ReadOnly);
    let builder = Node::builder("ams").credentials(reader).bucket("movies").manners(manners);
    let node = builder.start().await.unwrap();
    node.put("film.mp4", "0123456789", "video/mp4").unwrap();
    node
}

async fn ask(node: &Node, method: &str, target: &str) -> Got {
    Ask::new(method, target).signed(node).send(node).await
}

#[tokio::test]
async fn who_tells_what() {
    for manners in Manners::ALL {
        let node = node(manners).await;
        let got = ask(&node, "GET", "/movies/film.mp4").await;
        assert_eq!((got.status, got.text()), (200, "0123456789"), "{manners:?}");
        let is_minio = manners == Manners::Minio;
        assert_eq!(got.header("x-ratelimit-limit").is_some(), is_minio, "{manners:?}");
        assert_eq!(got.header("strict-transport-security").is_some(), is_minio, "{manners:?}");
        assert_eq!(got.header("x-amz-version-id").is_some(), manners != Manners::Garage, "{manners:?}");
        let (head, get) =
            (ask(&node, "HEAD", "/movies/no.mp4").await, ask(&node, "GET", "/movies/no.mp4").await);
        assert_eq!((head.status, head.code()), (404, if is_minio { "NoSuchKey" } else { "" }), "{manners:?}");
        assert_eq!((get.status, get.code()), (404, "NoSuchKey"), "{manners:?}");
        node.delete("film.mp4").unwrap();
        let gone = ask(&node, "HEAD", "/movies/film.mp4").await;
        let marker = (manners != Manners::Garage).then_some("true");
        assert_eq!((gone.status, gone.header("x-amz-delete-marker")), (404, marker), "{manners:?}");
    }
}

#[tokio::test]
async fn who_has_health_pages() {
    let pages = ["/minio/health/cluster/read", "/health/ready", "/healthz", "/status"];
    for (manners, has) in [
        (Manners::Minio, [true, false, false, false]),
        (Manners::Rustfs, [true, true, false, false]),
        (Manners::Seaweedfs, [false, false, true, true]),
        (Manners::Garage, [false; 4]),
        (Manners::Ceph, [false; 4]),
        (Manners::S3, [false; 4]),
    ] {
        let node = node(manners).await;
        for (page, is_there) in pages.into_iter().zip(has) {
            let got = Ask::new("GET", page).send(&node).await;
            // Elsewhere it is an object, and nobody asks without a signature.
            assert_eq!(got.status, if is_there { 200 } else { 403 }, "{manners:?} {page}");
        }
    }
}

#[tokio::test]
async fn who_fetches_from_peers() {
    for manners in Manners::ALL {
        let (source, replica) = (node(manners).await, node(manners).await);
        source.replicate_to(&replica, Lag::After(Duration::ZERO));
        source.wait_until(|node| !node.is_pending("film.mp4"), SOON).await.unwrap();
        source.forget("film.mp4");
        let fetches = matches!(manners, Manners::Minio | Manners::Rustfs);
        let got = ask(&source, "HEAD", "/movies/film.mp4").await;
        assert_eq!(got.status, if fetches { 200 } else { 404 }, "{manners:?}");
    }
}

#[tokio::test]
async fn garage_wants_every_amz_header_signed() {
    for (manners, status) in [(Manners::Garage, 400), (Manners::Minio, 200), (Manners::S3, 200)] {
        let node = node(manners).await;
        let ask = Ask::new("GET", "/movies/film.mp4").signed(&node).with("x-amz-meta-note", "x");
        assert_eq!(ask.send(&node).await.status, status, "{manners:?}");
    }
}

#[tokio::test]
async fn s3_wants_more_than_get_object_for_a_version() {
    for (manners, status) in [(Manners::S3, 403), (Manners::Minio, 200), (Manners::Ceph, 200)] {
        let node = node(manners).await;
        let version = node.put("film.mp4", "again", "video/mp4").unwrap().version_id;
        let target = format!("/movies/film.mp4?versionId={version}");
        assert_eq!(ask(&node, "GET", &target).await.status, status, "{manners:?}");
    }
}
