/* The layout of a tar header block, shared by the reader and the writer of this module. */
#ifndef KT_FILES_TAR_FORMAT_H
#define KT_FILES_TAR_FORMAT_H

#define KT_TAR_BLOCK 512

typedef struct kt_tar_header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char chksum[8];
	char typeflag;
	char linkname[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[155];
	char pad[12];
} kt_tar_header;

_Static_assert(sizeof(kt_tar_header) == KT_TAR_BLOCK, "a tar header is one block");

#endif
