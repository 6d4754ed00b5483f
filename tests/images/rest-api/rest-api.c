/*
 * Tables of a PostgreSQL schema as REST resources: a stand-in for PostgREST in our tests.
 *
 * Understands PGRST_DB_URI, PGRST_DB_ANON_ROLE, PGRST_DB_SCHEMA(S) and PGRST_SERVER_PORT; GET
 * with column filters (eq neq gt gte lt lte like ilike is in), and/or groups, select, order, limit
 * and offset; POST of an object or a list; GET / describes the tables. A refused login ends
 * the process, any other connection failure is tried again, as the original does it.
 * One request at a time: enough for tests.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_MAX = 1 << 20, PARAMS_MAX = 64 };

typedef struct text {
	char *data;
	size_t len;
} text;

typedef struct query {
	text sql;
	char *params[PARAMS_MAX];
	int count;
} query;

typedef struct request {
	char *method;
	char *path;
	char *args; /* after '?', or "" */
	char *body;
} request;

static PGconn *db;
static const char *schema;

static void add(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(text *t, const char *fmt, ...)
{
	va_list args;
	char *piece = NULL;
	va_start(args, fmt);
	int len = vasprintf(&piece, fmt, args);
	va_end(args);
	if (len < 0 || (t->data = realloc(t->data, t->len + (size_t)len + 1)) == NULL) {
		abort();
	}
	memcpy(t->data + t->len, piece, (size_t)len + 1);
	t->len += (size_t)len;
	free(piece);
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char stamp[64];
	time_t now = time(NULL);
	strftime(stamp, sizeof(stamp), "%d/%b/%Y:%H:%M:%S +0000", gmtime(&now));
	fprintf(stderr, "%s: ", stamp);
	va_list args;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static void add_json_string(text *t, const char *s)
{
	add(t, "\"");
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\') {
			add(t, "\\%c", c);
		} else if (c == '\n') {
			add(t, "\\n");
		} else if (c < 0x20) {
			add(t, "\\u%04x", c);
		} else {
			add(t, "%c", c);
		}
	}
	add(t, "\"");
}

static void report_failure(const char *detail)
{
	text line = {0};
	add(&line, "{\"code\":\"PGRST000\",\"details\":");
	add_json_string(&line, detail);
	add(&line, ",\"hint\":null,\"message\":\"Database connection error. Retrying the connection.\"}");
	say("%s", line.data);
	free(line.data);
}

/* Waits without a busy loop until the next try. */
static void pause_seconds(int seconds)
{
	poll(NULL, 0, seconds * 1000);
}

static void connect_or_die(const char *uri)
{
	for (int delay = 1;; delay = delay < 32 ? delay * 2 : 32) {
		say("Attempting to connect to the database...");
		db = PQconnectdb(uri);
		if (PQstatus(db) == CONNECTION_OK) {
			say("Connection successful");
			return;
		}
		const char *why = PQerrorMessage(db);
		report_failure(why);
		if (strstr(why, "authentication failed") != NULL) {
			say("%s", why);
			fprintf(stderr, "postgrest: thread killed\n");
			exit(1);
		}
		PQfinish(db);
		say("Attempting to reconnect to the database in %d seconds...", delay);
		pause_seconds(delay);
	}
}

static void add_name(text *sql, const char *name)
{
	char *quoted = PQescapeIdentifier(db, name, strlen(name));
	add(sql, "%s", quoted != NULL ? quoted : "\"\"");
	PQfreemem(quoted);
}

static void decode_url(char *s)
{
	char *out = s;
	for (; *s != '\0'; s++) {
		char hex[3] = {s[0], s[0] != '\0' ? s[1] : '\0', '\0'};
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			hex[0] = s[1];
			hex[1] = s[2];
			*out++ = (char)strtol(hex, NULL, 16);
			s += 2;
		} else {
			*out++ = *s == '+' ? ' ' : *s;
		}
	}
	*out = '\0';
}

static bool add_param(query *q, const char *value)
{
	if (q->count == PARAMS_MAX) {
		return false;
	}
	q->params[q->count++] = strdup(value);
	add(&q->sql, "$%d", q->count);
	return true;
}

static const char *const operators[][2] = {
	{"eq", "="}, {"neq", "<>"}, {"gt", ">"},      {"gte", ">="},
	{"lt", "<"}, {"lte", "<="}, {"like", "LIKE"}, {"ilike", "ILIKE"},
};

/* column, "op.value" -> SQL; false when it is not understood. */
static bool add_filter(query *q, const char *column, char *condition)
{
	char *dot = strchr(condition, '.');
	if (dot == NULL) {
		return false;
	}
	*dot = '\0';
	char *value = dot + 1;
	if (strcmp(condition, "is") == 0 &&
	    (strcmp(value, "null") == 0 || strcmp(value, "true") == 0 || strcmp(value, "false") == 0)) {
		add_name(&q->sql, column);
		add(&q->sql, " IS %s", value);
		return true;
	}
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (strcmp(condition, operators[i][0]) == 0) {
			bool like = strstr(condition, "like") != NULL;
			for (char *c = value; like && *c != '\0'; c++) {
				*c = *c == '*' ? '%' : *c;
			}
			add_name(&q->sql, column);
			add(&q->sql, "%s %s ", like ? "::text" : "", operators[i][1]);
			return add_param(q, value);
		}
	}
	return false;
}

/* "(a.eq.1,b.gt.2)" joined by AND or OR. */
static bool add_group(query *q, const char *joiner, char *list)
{
	size_t len = strlen(list);
	if (len < 2 || list[0] != '(' || list[len - 1] != ')') {
		return false;
	}
	list[len - 1] = '\0';
	add(&q->sql, "(");
	char *rest = list + 1;
	for (int i = 0; rest != NULL; i++) {
		char *item = strsep(&rest, ",");
		char *dot = strchr(item, '.');
		if (dot == NULL) {
			return false;
		}
		*dot = '\0';
		add(&q->sql, "%s", i > 0 ? joiner : "");
		if (!add_filter(q, item, dot + 1)) {
			return false;
		}
	}
	add(&q->sql, ")");
	return true;
}

static void send_reply(int fd, const char *status, const char *type, const char *body)
{
	text reply = {0};
	add(&reply, "HTTP/1.1 %s\r\nServer: postgrest-stand-in\r\nConnection: close\r\n"
		    "Content-Length: %zu\r\n%s%s\r\n\r\n%s",
	    status, strlen(body), type[0] != '\0' ? "Content-Type: " : "X-Empty: yes", type, body);
	for (size_t done = 0; done < reply.len;) {
		ssize_t put = send(fd, reply.data + done, reply.len - done, MSG_NOSIGNAL);
		if (put <= 0) {
			break;
		}
		done += (size_t)put;
	}
	free(reply.data);
}

static void send_error(int fd, const char *status, const char *code, const char *message)
{
	text body = {0};
	add(&body, "{\"code\":\"%s\",\"details\":null,\"hint\":null,\"message\":", code);
	add_json_string(&body, message);
	add(&body, "}");
	send_reply(fd, status, "application/json; charset=utf-8", body.data);
	free(body.data);
}

static void free_query(query *q)
{
	free(q->sql.data);
	for (int i = 0; i < q->count; i++) {
		free(q->params[i]);
	}
}

/* Runs q; the first value of its result, or NULL after answering with the error. */
static char *run_query(int fd, query *q)
{
	PGresult *result = PQexecParams(db, q->sql.data, q->count, NULL,
					(const char *const *)q->params, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(result);
	char *value = NULL;
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		value = strdup(PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	} else {
		const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
		bool missing = state != NULL && strcmp(state, "42P01") == 0;
		bool conflict = state != NULL && strcmp(state, "23505") == 0;
		send_error(fd, missing ? "404 Not Found" : conflict ? "409 Conflict" : "400 Bad Request",
			   state != NULL ? state : "PGRST000",
			   message != NULL ? message : PQerrorMessage(db));
	}
	PQclear(result);
	return value;
}

static bool add_where(query *q, char *args)
{
	int filters = 0;
	char *rest = args;
	while (rest != NULL && *rest != '\0') {
		char *pair = strsep(&rest, "&");
		char *value = strchr(pair, '=');
		if (value == NULL) {
			return false;
		}
		*value++ = '\0';
		decode_url(pair);
		decode_url(value);
		if (strcmp(pair, "select") == 0 || strcmp(pair, "order") == 0 ||
		    strcmp(pair, "limit") == 0 || strcmp(pair, "offset") == 0) {
			continue;
		}
		add(&q->sql, filters++ == 0 ? " WHERE " : " AND ");
		bool ok = strcmp(pair, "or") == 0    ? add_group(q, " OR ", value)
			  : strcmp(pair, "and") == 0 ? add_group(q, " AND ", value)
						     : add_filter(q, pair, value);
		if (!ok) {
			return false;
		}
	}
	return true;
}

/* The decoded value of an argument, or NULL. The caller frees. */
static char *argument(const char *args, const char *name)
{
	size_t len = strlen(name);
	for (const char *p = args; *p != '\0';) {
		size_t part = strcspn(p, "&");
		if (part > len && strncmp(p, name, len) == 0 && p[len] == '=') {
			char *value = strndup(p + len + 1, part - len - 1);
			decode_url(value);
			return value;
		}
		p += part + (p[part] == '&' ? 1 : 0);
	}
	return NULL;
}

static void add_list(text *sql, const char *before, char *list, bool directions)
{
	add(sql, "%s", before);
	char *rest = list;
	for (int i = 0; rest != NULL; i++) {
		char *item = strsep(&rest, ",");
		char *dot = directions ? strchr(item, '.') : NULL;
		if (dot != NULL) {
			*dot = '\0';
		}
		add(sql, "%s", i > 0 ? ", " : "");
		add_name(sql, item);
		add(sql, "%s", dot != NULL && strcmp(dot + 1, "desc") == 0 ? " DESC" : "");
	}
}

static void add_number(text *sql, const char *args, const char *name, const char *word)
{
	char *value = argument(args, name);
	if (value != NULL) {
		add(sql, " %s %ld", word, strtol(value, NULL, 10));
	}
	free(value);
}

static void read_table(int fd, request *r)
{
	query q = {0};
	char *columns = argument(r->args, "select");
	char *order = argument(r->args, "order");
	char *filters = strdup(r->args);
	add(&q.sql, "SELECT coalesce(json_agg(t), '[]')::text FROM (SELECT ");
	if (columns != NULL && strcmp(columns, "*") != 0) {
		add_list(&q.sql, "", columns, false);
	} else {
		add(&q.sql, "*");
	}
	add(&q.sql, " FROM ");
	add_name(&q.sql, schema);
	add(&q.sql, ".");
	add_name(&q.sql, r->path + 1);
	bool ok = add_where(&q, filters);
	if (order != NULL) {
		add_list(&q.sql, " ORDER BY ", order, true);
	}
	add_number(&q.sql, r->args, "limit", "LIMIT");
	add_number(&q.sql, r->args, "offset", "OFFSET");
	add(&q.sql, ") t");
	if (!ok) {
		send_error(fd, "400 Bad Request", "PGRST100", "the filter cannot be parsed");
	} else {
		char *rows = run_query(fd, &q);
		if (rows != NULL) {
			send_reply(fd, "200 OK", "application/json; charset=utf-8", rows);
		}
		free(rows);
	}
	free(columns);
	free(order);
	free(filters);
	free_query(&q);
}

/* The quoted column names that the rows in JSON mention. */
static char *columns_of(int fd, const char *rows)
{
	query q = {0};
	add(&q.sql, "SELECT string_agg(quote_ident(k), ', ') FROM (SELECT DISTINCT json_object_keys("
		    "json_array_elements(");
	add_param(&q, rows);
	add(&q.sql, "::json)) k) keys");
	char *columns = run_query(fd, &q);
	free_query(&q);
	return columns;
}

static void insert_rows(int fd, request *r)
{
	text rows = {0};
	const char *body = r->body + strspn(r->body, " \t\r\n");
	add(&rows, body[0] == '[' ? "%s" : "[%s]", body);
	char *columns = columns_of(fd, rows.data);
	if (columns != NULL) {
		query q = {0};
		text table = {0};
		add_name(&table, schema);
		add(&table, ".");
		add_name(&table, r->path + 1);
		add(&q.sql, "INSERT INTO %s (%s) SELECT %s FROM json_populate_recordset(null::%s, ",
		    table.data, columns, columns, table.data);
		add_param(&q, rows.data);
		add(&q.sql, "::json)");
		char *done = run_query(fd, &q);
		if (done != NULL) {
			send_reply(fd, "201 Created", "", "");
		}
		free(done);
		free(table.data);
		free_query(&q);
	}
	free(columns);
	free(rows.data);
}

static void describe(int fd)
{
	query q = {0};
	add(&q.sql, "SELECT json_build_object('swagger', '2.0', 'info', json_build_object('title', "
		    "'standard public schema', 'version', '10.2.0.20230209 (stand-in)'), 'basePath', '/', "
		    "'paths', coalesce(json_object_agg('/' || table_name, '{}'::json), '{}'))::text "
		    "FROM information_schema.tables WHERE table_schema = ");
	add_param(&q, schema);
	char *answer = run_query(fd, &q);
	if (answer != NULL) {
		send_reply(fd, "200 OK", "application/openapi+json; charset=utf-8", answer);
	}
	free(answer);
	free_query(&q);
}

static void answer(int fd, request *r)
{
	if (PQstatus(db) != CONNECTION_OK) {
		PQreset(db);
	}
	if (strcmp(r->path, "/") == 0) {
		describe(fd);
	} else if (strchr(r->path + 1, '/') != NULL) {
		send_error(fd, "404 Not Found", "PGRST125", "no such path");
	} else if (strcmp(r->method, "GET") == 0) {
		read_table(fd, r);
	} else if (strcmp(r->method, "POST") == 0) {
		insert_rows(fd, r);
	} else {
		send_error(fd, "405 Method Not Allowed", "PGRST117", "unsupported HTTP method");
	}
}

/* Splits the raw request in place; false when it is malformed. */
static bool split(char *raw, char *head_end, request *r)
{
	*head_end = '\0';
	r->body = head_end + 4;
	char *rest = raw;
	r->method = strsep(&rest, " ");
	r->path = rest != NULL ? strsep(&rest, " ") : NULL;
	if (r->path == NULL || r->path[0] != '/') {
		return false;
	}
	char *mark = strchr(r->path, '?');
	r->args = mark != NULL ? mark + 1 : r->path + strlen(r->path);
	if (mark != NULL) {
		*mark = '\0';
	}
	decode_url(r->path);
	return true;
}

static void serve(int fd)
{
	char *raw = calloc(1, REQUEST_MAX + 1);
	size_t len = 0;
	char *end = NULL;
	size_t want = REQUEST_MAX;
	while (raw != NULL && len < want) {
		ssize_t got = recv(fd, raw + len, want - len, 0);
		if (got <= 0) {
			break;
		}
		len += (size_t)got;
		if (end == NULL && (end = strstr(raw, "\r\n\r\n")) != NULL) {
			char *header = strcasestr(raw, "\r\ncontent-length:");
			long body =
			        header != NULL && header < end ? strtol(header + 17, NULL, 10) : 0;
			want = (size_t)(end + 4 - raw) + (body > 0 ? (size_t)body : 0);
			want = want < REQUEST_MAX ? want : REQUEST_MAX;
		}
	}
	request r;
	if (end != NULL && len >= want && split(raw, end, &r)) {
		answer(fd, &r);
	}
	free(raw);
}

int main(void)
{
	const char *uri = getenv("PGRST_DB_URI");
	const char *role = getenv("PGRST_DB_ANON_ROLE");
	const char *port = getenv("PGRST_SERVER_PORT");
	schema = getenv("PGRST_DB_SCHEMAS");
	schema = schema != NULL ? schema : getenv("PGRST_DB_SCHEMA");
	schema = schema != NULL ? schema : "public";
	signal(SIGTERM, SIG_DFL);
	connect_or_die(uri != NULL ? uri : "postgresql://");
	if (role != NULL) {
		text sql = {0};
		add(&sql, "SET ROLE ");
		add_name(&sql, role);
		PQclear(PQexec(db, sql.data));
		free(sql.data);
	}
	int one = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)(port != NULL ? atoi(port) : 3000))};
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 128) < 0) {
		say("cannot listen: %s", strerror(errno));
		return 1;
	}
	say("Listening on port %d", ntohs(at.sin_port));
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			serve(fd);
			close(fd);
		}
	}
}
