-- How the panel shows the films, and what everybody may read of them through the API. For Directus 11, after its own
-- `bootstrap` and before it starts (it keeps what it read). Run as the role movies; what is there already is left as it
-- is, so that changes made in the panel stay.
--
-- By SQL, because the panel's own calls for relations want to alter the films' tables, which it may not.

SET search_path = directus;

-- Links are edited inside the films, and are no entries of their own.
INSERT INTO directus_collections (collection, icon, display_template, hidden, sort, note) VALUES
    ('film_work', 'movie', '{{title}}', false, 1, 'The id is the uuid of /watch/<uuid>'),
    ('genre', 'label', '{{name}}', false, 2, NULL),
    ('person', 'person', '{{full_name}}', false, 3, NULL),
    ('genre_film_work', NULL, NULL, true, 4, NULL),
    ('person_film_work', NULL, NULL, true, 5, NULL)
ON CONFLICT (collection) DO NOTHING;

INSERT INTO directus_fields (collection, field, special, interface, options, readonly, required, width, note, sort)
SELECT wanted.* FROM (VALUES
    ('film_work', 'id', 'uuid', 'input', NULL::json, true, false, 'full', 'Given when the film is saved', 1),
    ('film_work', 'title', NULL, 'input', NULL, false, true, 'full', NULL, 2),
    ('film_work', 'description', NULL, 'input-multiline', NULL, false, false, 'full', NULL, 3),
    ('film_work', 'type', NULL, 'select-dropdown',
        '{"choices": [{"text": "Movie", "value": "movie"}, {"text": "TV show", "value": "tv_show"}]}', false, true, 'half', NULL, 4),
    ('film_work', 'creation_date', NULL, 'datetime', NULL, false, false, 'half', NULL, 5),
    ('film_work', 'rating', NULL, 'input', '{"min": 0, "max": 10, "step": 0.1}', false, false, 'half', '0 to 10', 6),
    ('film_work', 'file_path', NULL, 'input', '{"placeholder": "the-film.mp4"}', false, false, 'half',
        'Key of the object in the bucket; empty: not uploaded yet', 7),
    ('film_work', 'genres', 'm2m', 'list-m2m', '{"template": "{{genre_id.name}}"}', false, false, 'half', NULL, 8),
    ('film_work', 'persons', 'm2m', 'list-m2m', '{"template": "{{person_id.full_name}} ({{role}})"}', false, false, 'half', NULL, 9),
    ('film_work', 'created', NULL, 'datetime', NULL, true, false, 'half', NULL, 10),
    ('film_work', 'modified', NULL, 'datetime', NULL, true, false, 'half', NULL, 11),
    ('genre', 'id', 'uuid', 'input', NULL, true, false, 'full', NULL, 1),
    ('genre', 'name', NULL, 'input', NULL, false, true, 'full', NULL, 2),
    ('genre', 'description', NULL, 'input-multiline', NULL, false, false, 'full', NULL, 3),
    ('genre', 'created', NULL, 'datetime', NULL, true, false, 'half', NULL, 4),
    ('genre', 'modified', NULL, 'datetime', NULL, true, false, 'half', NULL, 5),
    ('person', 'id', 'uuid', 'input', NULL, true, false, 'full', NULL, 1),
    ('person', 'full_name', NULL, 'input', NULL, false, true, 'full', NULL, 2),
    ('person', 'created', NULL, 'datetime', NULL, true, false, 'half', NULL, 3),
    ('person', 'modified', NULL, 'datetime', NULL, true, false, 'half', NULL, 4),
    ('genre_film_work', 'id', 'uuid', 'input', NULL, true, false, 'full', NULL, 1),
    ('person_film_work', 'id', 'uuid', 'input', NULL, true, false, 'full', NULL, 1),
    ('person_film_work', 'role', NULL, 'select-dropdown',
        '{"choices": [{"text": "Actor", "value": "actor"}, {"text": "Director", "value": "director"}, {"text": "Writer", "value": "writer"}]}',
        false, true, 'full', NULL, 2)
) AS wanted (collection, field, special, interface, options, readonly, required, width, note, sort)
WHERE NOT EXISTS (
    SELECT FROM directus_fields AS had WHERE had.collection = wanted.collection AND had.field = wanted.field
);

INSERT INTO directus_relations (many_collection, many_field, one_collection, one_field, junction_field, one_deselect_action)
SELECT wanted.* FROM (VALUES
    ('genre_film_work', 'film_work_id', 'film_work', 'genres', 'genre_id', 'delete'),
    ('genre_film_work', 'genre_id', 'genre', NULL, 'film_work_id', 'delete'),
    ('person_film_work', 'film_work_id', 'film_work', 'persons', 'person_id', 'delete'),
    ('person_film_work', 'person_id', 'person', NULL, 'film_work_id', 'delete')
) AS wanted (many_collection, many_field, one_collection, one_field, junction_field, one_deselect_action)
WHERE NOT EXISTS (
    SELECT FROM directus_relations AS had
    WHERE had.many_collection = wanted.many_collection AND had.many_field = wanted.many_field
);

-- Everybody may read what a viewer is told about a film; where its object lies is nobody's business. The policy is the
-- one that Directus calls public, under the id that it has everywhere.
INSERT INTO directus_permissions (policy, collection, action, permissions, fields)
SELECT 'abf8a154-5b1c-4a46-ac9c-7300570f4f17', wanted.collection, 'read', '{}', wanted.fields FROM (VALUES
    ('film_work', 'id,title,description,creation_date,rating,type,genres,persons,modified'),
    ('genre', 'id,name,description'),
    ('person', 'id,full_name'),
    ('genre_film_work', 'id,film_work_id,genre_id'),
    ('person_film_work', 'id,film_work_id,person_id,role')
) AS wanted (collection, fields)
WHERE NOT EXISTS (
    SELECT FROM directus_permissions AS had
    WHERE had.policy = 'abf8a154-5b1c-4a46-ac9c-7300570f4f17' AND had.collection = wanted.collection AND had.action = 'read'
);

-- What the list of films shows before somebody picks other columns.
INSERT INTO directus_presets (collection, layout, layout_query)
SELECT 'film_work', 'tabular', '{"tabular": {"fields": ["title", "type", "creation_date", "file_path", "id"], "sort": ["title"]}}'
WHERE NOT EXISTS (
    SELECT FROM directus_presets WHERE collection = 'film_work' AND "user" IS NULL AND role IS NULL AND bookmark IS NULL
);
