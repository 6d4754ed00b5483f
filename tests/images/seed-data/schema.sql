-- A film rental shop in small: the tables that the tutorial lists, with 200 actors.
CREATE TABLE actor (actor_id serial PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL,
	last_update timestamp NOT NULL DEFAULT now());
CREATE TABLE country (country_id serial PRIMARY KEY, country text NOT NULL);
CREATE TABLE city (city_id serial PRIMARY KEY, city text NOT NULL, country_id int REFERENCES country);
CREATE TABLE address (address_id serial PRIMARY KEY, address text NOT NULL, city_id int REFERENCES city);
CREATE TABLE category (category_id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE language (language_id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE film (film_id serial PRIMARY KEY, title text NOT NULL, language_id int REFERENCES language);
CREATE TABLE film_actor (actor_id int REFERENCES actor, film_id int REFERENCES film,
	PRIMARY KEY (actor_id, film_id));
CREATE TABLE film_category (film_id int REFERENCES film, category_id int REFERENCES category,
	PRIMARY KEY (film_id, category_id));
CREATE TABLE store (store_id serial PRIMARY KEY, address_id int REFERENCES address);
CREATE TABLE staff (staff_id serial PRIMARY KEY, name text NOT NULL, store_id int REFERENCES store);
CREATE TABLE customer (customer_id serial PRIMARY KEY, name text NOT NULL, store_id int REFERENCES store);
CREATE TABLE inventory (inventory_id serial PRIMARY KEY, film_id int REFERENCES film,
	store_id int REFERENCES store);
CREATE TABLE rental (rental_id serial PRIMARY KEY, inventory_id int REFERENCES inventory,
	customer_id int REFERENCES customer, rented_at timestamp DEFAULT now());
CREATE TABLE payment (payment_id serial PRIMARY KEY, rental_id int REFERENCES rental, amount numeric(5, 2));

INSERT INTO actor (first_name, last_name, last_update)
	SELECT 'First' || n, 'Last' || n, '2013-05-26 14:47:57' FROM generate_series(1, 200) n;
INSERT INTO language (name) VALUES ('English'), ('Deutsch'), ('Français');
INSERT INTO category (name) VALUES ('Drama'), ('Comedy');
INSERT INTO film (title, language_id) SELECT 'Film ' || n, 1 + n % 3 FROM generate_series(1, 50) n;
INSERT INTO film_actor SELECT n, 1 + n % 50 FROM generate_series(1, 200) n;
INSERT INTO film_category SELECT n, 1 + n % 2 FROM generate_series(1, 50) n;
