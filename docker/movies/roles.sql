-- Who may do what. Wants the psql variables movies_password and gate_password; run again, it sets the passwords anew.
--
-- movies: the panel and its API. Reads and writes films, has a schema of its own for its own tables, and can change
--         neither the films' tables nor roles.
-- gate:   watchgate's catalog. Reads which object a film is, and nothing else.

SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['movies', 'gate']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE movies NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'movies_password';
ALTER ROLE gate NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'gate_password';

-- A gate keeps at most catalog.postgres.connections (8) and gives a question up after its time-out (2s): a few gates,
-- and no question that outlives them.
ALTER ROLE gate CONNECTION LIMIT 64;
ALTER ROLE gate SET default_transaction_read_only = on;
ALTER ROLE gate SET statement_timeout = '5s';

-- Nobody gets in, or makes anything, by being anybody.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO movies, gate', current_database()) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- The panel's own tables: apart from the films.
CREATE SCHEMA IF NOT EXISTS directus;
ALTER SCHEMA directus OWNER TO movies;

GRANT USAGE ON SCHEMA content TO movies, gate;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA content TO movies;
GRANT SELECT (id, file_path) ON content.film_work TO gate;
