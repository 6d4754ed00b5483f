/* The helper role that works on the image store, for the command line. */
#include "engine/engine.h"

#include "base/alloc.h"
#include "base/fs.h"
#include "base/str.h"
#include "image/image.h"

#include <stdio.h>
#include <string.h>

static void print_image(const kt_image *image)
{
	KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
	KT_AUTO_FREE char *name = NULL;
	if (kt_image_ref_parse(image->name, &ref, NULL) == 0) {
		name = kt_image_ref_familiar(&ref);
	}
	printf("%s\t%s\t%llu\t%s\n", kt_str_or(name, image->name), image->id,
	       (unsigned long long)image->size, kt_str_or(image->created, ""));
}

static int list(kt_image_store *store, kt_err *err)
{
	kt_image_vec images = {0};
	int rc = kt_image_list(store, &images, err);
	for (size_t i = 0; rc == 0 && i < images.len; i++) {
		print_image(images.items[i]);
	}
	kt_image_vec_deinit(&images);
	return rc;
}

static void print_progress(void *ctx, const kt_image_progress *progress)
{
	(void)ctx;
	printf("progress %llu %llu %s%s%s\n", (unsigned long long)progress->done,
	       (unsigned long long)progress->total, progress->what,
	       progress->layer[0] != '\0' ? " " : "", progress->layer);
	fflush(stdout);
}

static int pull(kt_image_store *store, const char *name, kt_err *err)
{
	kt_image_request request = {
		.name = name, .mode = KT_IMAGE_ALWAYS, .progress = print_progress};
	KT_AUTO_IMAGE kt_image *image = kt_image_ensure(store, &request, err);
	if (image == NULL) {
		return -1;
	}
	print_image(image);
	return 0;
}

static int load(kt_image_store *store, const char *path, const char *name, kt_err *err)
{
	KT_AUTO_STRVEC kt_strvec names = KT_STRVEC_INIT;
	if (kt_image_load(store, path, name, &names, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < names.len; i++) {
		KT_AUTO_IMAGE_REF kt_image_ref ref = KT_IMAGE_REF_INIT;
		KT_AUTO_FREE char *brief = NULL;
		if (kt_image_ref_parse(names.items[i], &ref, NULL) == 0) {
			brief = kt_image_ref_familiar(&ref);
		}
		printf("%s\n", kt_str_or(brief, names.items[i]));
	}
	return 0;
}

static int remove_images(kt_image_store *store, char **names, int count, kt_err *err)
{
	bool force = count > 0 && kt_str_eq(names[0], "-f");
	for (int i = force ? 1 : 0; i < count; i++) {
		if (kt_image_remove(store, names[i], force, err) < 0) {
			return -1;
		}
		printf("%s\n", names[i]);
	}
	return 0;
}

static int run(int argc, char **argv, kt_image_store *store, kt_err *err)
{
	const char *verb = argc > 1 ? argv[1] : "";
	if (kt_str_eq(verb, "ls") && argc == 2) {
		return list(store, err);
	}
	if (kt_str_eq(verb, "pull") && argc == 3) {
		return pull(store, argv[2], err);
	}
	if (kt_str_eq(verb, "load") && (argc == 3 || argc == 4)) {
		return load(store, argv[2], argc == 4 ? argv[3] : NULL, err);
	}
	if (kt_str_eq(verb, "rm") && argc > 2) {
		return remove_images(store, argv + 2, argc - 2, err);
	}
	return KT_FAIL(err, INVALID, "usage: image ls | pull NAME | load PATH [NAME] | rm [-f] NAME…");
}

int kt_engine_image_main(int argc, char **argv, const kt_engine_deps *deps)
{
	KT_AUTO_ERR kt_err err = KT_ERR_INIT;
	KT_AUTO_FREE char *root = kt_path_join(deps->root, "images");
	kt_image_store *store = root != NULL ? kt_image_store_open(root, &err) : NULL;
	int rc = store != NULL ? run(argc, argv, store, &err) : -1;
	kt_image_store_close(store);
	if (rc == 0) {
		return 0;
	}
	fflush(stdout);
	for (size_t i = 0; kt_err_message(&err, i) != NULL; i++) {
		fprintf(stderr, "%s\n", kt_err_message(&err, i));
	}
	if (err.hint != NULL) {
		fprintf(stderr, "Hint: %s\n", err.hint);
	}
	return kt_err_exit_status(err.code);
}
