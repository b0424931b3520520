//! Questions to PostgreSQL: a pool of few connections, one prepared statement on each, one limit of time for all.
//!
//! A question that takes too long is cancelled at the server too, and its connection is not used again. Absent on
//! purpose: writing, transactions, and any text of the URL in an error. A pooler between us and the server has to let
//! prepared statements through (PgBouncer 1.21 and later, or session mode).

use std::error::Error as _;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Connect, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod};
use futures_util::TryStreamExt;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Config, NoTls, Socket, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Failed, Source};
use crate::catalog::CatalogError;
use crate::decide::watch::Film;

/// What the server's list of sessions calls us, unless the URL says otherwise.
const APPLICATION: &str = "watchgate";

/// See the module.
pub(in crate::catalog) struct Postgres {
    pool: Pool,
    query: String,
    timeout: Duration,
    tls: Tls,
}

impl Postgres {
    /// Reads the machine's trusted certificates, but opens no connection.
    pub(super) fn open(config: &watchgate_config::Postgres) -> Result<Self, CatalogError> {
        // The library's own error may quote a piece of the URL.
        let mut url: Config = config.url.expose().parse().map_err(|_| CatalogError::Url)?;
        if url.get_hosts().is_empty() {
            return Err(CatalogError::Url);
        }
        if url.get_application_name().is_none() {
            url.application_name(APPLICATION);
        }
        let tls = Tls::of(&url)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(url, tls.clone(), recycling);
        let connections = usize::try_from(config.connections.get()).unwrap_or(usize::MAX);
        let pool = Pool::builder(manager).max_size(connections).build();
        Ok(Self {
            pool: pool.map_err(|error| CatalogError::SetUp(error.to_string()))?,
            query: config.query.clone(),
            timeout: config.timeout,
            tls,
        })
    }

    async fn client(&self, deadline: Instant) -> Result<Client, Failed> {
        match timeout_at(deadline, self.pool.get()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(PoolError::Backend(error))) => Err(Failed::Error(said(&error))),
            Ok(Err(error)) => Err(Failed::Error(error.to_string())),
            Err(_) => Err(Failed::Timeout("connecting")),
        }
    }

    /// The first column of the first row. Without a film the query is only prepared.
    async fn read(&self, client: &Client, film: Option<Film>) -> Result<Option<String>, Trouble> {
        let statement = client.prepare_cached(&self.query).await?;
        let parameter = parameter(&statement, film.unwrap_or(Film::from_bytes([0; 16])))?;
        if film.is_none() {
            return Ok(None);
        }
        let rows = client.query_raw(&statement, [parameter]).await?;
        let first = pin!(rows).try_next().await?;
        Ok(first.map(|row| row.try_get::<_, Option<String>>(0)).transpose()?.flatten())
    }

    /// Lets go of a connection whose answer nobody waits for. Dropping it alone would leave the server at work.
    fn abandon(&self, client: Client) {
        let client = Object::take(client);
        let (token, tls, limit) = (client.cancel_token(), self.tls.clone(), self.timeout);
        tokio::spawn(async move {
            let cancelled = match tls.0 {
                Some(tls) => timeout(limit, token.cancel_query(tls)).await,
                None => timeout(limit, token.cancel_query(NoTls)).await,
            };
            if !matches!(cancelled, Ok(Ok(()))) {
                tracing::debug!("a question to the catalog's database could not be cancelled");
            }
            drop(client);
        });
    }

    /// Reads within the limit of time. A connection that was closed while it lay in the pool is no reason to fail.
    async fn ask(&self, film: Option<Film>) -> Result<Option<String>, Failed> {
        let deadline = Instant::now() + self.timeout;
        let mut is_first = true;
        loop {
            let client = self.client(deadline).await?;
            match timeout_at(deadline, self.read(&client, film)).await {
                Ok(Ok(row)) => return Ok(row),
                Ok(Err(trouble)) => {
                    let is_gone = client.is_closed() || trouble.is_connection();
                    if is_gone {
                        drop(Object::take(client));
                    } else {
                        // A table may have been made anew: the statement is prepared again.
                        client.statement_cache.clear();
                    }
                    if !(is_gone && std::mem::take(&mut is_first)) {
                        return Err(Failed::Error(trouble.to_string()));
                    }
                }
                Err(_) => {
                    self.abandon(client);
                    return Err(Failed::Timeout("the query"));
                }
            }
        }
    }
}

impl Source for Postgres {
    async fn row(&self, film: Film) -> Result<Option<String>, Failed> {
        self.ask(Some(film)).await
    }

    async fn prove(&self) -> Result<(), Failed> {
        self.ask(None).await.map(drop)
    }
}

/// What goes wrong with a connection that is there.
enum Trouble {
    Server(tokio_postgres::Error),
    Query(String),
}

impl Trouble {
    /// Whether it was not the server that said so.
    fn is_connection(&self) -> bool {
        match self {
            Self::Server(error) => {
                error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
            }
            Self::Query(_) => false,
        }
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(error) => f.write_str(&said(error)),
            Self::Query(why) => write!(f, "catalog.postgres.query: {why}"),
        }
    }
}

/// The film as the statement wants it; refuses a statement that cannot be asked with it, or whose answer is no text.
fn parameter(statement: &Statement, film: Film) -> Result<Box<dyn ToSql + Sync + Send>, Trouble> {
    let query = |why: String| Err(Trouble::Query(why));
    match statement.columns().first() {
        None => return query("it returns no column; the first one is the key".to_owned()),
        Some(column) if !<String as FromSql>::accepts(column.type_()) => {
            let (name, kind) = (column.name(), column.type_());
            return query(format!("its first column, {name}, has the type {kind}; write {name}::text"));
        }
        Some(_) => {}
    }
    match statement.params() {
        [kind] if *kind == Type::UUID => Ok(Box::new(uuid::Uuid::from_bytes(*film.as_bytes()))),
        [kind] if <String as ToSql>::accepts(kind) => Ok(Box::new(film.to_string())),
        [kind] => query(format!("its parameter has the type {kind}; write $1::uuid or $1::text")),
        others => query(format!("it has {} parameters; it must have one, $1, the film's uuid", others.len())),
    }
}

/// An error of the library with its causes. They name hosts' faults, users and databases, but no password: that is sent
/// or hashed, and never put into a message.
fn said(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return format!("{}: {} ({})", server.severity(), server.message(), server.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            // Writing to a string does not fail.
            let _ = write!(text, ": {said}");
        }
        cause = error.source();
    }
    if text.contains("certificate") {
        text.push_str("; install the server's CA, or say sslmode=disable in the URL");
    }
    text
}

/// How connections are made: with TLS unless there is none.
#[derive(Clone)]
struct Tls(Option<MakeRustlsConnect>);

impl Tls {
    /// By `sslmode`. `prefer` speaks TLS with a server that offers it, and then verifies it, too.
    fn of(url: &Config) -> Result<Self, CatalogError> {
        if url.get_ssl_mode() == SslMode::Disable {
            return Ok(Self(None));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return if url.get_ssl_mode() == SslMode::Prefer {
                Ok(Self(None))
            } else {
                Err(CatalogError::NoRoots)
            };
        }
        // The crypto library is named here and never taken from the process, which may belong to another program.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| CatalogError::SetUp(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        if url.get_ssl_negotiation() == SslNegotiation::Direct {
            // PostgreSQL 17, "SSL Session Encryption": a direct negotiation has to name its protocol.
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(Self(Some(MakeRustlsConnect::new(config))))
    }
}

type Connecting<'a> = Pin<
    Box<
        dyn Future<Output = Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>>
            + Send
            + 'a,
    >,
>;

/// The pool's own way to connect warns of every connection that ends.
impl Connect for Tls {
    fn connect(&self, url: &Config) -> Connecting<'_> {
        let url = url.clone();
        match &self.0 {
            Some(tls) => Box::pin(connect(url, tls.clone())),
            None => Box::pin(connect(url, NoTls)),
        }
    }
}

async fn connect<T>(
    url: Config,
    tls: T,
) -> Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, connection) = url.connect(tls).await?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(cause = said(&error), "a connection to the catalog's database ended");
        }
    });
    Ok((client, task))
}
