//! `watchgate sign`: one link, signed as the gate signs.
//!
//! The node is not asked. Without a lifetime of its own the link is the very one that a viewer gets now.

use watchgate_config::{Addressing, Bucket, Endpoint, Node, Scheme, Secret};

use super::args::SignArgs;
use super::config_file::Setup;
use super::terminal::Terminal;
use super::{Done, Failure, time};
use crate::sign::{self, DayKey, LinkTime, Method, Target, TargetParts, lifetime_s, link_time};

pub(crate) fn sign(setup: &Setup, args: &SignArgs, terminal: Terminal) -> Result<Done, Failure> {
    let config = setup.config();
    let node = setup.node(&args.node)?;
    if args.key.is_empty() {
        return Err(Failure::Other("an object's key is not empty".to_owned()));
    }
    let now_s = time::unix_now().as_secs();
    let time = match args.lifetime {
        Some(lifetime) => link_time(now_s, 0, lifetime.seconds),
        None => {
            link_time(now_s, config.watch.link_window.as_secs(), lifetime_s(config.watch.link_lifetime, None))
        }
    };
    let link = presign(node, &config.bucket, args.method.into(), &args.key, time);
    terminal.done(&link, Done::Yes)
}

/// A link for viewers.
pub(crate) fn presign(node: &Node, bucket: &Bucket, method: Method, key: &str, time: LinkTime) -> String {
    let day = DayKey::derive(node.secret_key.expose(), time.signed_at_s(), &bucket.region);
    target(node, bucket, &node.public_url).presign(&day, method, key, None, time)
}

/// What signatures for one of the node's two addresses have in common.
pub(crate) fn target(node: &Node, bucket: &Bucket, endpoint: &Endpoint) -> Target {
    Target::new(TargetParts {
        scheme: match endpoint.scheme() {
            Scheme::Http => sign::Scheme::Http,
            Scheme::Https => sign::Scheme::Https,
        },
        authority: endpoint.authority(),
        bucket: &bucket.name,
        addressing: match node.addressing {
            Addressing::Path => sign::Addressing::Path,
            Addressing::VirtualHost => sign::Addressing::VirtualHost,
        },
        region: &bucket.region,
        access_key: &node.access_key,
        session_token: node.session_token.as_ref().map(Secret::expose),
    })
}
