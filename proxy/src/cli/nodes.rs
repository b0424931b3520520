//! `watchgate nodes`: the fleet as the running gate sees it, and the operator's drain switch.
//!
//! Everything is asked over the admin listener; nothing is known here.

use super::admin_client::AdminClient;
use super::args::{Form, NodesArgs, NodesCommand};
use super::config_file::Setup;
use super::explain::state_look;
use super::table::{Cell, Side, Table};
use super::terminal::{Look, Paint, Terminal};
use super::{Done, Failure, json, time};
use crate::decide::health::Reason;
use crate::gate::report::NodeReport;

pub(crate) fn nodes(setup: &Setup, args: &NodesArgs, terminal: Terminal) -> Result<Done, Failure> {
    let admin = AdminClient::new(&setup.config().listen);
    let (id, switch, form) = match &args.command {
        None => return list(&admin, args.form, terminal),
        Some(NodesCommand::List { form }) => return list(&admin, *form, terminal),
        Some(NodesCommand::Drain(node)) => (&node.id, "drain", node.form),
        Some(NodesCommand::Enable(node)) => (&node.id, "enable", node.form),
    };
    // Only an id of the configuration goes into the path, so nothing in it needs encoding.
    setup.node(id)?;
    let report: NodeReport = admin.post(&format!("/api/v1/nodes/{id}/{switch}"))?;
    if form.json {
        return terminal.done(&json(&report)?, Done::Yes);
    }
    let text = if report.draining {
        format!("{id} gets no new viewers; {} are still there", report.viewers)
    } else {
        format!("{id} takes viewers again; it is {}", report.state)
    };
    terminal.done(&text, Done::Yes)
}

fn list(admin: &AdminClient, form: Form, terminal: Terminal) -> Result<Done, Failure> {
    let reports: Vec<NodeReport> = admin.read("/api/v1/nodes")?;
    let text = if form.json {
        json(&reports)?
    } else {
        render(&reports, &jiff::Timestamp::now().to_string(), terminal.out)
    };
    terminal.done(&text, Done::Yes)
}

/// What helps a node that is well and refuses films.
const REFUSES_FILMS: &str = "it answered 403 when it was asked for a film: its key needs s3:GetObject on the bucket's \
    objects and s3:ListBucket on the bucket; viewers go elsewhere meanwhile";

fn render(reports: &[NodeReport], now: &str, paint: Paint) -> String {
    use Side::{Left, Right};
    let mut table = Table::new([
        ("node", Left),
        ("role", Left),
        ("state", Left),
        ("since", Right),
        ("viewers", Right),
        ("of", Right),
        ("probe", Right),
        ("clock", Right),
        ("probed", Right),
        ("public_url", Left),
    ]);
    for node in reports {
        let probed = node.last_probe_at.as_deref();
        table.row([
            Cell::new(Look::Strong, &*node.id),
            (&*node.role).into(),
            Cell::new(state_look(&node.state), &*node.state),
            time::ago(&node.since, now).into(),
            node.viewers.to_string().into(),
            node.max_viewers.to_string().into(),
            node.probe_ms.map_or(String::new(), |ms| format!("{ms:.1} ms")).into(),
            node.clock_skew_s.map_or(String::new(), |skew_s| format!("{skew_s:+} s")).into(),
            probed.map_or("never".to_owned(), |at| format!("{} ago", time::ago(at, now))).into(),
            (&*node.public_url).into(),
        ]);
    }
    let mut text = table.render(paint);
    for node in reports.iter().filter(|node| node.refuses_films) {
        let line = format!("\n{} (refuses films): {REFUSES_FILMS}\n", node.id);
        text.push_str(&paint.paint(Look::Bad, &line));
    }
    for node in reports {
        let Some(word) = &node.reason else { continue };
        let advice =
            Reason::ALL.into_iter().find(|reason| reason.as_str() == word).map_or("", Reason::advice);
        let line = format!("\n{} ({word}): {advice}\n", node.id);
        text.push_str(&paint.paint(state_look(&node.state), &line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::report::At;

    fn report(id: &str, state: &str, reason: Option<&str>) -> NodeReport {
        NodeReport {
            id: id.to_owned(),
            role: "replica".to_owned(),
            profile: "minio".to_owned(),
            endpoint: "http://10.0.0.5:9000".to_owned(),
            public_url: "https://films.example".to_owned(),
            at: At { lat: 0.0, lon: 0.0 },
            state: state.to_owned(),
            since: "2026-11-23T08:00:00Z".to_owned(),
            reason: reason.map(str::to_owned),
            viewers: 7,
            max_viewers: 1000,
            draining: false,
            refuses_films: id == "gru",
            probe_ms: Some(1.26),
            clock_skew_s: Some(-3),
            last_probe_at: None,
        }
    }

    #[test]
    fn a_node_that_refuses_films_comes_with_advice() {
        let text = render(&[report("gru", "up", None)], "2026-11-23T10:05:00Z", Paint::Plain);
        assert!(text.ends_with(&format!("\n\ngru (refuses films): {REFUSES_FILMS}\n")), "{text}");
    }

    #[test]
    fn a_node_that_is_down_comes_with_advice() {
        let reports = [report("ams", "up", None), report("sin", "down", Some("no_bucket"))];
        let expected = "\
node  role     state  since  viewers    of   probe  clock  probed  public_url
ams   replica  up     2h 5m        7  1000  1.3 ms   -3 s   never  https://films.example
sin   replica  down   2h 5m        7  1000  1.3 ms   -3 s   never  https://films.example

sin (no_bucket): the node answers but has no such bucket: check `bucket.name`, and that replication created it on \
this node
";
        assert_eq!(render(&reports, "2026-11-23T10:05:00Z", Paint::Plain), expected);
    }
}
