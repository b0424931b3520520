//! Other servers that can answer with a redirect, as far as each can do the gate's work.
//!
//! What a row leaves undone is said with it. Each has one thread, trusts the load balancer's address of the viewer
//! where it can, keeps connections alive, and writes an access line. Absent on purpose: versions of a server that its
//! packages do not have, and tuning that nobody would find in its documentation.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use super::LINK;
use crate::Failure;
use crate::city;
use crate::needs::Need;
use crate::peers::temp_paths;
use crate::process::{Place, Server, free_address};
use crate::stub::{ACCESS_KEY, CITIES, SECRET_KEY, host};

/// The module for nginx, as it stands.
const PRESIGN: &str = include_str!("presign.lua");
/// As the gate has them by default: links are the same for so long, and live for six hours more.
const WINDOW_S: u64 = 300;
const EXPIRES_S: u64 = 6 * 3600 + WINDOW_S;
/// HAProxy reads its map into a tree; more networks than this take too long for what they show.
const MAPPED_NETWORKS_MAX: usize = 500_000;

/// Another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    /// nginx with one fixed redirect.
    NginxFixed,
    /// nginx with a City database and links signed in Lua.
    NginxSigned,
    /// Envoy with one fixed redirect.
    EnvoyFixed,
    /// HAProxy with one fixed redirect.
    HaproxyFixed,
    /// HAProxy with a map from network to node and links signed by its converters.
    HaproxySigned,
}

impl Rival {
    pub(crate) const ALL: [Self; 5] =
        [Self::NginxFixed, Self::NginxSigned, Self::EnvoyFixed, Self::HaproxyFixed, Self::HaproxySigned];

    /// As reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NginxFixed => "nginx, `return 302`",
            Self::NginxSigned => "nginx + geoip2 + Lua",
            Self::EnvoyFixed => "Envoy, `redirect`",
            Self::HaproxyFixed => "HAProxy, `redirect`",
            Self::HaproxySigned => "HAProxy, map + `hmac`",
        }
    }

    /// What the gate does and this one does not.
    pub(crate) fn undone(self) -> &'static str {
        match self {
            Self::NginxFixed | Self::EnvoyFixed | Self::HaproxyFixed => {
                "reads no film and no place, chooses no node, signs nothing; one fixed link, access line written"
            }
            Self::NginxSigned => {
                "does not know whether a node is well, full or holds the film, pins no version, tells no metrics"
            }
            Self::HaproxySigned => {
                "as nginx + Lua; and no database, but a map from network to node that is made before"
            }
        }
    }

    /// Whether its links are signed for the film and the viewer, so that they can be proved.
    pub(crate) fn signs(self) -> bool {
        matches!(self, Self::NginxSigned | Self::HaproxySigned)
    }

    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::NginxFixed => &[Need::Nginx],
            Self::NginxSigned => &[Need::Nginx, Need::NginxLua, Need::NginxGeoip2, Need::LuaRestyCore],
            Self::EnvoyFixed => &[Need::Envoy],
            Self::HaproxyFixed | Self::HaproxySigned => &[Need::Haproxy],
        }
    }

    /// Why it cannot be measured here, if so.
    pub(crate) fn missing(self) -> Option<String> {
        self.needs().iter().find_map(|need| need.found().err())
    }

    /// Starts it.
    ///
    /// # Errors
    /// It is not installed, it ended, or it does not listen in time.
    pub(crate) async fn start(
        self,
        place: &Place,
        core: usize,
        database: &Path,
        under: &[&str],
    ) -> Result<Server, Failure> {
        let address = free_address()?;
        let name = match self {
            Self::NginxFixed => "nginx-fixed",
            Self::NginxSigned => "nginx-signed",
            Self::EnvoyFixed => "envoy",
            Self::HaproxyFixed => "haproxy-fixed",
            Self::HaproxySigned => "haproxy-signed",
        };
        let config = match self {
            Self::NginxFixed => nginx_config(place, name, address, "", "", &nginx_fixed()),
            Self::NginxSigned => {
                place.written("presign.lua", PRESIGN)?;
                let (modules, http) = (nginx_modules()?, nginx_signed_http(place, database));
                nginx_config(place, name, address, &modules, &http, NGINX_SIGNED)
            }
            Self::EnvoyFixed => envoy_config(address),
            Self::HaproxyFixed => haproxy_config(
                address,
                &format!("  http-request redirect location {} code 302\n", LINK.replace('%', "%%")),
            ),
            Self::HaproxySigned => {
                let map = place.written("networks.map", &map(database)?)?;
                haproxy_config(address, &haproxy_signed(&map))
            }
        };
        let config = place.written(
            &format!("{name}.{}", if self == Self::EnvoyFixed { "yaml" } else { "conf" }),
            &config,
        )?;
        let program = self.needs()[0].found().map_err(Failure::NotHere)?;
        let command: &[&str] = match self {
            Self::NginxFixed | Self::NginxSigned => &[&program, "-c", &config],
            // Log lines are written as often as nginx writes them.
            Self::EnvoyFixed => &[
                &program,
                "-c",
                &config,
                "--concurrency",
                "1",
                "--file-flush-interval-msec",
                "200",
                "-l",
                "warning",
                "--disable-hot-restart",
            ],
            Self::HaproxyFixed | Self::HaproxySigned => &[&program, "-db", "-f", &config],
        };
        Server::start(place, core, name, &[under, command].concat(), address).await
    }
}

/// `locations`: what it answers. Access lines have the fields of the gate's and go to stdout, 64 KiB at a time.
fn nginx_config(
    place: &Place,
    name: &str,
    address: SocketAddr,
    modules: &str,
    http: &str,
    locations: &str,
) -> String {
    format!(
        "{modules}daemon off;\nmaster_process off;\nerror_log stderr warn;\npcre_jit on;\npid {scratch}/{name}.pid;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n{temp_paths}  keepalive_timeout 600s;\n  keepalive_requests 1000000000;\n  \
         set_real_ip_from 127.0.0.0/8;\n  real_ip_header X-Forwarded-For;\n  real_ip_recursive on;\n{http}  \
         log_format line escape=json 'time=$time_iso8601 request_id=$request_id client.address=$remote_addr \
         http.request.method=$request_method url.path=$uri http.response.status_code=$status \
         http.response.body.size=$body_bytes_sent duration_s=$request_time node=$node';\n  \
         access_log /dev/stdout line buffer=64k flush=200ms;\n  \
         server {{\n    listen {address};\n    set $node \"\";\n    add_header Cache-Control no-store always;\n    \
         add_header Vary Accept always;\n    add_header Access-Control-Allow-Origin * always;\n    \
         add_header X-Request-Id $request_id always;\n{locations}  }}\n}}\n",
        scratch = place.scratch.path().display(),
        temp_paths = temp_paths(place, name),
    )
}

fn nginx_fixed() -> String {
    format!("    location /watch/ {{ return 302 {LINK}; }}\n")
}

const NGINX_SIGNED: &str = "    location ~ \"^/watch/(?<film>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$\" {\n      \
     content_by_lua_block { require(\"presign\").answer() }\n    }\n";

fn nginx_modules() -> Result<String, Failure> {
    let lua = Need::NginxLua.found().map_err(Failure::NotHere)?;
    let geoip2 = Need::NginxGeoip2.found().map_err(Failure::NotHere)?;
    // The development kit, which the package of Lua depends on, lies beside it.
    let kit = lua.replace("ngx_http_lua_module", "ndk_http_module");
    Ok([kit, lua, geoip2].map(|module| format!("load_module {module};\n")).concat())
}

fn nginx_signed_http(place: &Place, database: &Path) -> String {
    let mut nodes = String::new();
    for (node, (lat, lon)) in CITIES.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = writeln!(
            nodes,
            "        {{ id = \"node-{node}\", host = {:?}, lat = {lat}, lon = {lon} }},",
            host(node)
        );
    }
    format!(
        "  geoip2 {database} {{\n    $viewer_lat location latitude;\n    $viewer_lon location longitude;\n  }}\n  \
         lua_package_path \"{scratch}/?.lua;;\";\n  \
         init_by_lua_block {{\n    require(\"presign\").setup {{\n      access_key = {ACCESS_KEY:?}, secret_key = {SECRET_KEY:?},\n      \
         region = \"us-east-1\", bucket = \"movies\", window_s = {WINDOW_S}, expires_s = {EXPIRES_S},\n      \
         nodes = {{\n{nodes}      }},\n    }}\n  }}\n",
        database = database.display(),
        scratch = place.scratch.path().display(),
    )
}

fn envoy_config(address: SocketAddr) -> String {
    let (host, path) = LINK.trim_start_matches("https://").split_once('/').unwrap_or((LINK, ""));
    let line = "time=%START_TIME% request_id=%REQ(X-REQUEST-ID)% client.address=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% \
                http.request.method=%REQ(:METHOD)% url.path=%REQ(:PATH)% http.response.status_code=%RESPONSE_CODE% \
                http.response.body.size=%BYTES_SENT% duration_ms=%DURATION%\\n";
    format!(
        "static_resources:\n  listeners:\n  - address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }}\n    \
         filter_chains:\n    - filters:\n      - name: envoy.filters.network.http_connection_manager\n        typed_config:\n          \
         \"@type\": {types}.filters.network.http_connection_manager.v3.HttpConnectionManager\n          \
         stat_prefix: viewers\n          codec_type: HTTP1\n          use_remote_address: true\n          \
         xff_num_trusted_hops: 1\n          access_log:\n          - name: envoy.access_loggers.stdout\n            \
         typed_config:\n              \"@type\": {types}.access_loggers.stream.v3.StdoutAccessLog\n              \
         log_format: {{ text_format_source: {{ inline_string: \"{line}\" }} }}\n          \
         route_config:\n            virtual_hosts:\n            - name: films\n              domains: [\"*\"]\n              \
         routes:\n              - match: {{ prefix: \"/watch/\" }}\n                \
         redirect: {{ scheme_redirect: https, host_redirect: {host}, path_redirect: \"/{path}\", response_code: FOUND }}\n          \
         http_filters:\n          - name: envoy.filters.http.router\n            \
         typed_config: {{ \"@type\": {types}.filters.http.router.v3.Router }}\n",
        ip = address.ip(),
        port = address.port(),
        types = "type.googleapis.com/envoy.extensions",
    )
}

/// `rules`: how it answers.
fn haproxy_config(address: SocketAddr, rules: &str) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 4000\n  log stdout format raw local0\n\
         defaults\n  mode http\n  timeout client 600s\n  timeout http-keep-alive 600s\n  log global\n  \
         log-format 'time=%[date,utime(%Y-%m-%dT%H:%M:%SZ)] client.address=%ci http.request.method=%HM url.path=%HU \
         http.response.status_code=%ST http.response.body.size=%B duration_ms=%Ta node=%[var(txn.node)]'\n\
         frontend viewers\n  bind {address}\n  acl trusted src 127.0.0.0/8\n  \
         http-request set-src req.hdr_ip(x-forwarded-for,-1) if trusted\n{rules}"
    )
}

/// The same signature by converters. The key of the day is kept; each link is one SHA-256 and one HMAC.
fn haproxy_signed(map: &str) -> String {
    let first_key = base64(format!("AWS4{SECRET_KEY}").as_bytes());
    let window = format!("date,div({WINDOW_S}),mul({WINDOW_S})");
    format!(
        "  http-request set-var(txn.film) path,regsub(^/watch/,)\n  \
         acl film var(txn.film) -m reg ^[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}$\n  \
         http-request deny deny_status 404 unless {{ path_beg /watch/ }} film\n  \
         http-request set-var(txn.node) src,map_ip({map},node-0)\n  \
         http-request set-var(txn.host) var(txn.node),concat(,,.storage.films.example)\n  \
         http-request set-var(txn.time) {window},utime(%Y%m%dT%H%M%SZ)\n  \
         http-request set-var(txn.day) {window},utime(%Y%m%d)\n  \
         acl day_known var(txn.day),strcmp(proc.day) eq 0\n  \
         http-request set-var(proc.k0) var(txn.day),hmac(sha256,\"{first_key}\"),base64 unless day_known\n  \
         http-request set-var(proc.k1) str(us-east-1),hmac(sha256,proc.k0),base64 unless day_known\n  \
         http-request set-var(proc.k2) str(s3),hmac(sha256,proc.k1),base64 unless day_known\n  \
         http-request set-var(proc.key) str(aws4_request),hmac(sha256,proc.k2),base64 unless day_known\n  \
         http-request set-var(proc.day) var(txn.day) unless day_known\n  \
         http-request set-var(txn.query) str(\"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={ACCESS_KEY}%2F\"),\
         concat(,txn.day,\"%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=\"),\
         concat(,txn.time,\"&X-Amz-Expires={EXPIRES_S}&X-Amz-SignedHeaders=host\")\n  \
         http-request set-var(txn.path) str(\"/movies/\"),concat(,txn.film,\".mp4\")\n  \
         http-request set-var(txn.digest) str(\"GET\\n\"),concat(,txn.path,\"\\n\"),concat(,txn.query,\"\\nhost:\"),\
         concat(,txn.host,\"\\n\\nhost\\nUNSIGNED-PAYLOAD\"),sha2(256),hex,lower\n  \
         http-request set-var(txn.signature) str(\"AWS4-HMAC-SHA256\\n\"),concat(,txn.time,\"\\n\"),\
         concat(,txn.day,\"/us-east-1/s3/aws4_request\\n\"),concat(,txn.digest),hmac(sha256,proc.key),hex,lower\n  \
         http-request redirect location https://%[var(txn.host)]%[var(txn.path)]?%[var(txn.query)]\
         &X-Amz-Signature=%[var(txn.signature)] code 302\n"
    )
}

/// A line for each network of the database: the network and its nearest node.
fn map(database: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(database).map_err(Failure::during(database.display().to_string()))?;
    let mut lines = String::new();
    let networks = city::networks(&bytes, MAPPED_NETWORKS_MAX)?;
    for (network, lat, lon) in networks {
        // Writing to a String does not fail.
        let _ = writeln!(lines, "{network} node-{}", nearest((lat, lon)));
    }
    Ok(lines)
}

/// The number of the city with the greatest cosine of the angle between it and this place.
fn nearest(place: (f64, f64)) -> usize {
    let vector = |(lat, lon): (f64, f64)| {
        let (lat, lon) = (lat.to_radians(), lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let here = vector(place);
    let cosine = |city: &(f64, f64)| here.iter().zip(vector(*city)).map(|(a, b)| a * b).sum::<f64>();
    let cosines = CITIES.iter().map(cosine).enumerate();
    cosines.max_by(|(_, one), (_, other)| one.total_cmp(other)).map_or(0, |(city, _)| city)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits =
            three.iter().chain([&0, &0]).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        let digit =
            |at: usize| if at > three.len() { '=' } else { char::from(DIGITS[bits >> (18 - 6 * at) & 63]) };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_all_lengths() {
        // RFC 4648, section 10.
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn the_nearest_city() {
        for (city, place) in CITIES.iter().enumerate() {
            assert_eq!(nearest(*place), city);
        }
        // Berlin, Chicago, Tokyo, Buenos Aires, Nairobi.
        let places = [(52.5, 13.4), (41.9, -87.6), (35.7, 139.7), (-34.6, -58.4), (-1.3, 36.8)];
        assert_eq!(places.map(nearest), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn configurations_name_what_they_should() {
        let place = Place::empty();
        let here = SocketAddr::from(([127, 0, 0, 1], 7));
        let check = |config: &str, parts: &[&str]| {
            for part in parts {
                assert!(config.contains(part), "no {part} in\n{config}");
            }
        };
        let nginx = nginx_config(
            &place,
            "n",
            here,
            "",
            &nginx_signed_http(&place, Path::new("/d.mmdb")),
            NGINX_SIGNED,
        );
        check(
            &nginx,
            &["listen 127.0.0.1:7;", "geoip2 /d.mmdb {", "expires_s = 21900", "real_ip_recursive on;"],
        );
        check(
            &nginx,
            &["{ id = \"node-4\", host = \"node-4.storage.films.example\", lat = -33.92, lon = 18.42 },"],
        );
        check(
            &envoy_config(here),
            &["port_value: 7", "host_redirect: node-1.storage.films.example", "X-Amz-Signature="],
        );
        check(
            &haproxy_config(here, &haproxy_signed("/m")),
            &["bind 127.0.0.1:7", "map_ip(/m,node-0)", "str(\"GET\\n\")"],
        );
        for text in [&nginx, &envoy_config(here), &haproxy_config(here, &haproxy_signed("/m"))] {
            assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
        }
    }
}
