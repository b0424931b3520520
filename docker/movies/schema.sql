-- The films: what a content service keeps of them. Run again, it changes nothing; it never drops or rewrites anything.
--
-- Every table has one uuid as its key, link tables included: panels and APIs (Directus, Django) need that. The names are
-- those of a common Django admin service, so that its tables can be used as they are; what such a service lacks is
-- file_path, see the README beside this file.

CREATE SCHEMA IF NOT EXISTS content;

CREATE TABLE IF NOT EXISTS content.film_work (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title text NOT NULL CHECK (title <> ''),
    description text,
    creation_date date,
    rating numeric(3, 1) CHECK (rating BETWEEN 0 AND 10),
    type text NOT NULL DEFAULT 'movie' CHECK (type IN ('movie', 'tv_show')),
    file_path text,
    created timestamptz NOT NULL DEFAULT now(),
    modified timestamptz NOT NULL DEFAULT now(),
    -- As the gate reads it: slashes before a key do no harm, a key has no empty segment, no "." and no "..", and at
    -- most 1024 bytes.
    CONSTRAINT file_path_is_an_object_key CHECK (
        octet_length(file_path) <= 1024
        AND ltrim(file_path, '/') <> ''
        AND ltrim(file_path, '/') !~ '//|(^|/)\.\.?(/|$)|/$|[[:cntrl:]]'
    )
);
COMMENT ON TABLE content.film_work IS 'Films; the id is the uuid of /watch/<uuid>.';
COMMENT ON COLUMN content.film_work.file_path IS 'Key of the film''s object in the bucket. NULL: not uploaded yet.';

CREATE TABLE IF NOT EXISTS content.genre (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (name <> ''),
    description text,
    created timestamptz NOT NULL DEFAULT now(),
    modified timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS content.person (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    full_name text NOT NULL CHECK (full_name <> ''),
    created timestamptz NOT NULL DEFAULT now(),
    modified timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS content.genre_film_work (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    film_work_id uuid NOT NULL REFERENCES content.film_work ON DELETE CASCADE,
    genre_id uuid NOT NULL REFERENCES content.genre ON DELETE CASCADE,
    created timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS content.person_film_work (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    film_work_id uuid NOT NULL REFERENCES content.film_work ON DELETE CASCADE,
    person_id uuid NOT NULL REFERENCES content.person ON DELETE CASCADE,
    role text NOT NULL DEFAULT 'actor' CHECK (role IN ('actor', 'director', 'writer')),
    created timestamptz NOT NULL DEFAULT now()
);

-- Lists by date and by title, who is called so, and both directions of a link. A unique index serves its first column.
CREATE INDEX IF NOT EXISTS film_work_creation_date ON content.film_work (creation_date);
CREATE INDEX IF NOT EXISTS film_work_title ON content.film_work (title);
CREATE INDEX IF NOT EXISTS person_full_name ON content.person (full_name);
CREATE UNIQUE INDEX IF NOT EXISTS genre_film_work_once ON content.genre_film_work (film_work_id, genre_id);
CREATE INDEX IF NOT EXISTS genre_film_work_genre ON content.genre_film_work (genre_id);
CREATE UNIQUE INDEX IF NOT EXISTS person_film_work_once ON content.person_film_work (film_work_id, person_id, role);
CREATE INDEX IF NOT EXISTS person_film_work_person ON content.person_film_work (person_id);

-- Whoever writes, the time of the last change is right.
CREATE OR REPLACE FUNCTION content.set_modified() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.modified := now(); RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER film_work_modified BEFORE UPDATE ON content.film_work
    FOR EACH ROW EXECUTE FUNCTION content.set_modified();
CREATE OR REPLACE TRIGGER genre_modified BEFORE UPDATE ON content.genre
    FOR EACH ROW EXECUTE FUNCTION content.set_modified();
CREATE OR REPLACE TRIGGER person_modified BEFORE UPDATE ON content.person
    FOR EACH ROW EXECUTE FUNCTION content.set_modified();
