/* Runs a fuzz target over each file of the directory given, for builds without libFuzzer. */
#include "fuzz.h"

#include "base/alloc.h"
#include "base/fs.h"

#include <dirent.h>
#include <stdio.h>

#define MAX_INPUT_BYTES (1024 * 1024)

static int replay(const char *dir, const char *name)
{
	KT_AUTO_FREE char *path = kt_path_join(dir, name);
	KT_AUTO_BUF kt_buf text = KT_BUF_INIT;
	if (path == NULL || kt_fs_read(path, MAX_INPUT_BYTES, &text, NULL) < 0) {
		fprintf(stderr, "cannot read %s\n", name);
		return -1;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)kt_buf_str(&text), text.len);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	if (dir == NULL) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	int count = 0;
	int rc = 0;
	for (struct dirent *e; rc == 0 && (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] != '.') {
			rc = replay(argv[1], e->d_name);
			count++;
		}
	}
	closedir(dir);
	printf("%d inputs\n", count);
	return rc < 0 || count == 0 ? 1 : 0;
}
