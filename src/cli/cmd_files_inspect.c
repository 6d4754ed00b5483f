/* kurtosis files inspect: the tree of an artifact, or one file's text. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/run_functions.h"
#include "cli/ui.h"

#include <string.h>

typedef ApiContainerApi__FileArtifactContentsFileDescription file_entry;

/* A node of the tree; children stay in the order of their first mention. */
typedef struct node {
	char *name;
	uint64_t size;
	bool is_dir;
	KT_VEC(struct node *) children;
} node;

static void node_free(node *self)
{
	for (size_t i = 0; i < self->children.len; i++) {
		node_free(self->children.items[i]);
	}
	kt_vec_deinit(&self->children);
	kt_free(self->name);
	kt_free(self);
}

static node *node_child(node *self, const char *name, size_t len)
{
	for (size_t i = 0; i < self->children.len; i++) {
		node *child = self->children.items[i];
		if (strlen(child->name) == len && strncmp(child->name, name, len) == 0) {
			return child;
		}
	}
	node *child = kt_calloc(1, sizeof(*child));
	if (child == NULL) {
		return NULL;
	}
	child->name = kt_strndup(name, len);
	if (child->name == NULL || kt_vec_push(&self->children, child) < 0) {
		node_free(child);
		return NULL;
	}
	return child;
}

static int add_entry(node *root, const file_entry *entry)
{
	node *at = root;
	for (const char *part = entry->path; *part != '\0';) {
		size_t len = strcspn(part, "/");
		const char *next = part + len;
		if (len > 0 && !(len == 1 && *part == '.')) {
			at->is_dir = true;
			at = node_child(at, part, len);
			if (at == NULL) {
				return -1;
			}
		}
		at->is_dir = at->is_dir || *next == '/';
		part = *next == '/' ? next + 1 : next;
	}
	at->size = entry->size;
	return 0;
}

/* "[ 812]", "[2.4K]" */
static void add_size(kt_buf *out, uint64_t size)
{
	static const char units[] = "KMGTP";
	if (size < 1024) {
		kt_buf_addf(out, " [%4llu]", (unsigned long long)size);
		return;
	}
	double value = (double)size / 1024;
	size_t unit = 0;
	while (value >= 1024 && unit + 2 < sizeof(units)) {
		value /= 1024;
		unit++;
	}
	kt_buf_addf(out, " [%3.1f%c]", value, units[unit]);
}

static void print_node(kt_cli *cli, const node *self, const char *prefix, bool last)
{
	KT_AUTO_BUF kt_buf row = KT_BUF_INIT;
	kt_buf_addf(&row, "%s%s", prefix, last ? "└── " : "├── ");
	if (self->is_dir) {
		kt_buf_addf(&row, cli->color ? "\033[36m%s\033[0m" : "%s", self->name);
	} else {
		kt_buf_adds(&row, self->name);
		add_size(&row, self->size);
	}
	kt_out(cli, "%s\n", kt_buf_str(&row));
	KT_AUTO_FREE char *deeper = kt_asprintf("%s%s", prefix, last ? "    " : "│   ");
	for (size_t i = 0; deeper != NULL && i < self->children.len; i++) {
		print_node(cli, self->children.items[i], deeper, i + 1 == self->children.len);
	}
}

static int show_tree(kt_cli *cli, const ApiContainerApi__InspectFilesArtifactContentsResponse *all,
		     const char *identifier, kt_err *err)
{
	node *root = kt_calloc(1, sizeof(*root));
	int rc = root != NULL ? 0 : -1;
	for (size_t i = 0; rc == 0 && i < all->n_file_descriptions; i++) {
		rc = add_entry(root, all->file_descriptions[i]);
	}
	if (rc == 0) {
		kt_err_out(cli, "Artifact '%s' contents:\n\n", identifier);
		kt_out(cli, "\n");
		for (size_t i = 0; i < root->children.len; i++) {
			print_node(cli, root->children.items[i], "", i + 1 == root->children.len);
		}
		kt_out(cli, "\n");
	}
	if (root != NULL) {
		node_free(root);
	}
	return rc < 0 ? kt_err_nomem(err) : 0;
}

static int show_file(kt_cli *cli, const ApiContainerApi__InspectFilesArtifactContentsResponse *all,
		     const char *identifier, const char *path, kt_err *err)
{
	for (size_t i = 0; i < all->n_file_descriptions; i++) {
		const file_entry *entry = all->file_descriptions[i];
		if (strcmp(entry->path, path) == 0) {
			kt_err_out(cli, "File contents:\n");
			kt_out(cli, "%s\n", KT_OPT_OR(entry, text_preview, ""));
			return 0;
		}
	}
	return KT_FAIL(err, NOT_FOUND,
		       "An error finding file '%s' on artifact identifier '%s', from '%s'", path,
		       identifier, kt_cli_arg(cli, "enclave"));
}

int kt_cmd_files_inspect(kt_cli *cli, kt_err *err)
{
	const char *identifier = kt_cli_arg(cli, "artifact-identifier");
	const char *path = kt_cli_arg(cli, "file-path");
	ApiContainerApi__FilesArtifactNameAndUuid which =
		API_CONTAINER_API__FILES_ARTIFACT_NAME_AND_UUID__INIT;
	ApiContainerApi__InspectFilesArtifactContentsRequest request =
		API_CONTAINER_API__INSPECT_FILES_ARTIFACT_CONTENTS_REQUEST__INIT;
	KT_AUTO_MSG ApiContainerApi__InspectFilesArtifactContentsResponse *all = NULL;
	which.filename = (char *)(uintptr_t)identifier;
	request.file_names_and_uuid = &which;
	kt_grpc_client *apic = kt_open_enclave(cli, kt_cli_arg(cli, "enclave"), NULL, NULL, err);
	if (apic == NULL) {
		return -1;
	}
	int rc = kt_apic_call(cli, apic, KT_APIC_INSPECT_FILES_ARTIFACT, &request, &all, err);
	kt_grpc_client_free(apic);
	if (rc < 0) {
		return KT_WRAP(err, "An error occurred inspecting artifact '%s'", identifier);
	}
	return *path != '\0' ? show_file(cli, all, identifier, path, err)
			     : show_tree(cli, all, identifier, err);
}
