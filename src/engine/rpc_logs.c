/* GetServiceLogs: the logs of several services of one enclave as one stream. */
#include "engine/engine_internal.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "logs/logs.h"

#include <string.h>

#define SERVICES_MAX 64
#define INIT_LINE                                                                                  \
	engine_api__get_service_logs_response__service_logs_by_service_uuid_entry__init
#define INIT_MISSING                                                                               \
	engine_api__get_service_logs_response__not_found_service_uuid_set_entry__init

typedef EngineApi__GetServiceLogsArgs logs_args;
typedef EngineApi__GetServiceLogsResponse logs_answer;
typedef EngineApi__GetServiceLogsResponse__ServiceLogsByServiceUuidEntry line_entry;
typedef EngineApi__GetServiceLogsResponse__NotFoundServiceUuidSetEntry missing_entry;

struct log_stream;

/* One requested service. */
typedef struct log_reader {
	struct log_stream *stream;
	const char *key; /* as the client named it */
	char *path;      /* of its log file; NULL = there is none of this name */
	bool missing;    /* no service has this uuid, nor had one that left a log */
	bool any;        /* lines have come */
	kt_log_filters *filters;
	pthread_t thread;
	bool started;
	kt_err err;
} log_reader;

typedef struct log_stream {
	kt_grpc_call *call;
	const logs_args *args;
	int64_t not_before;
	pthread_mutex_t lock; /* one message at a time; guards missing and any */
	kt_cancel *cancel;    /* fires when a reader fails or the client leaves */
	log_reader *readers;
	size_t len;
} log_stream;

/* ---- messages ----------------------------------------------------------------------- */

typedef struct message {
	logs_answer answer;
	line_entry lines[SERVICES_MAX];
	line_entry *line_list[SERVICES_MAX];
	missing_entry missing[SERVICES_MAX];
	missing_entry *missing_list[SERVICES_MAX];
	EngineApi__LogLine values[SERVICES_MAX];
} message;

/* Every service that is not missing gets an entry without lines. With the lock held. */
static void fill_message(const log_stream *self, message *m)
{
	engine_api__get_service_logs_response__init(&m->answer);
	m->answer.service_logs_by_service_uuid = m->line_list;
	m->answer.not_found_service_uuid_set = m->missing_list;
	for (size_t i = 0; i < self->len; i++) {
		const log_reader *reader = &self->readers[i];
		if (reader->missing) {
			size_t n = m->answer.n_not_found_service_uuid_set++;
			INIT_MISSING(&m->missing[n]);
			m->missing[n].key = kt_engine_pb(reader->key);
			m->missing[n].value = true;
			m->missing_list[n] = &m->missing[n];
			continue;
		}
		size_t n = m->answer.n_service_logs_by_service_uuid++;
		INIT_LINE(&m->lines[n]);
		engine_api__log_line__init(&m->values[n]);
		m->lines[n].key = kt_engine_pb(reader->key);
		m->lines[n].value = &m->values[n];
		m->line_list[n] = &m->lines[n];
	}
}

static int send_bare(log_stream *self, kt_err *err)
{
	message *m = kt_malloc(sizeof(*m));
	if (m == NULL) {
		return kt_err_nomem(err);
	}
	fill_message(self, m);
	int rc = kt_grpc_send(self->call, &m->answer.base, err);
	kt_free(m);
	return rc;
}

static int send_line(log_reader *reader, const kt_log_entry *entry, kt_err *err)
{
	log_stream *self = reader->stream;
	char *text = kt_strndup(entry->text, entry->len);
	message *m = kt_malloc(sizeof(*m));
	if (text == NULL || m == NULL) {
		kt_free(text);
		kt_free(m);
		return kt_err_nomem(err);
	}
	Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	time.seconds = entry->wall_ns / KT_NS_PER_S;
	time.nanos = (int32_t)(entry->wall_ns % KT_NS_PER_S);
	KT_LOCK(&self->lock);
	reader->missing = false;
	reader->any = true;
	fill_message(self, m);
	for (size_t i = 0; i < m->answer.n_service_logs_by_service_uuid; i++) {
		if (m->lines[i].key == reader->key) {
			m->values[i].line = &text;
			m->values[i].n_line = 1;
			m->values[i].timestamp = &time;
		}
	}
	int rc = kt_grpc_send(self->call, &m->answer.base, err);
	kt_free(m);
	kt_free(text);
	return rc;
}

/* ---- reading ------------------------------------------------------------------------ */

static int take_entry(void *ctx, const kt_log_entry *entry, kt_err *err)
{
	return send_line(ctx, entry, err);
}

/* The mark that clients of the original get after the backlog and at the end. */
static void send_mark(void *ctx)
{
	log_reader *reader = ctx;
	KT_LOCK(&reader->stream->lock);
	if (reader->any) {
		send_bare(reader->stream, NULL);
	}
}

static void *run_reader(void *arg)
{
	log_reader *self = arg;
	const logs_args *args = self->stream->args;
	kt_log_query query = {
		.path = self->path,
		.all = KT_OPT_OR(args, return_all_logs, false),
		.lines = KT_OPT_OR(args, num_log_lines, 0),
		.not_before = self->stream->not_before,
		.follow = KT_OPT_OR(args, follow_logs, false),
		.filters = self->filters,
		.cancel = self->stream->cancel,
		.on_caught_up = send_mark,
	};
	if (kt_log_read(&query, take_entry, self, &self->err) < 0) {
		kt_cancel_fire(self->stream->cancel);
		return NULL;
	}
	send_mark(self);
	return NULL;
}

static int add_filters(kt_log_filters *filters, const logs_args *args, kt_err *err)
{
	for (size_t i = 0; i < args->n_conjunctive_filters; i++) {
		const EngineApi__LogLineFilter *filter = args->conjunctive_filters[i];
		if ((unsigned)filter->operator_ > KT_LOG_LACKS_MATCH) {
			return KT_FAIL(err, INVALID,
				       "Unrecognized log line filter operator '%d' in GRPC filter "
				       "'%s'; this is a bug in Kurtosis",
				       (int)filter->operator_, filter->text_pattern);
		}
		/* The numbers of the API are those of the enum. */
		if (kt_log_filters_add(filters, (kt_log_operator)filter->operator_,
				       filter->text_pattern, err) < 0) {
			return KT_WRAP(err,
				       "An error occurred compiling regex string '%s' for log line "
				       "filter",
				       filter->text_pattern);
		}
	}
	return 0;
}

/* ---- which services ----------------------------------------------------------------- */

/* The uuid that the client's word means: a uuid, a short one or a name. NULL = none. */
static const char *find_service(const kt_service_list *list, const char *key)
{
	for (size_t i = 0; i < list->len; i++) {
		const char *uuid = list->items[i].uuid;
		bool brief = strlen(key) == KT_UUID_SHORT_LEN &&
			     strncmp(uuid, key, KT_UUID_SHORT_LEN) == 0;
		if (brief || kt_str_eq(uuid, key) || kt_str_eq(list->items[i].name, key)) {
			return uuid;
		}
	}
	/* A removed service's log stays, under its uuid. */
	return kt_uuid_valid(key) ? key : NULL;
}

static bool is_service(const kt_service_list *list, const char *uuid)
{
	for (size_t i = 0; i < list->len; i++) {
		if (kt_str_eq(list->items[i].uuid, uuid)) {
			return true;
		}
	}
	return false;
}

static int open_readers(log_stream *self, kt_engine *engine, const char *enclave, kt_err *err)
{
	KT_AUTO_ARENA kt_arena arena = KT_ARENA_INIT;
	KT_AUTO_ERR kt_err unknown = KT_ERR_INIT;
	kt_service_list list = {0};
	if (engine->backend->ops->service_list(engine->backend, enclave, &arena, &list,
					       &unknown) < 0) {
		list = (kt_service_list){0}; /* a removed enclave has no services */
	}
	for (size_t i = 0; i < self->args->n_service_uuid_set; i++) {
		log_reader *reader = &self->readers[self->len++];
		reader->stream = self;
		reader->key = self->args->service_uuid_set[i]->key;
		reader->missing = !is_service(&list, reader->key);
		reader->filters = kt_log_filters_new(err);
		if (reader->filters == NULL || add_filters(reader->filters, self->args, err) < 0) {
			return -1;
		}
		const char *uuid = find_service(&list, reader->key);
		if (uuid == NULL) {
			continue;
		}
		reader->path = kt_engine_log_path(engine, enclave, uuid);
		if (reader->path == NULL) {
			return kt_err_nomem(err);
		}
		/* A removed service counts as there as long as its log does; a name never did. */
		if (kt_str_eq(uuid, reader->key) && kt_fs_exists(reader->path)) {
			reader->missing = false;
		}
	}
	return 0;
}

static void stream_deinit(log_stream *self)
{
	for (size_t i = 0; i < self->len; i++) {
		kt_free(self->readers[i].path);
		kt_log_filters_free(self->readers[i].filters);
		kt_err_release(&self->readers[i].err);
	}
	kt_free(self->readers);
	kt_cancel_unref(self->cancel);
	pthread_mutex_destroy(&self->lock);
}

static int run_readers(log_stream *self, kt_err *err)
{
	int rc = 0;
	for (size_t i = 0; i < self->len && rc == 0; i++) {
		log_reader *reader = &self->readers[i];
		if (reader->path != NULL) {
			rc = kt_thread_start(&reader->thread, 0, "logs", run_reader, reader, err);
			reader->started = rc == 0;
		}
	}
	if (rc < 0) {
		kt_cancel_fire(self->cancel);
	}
	/* The readers that the first failure cancelled are not the cause. */
	for (size_t i = 0; i < self->len; i++) {
		log_reader *reader = &self->readers[i];
		if (!reader->started) {
			continue;
		}
		pthread_join(reader->thread, NULL);
		if (rc == 0 && reader->err.code != KT_ERR_OK &&
		    reader->err.code != KT_ERR_CANCELLED) {
			kt_err_move(err, &reader->err);
			rc = -1;
		}
	}
	return rc;
}

static bool any_missing(const log_stream *self)
{
	for (size_t i = 0; i < self->len; i++) {
		if (self->readers[i].missing) {
			return true;
		}
	}
	return false;
}

/* The enclave's uuid; an identifier of no enclave is taken for the uuid of a removed one. */
static void enclave_uuid(kt_engine *engine, const char *identifier, kt_uuid *ret)
{
	if (kt_engine_resolve(engine, identifier, ret, NULL) < 0 && kt_uuid_valid(identifier)) {
		memcpy(ret->text, identifier, KT_UUID_LEN + 1);
	}
}

int kt_engine_get_service_logs(kt_grpc_call *call, const ProtobufCMessage *request, void *host,
			       kt_err *err)
{
	kt_engine *engine = host;
	const logs_args *args = (const logs_args *)request;
	kt_uuid enclave = {0};
	enclave_uuid(engine, args->enclave_identifier, &enclave);
	if (args->n_service_uuid_set > SERVICES_MAX) {
		return KT_FAIL(err, INVALID, "logs of at most %d services can be read at once",
			       SERVICES_MAX);
	}
	KT_CLEANUP(stream_deinit) log_stream stream = {
		.call = call, .args = args, .not_before = kt_wall_ns() - engine->retention_ns};
	pthread_mutex_init(&stream.lock, NULL);
	stream.cancel = kt_cancel_child(kt_grpc_call_cancel(call), err);
	stream.readers = kt_calloc(SERVICES_MAX, sizeof(*stream.readers));
	if (stream.cancel == NULL || stream.readers == NULL) {
		return stream.cancel != NULL ? kt_err_nomem(err) : -1;
	}
	if (open_readers(&stream, engine, enclave.text, err) < 0) {
		return -1;
	}
	if (any_missing(&stream) && send_bare(&stream, err) < 0) {
		return -1;
	}
	return run_readers(&stream, err);
}
