/* What there is: the engine's own records joined with what the backend says. */
#include "engine/engine_internal.h"

#include "base/str.h"

#include <poll.h>
#include <string.h>

#define CONTAINERS(name) ENGINE_API__ENCLAVE_CONTAINERS_STATUS__EnclaveContainersStatus_##name
#define APIC(name) ENGINE_API__ENCLAVE_APICONTAINER_STATUS__EnclaveAPIContainerStatus_##name

static bool alive(const kt_enclave_entry *entry)
{
	struct pollfd pfd = {entry->pidfd, POLLIN, 0};
	return entry->pidfd >= 0 && poll(&pfd, 1, 0) == 0;
}

/* With the lock held. entry NULL: only the backend knows it. */
static int fill_view(const kt_enclave_info *info, const kt_enclave_entry *entry, kt_arena *arena,
		     kt_enclave_view *ret, kt_err *err)
{
	bool running = entry != NULL && alive(entry);
	*ret = (kt_enclave_view){
		.created_ns = entry != NULL ? entry->row.created_ns : info->created_wall_ns,
		.production = entry != NULL ? entry->row.production : info->production,
		.gateway_ip = info->gateway_ip,
		.apic_port = running ? entry->row.apic.port : 0,
		.apic = entry == NULL || entry->row.apic.pid == 0 ? APIC(NONEXISTENT)
			: running				  ? APIC(RUNNING)
								  : APIC(STOPPED),
	};
	memcpy(ret->uuid.text, info->uuid, KT_UUID_LEN + 1);
	ret->name = kt_arena_strdup(arena, entry != NULL ? entry->row.name : info->name);
	if (ret->name == NULL) {
		return kt_err_nomem(err);
	}
	if (running || info->state == KT_ENCLAVE_RUNNING) {
		ret->containers = CONTAINERS(RUNNING);
	} else if (info->state == KT_ENCLAVE_STOPPED || ret->apic == APIC(STOPPED)) {
		ret->containers = CONTAINERS(STOPPED);
	} else {
		ret->containers = CONTAINERS(EMPTY);
	}
	return 0;
}

static const kt_enclave_info *find_info(const kt_enclave_list *list, const char *uuid)
{
	for (size_t i = 0; i < list->len; i++) {
		if (kt_str_eq(list->items[i].uuid, uuid)) {
			return &list->items[i];
		}
	}
	return NULL;
}

static int push_view(const kt_enclave_info *info, const kt_enclave_entry *entry, kt_arena *arena,
		     kt_enclave_views *ret, kt_err *err)
{
	kt_enclave_view view;
	if (fill_view(info, entry, arena, &view, err) < 0) {
		return -1;
	}
	return kt_vec_push(ret, view) < 0 ? kt_err_nomem(err) : 0;
}

int kt_engine_views(kt_engine *self, kt_arena *arena, kt_enclave_views *ret, kt_err *err)
{
	kt_enclave_list list = {0};
	if (self->backend->ops->enclave_list(self->backend, arena, &list, err) < 0) {
		return -1;
	}
	KT_LOCK(&self->lock);
	for (size_t i = 0; i < self->enclaves.len; i++) {
		const kt_enclave_entry *entry = self->enclaves.items[i];
		const kt_enclave_info *info = find_info(&list, entry->row.uuid.text);
		bool settled = entry->row.phase == KT_PHASE_RUNNING ||
			       entry->row.phase == KT_PHASE_STOPPED;
		if (info != NULL && settled && push_view(info, entry, arena, ret, err) < 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < list.len; i++) {
		const kt_enclave_info *info = &list.items[i];
		if (kt_uuid_valid(info->uuid) && kt_engine_find(self, info->uuid) == NULL &&
		    push_view(info, NULL, arena, ret, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int kt_engine_view(kt_engine *self, const char *uuid, kt_arena *arena, kt_enclave_view *ret,
		   kt_err *err)
{
	kt_enclave_info info;
	if (self->backend->ops->enclave_inspect(self->backend, uuid, arena, &info, err) < 0) {
		return -1;
	}
	KT_LOCK(&self->lock);
	return fill_view(&info, kt_engine_find(self, uuid), arena, ret, err);
}
