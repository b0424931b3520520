-- One film to begin with; the README tells how to upload it. It comes into an empty table only: a library that is in
-- use is left alone, also where somebody has deleted this film.
INSERT INTO content.film_work (id, title, description, creation_date, type, file_path)
SELECT '0f8fad5b-d9cb-469f-a165-70867728950e', 'The First Film', 'Upload any film under its key to watch it.',
       current_date, 'movie', 'the-first-film.mp4'
WHERE NOT EXISTS (SELECT FROM content.film_work);

INSERT INTO content.genre (name) SELECT 'Documentary' WHERE NOT EXISTS (SELECT FROM content.genre);
INSERT INTO content.person (full_name) SELECT 'Ada Example' WHERE NOT EXISTS (SELECT FROM content.person);

INSERT INTO content.genre_film_work (film_work_id, genre_id)
SELECT film.id, genre.id FROM content.film_work AS film, content.genre
WHERE film.id = '0f8fad5b-d9cb-469f-a165-70867728950e' AND genre.name = 'Documentary'
  AND NOT EXISTS (SELECT FROM content.genre_film_work);
INSERT INTO content.person_film_work (film_work_id, person_id, role)
SELECT film.id, person.id, 'director' FROM content.film_work AS film, content.person
WHERE film.id = '0f8fad5b-d9cb-469f-a165-70867728950e' AND person.full_name = 'Ada Example'
  AND NOT EXISTS (SELECT FROM content.person_film_work);
