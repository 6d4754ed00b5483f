CREATE TABLE actor (
    actor_id    serial PRIMARY KEY,
    first_name  text NOT NULL,
    last_name   text NOT NULL,
    last_update timestamp NOT NULL DEFAULT now()
);

INSERT INTO actor (first_name, last_name) VALUES
    ('Penelope', 'Guiness'),
    ('Nick', 'Wahlberg'),
    ('Ed', 'Chase');
