/* SPDX-License-Identifier: MIT */
/* The spool's files as their folder has them: those of all its times, and for whom. */
#include "port/spool_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { NAME_BYTES = SPOOL_PATH_BYTES + 32 };

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

void path_follow(const char *path, char out[SPOOL_PATH_BYTES])
{
	if (realpath(path, out) == NULL)
		snprintf(out, SPOOL_PATH_BYTES, "%s", path);
}

int folder_open(const char *path)
{
	char folder[SPOOL_PATH_BYTES];
	char *slash;

	snprintf(folder, sizeof folder, "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		strcpy(folder, ".");
	else
		slash[slash == folder] = '\0';
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_link(const char *path)
{
	struct stat info;

	return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

static bool leads_nowhere(const char *path)
{
	struct stat info;

	return is_link(path) && stat(path, &info) != 0
	       && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR);
}

bool path_is_same(const char *one, const char *other)
{
	struct stat first;
	struct stat second;

	return lstat(one, &first) == 0 && lstat(other, &second) == 0
	       && first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

bool path_is_no_file(const char *path)
{
	struct stat info;

	return leads_nowhere(path)
	       || (stat(path, &info) == 0 && !S_ISREG(info.st_mode));
}

/* A disk that is not mounted; the folders of our own disk are a setting's fault. */
bool spool_has_disk(const char *path, struct fault *fault)
{
	char part[SPOOL_PATH_BYTES];

	for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/')) {
		snprintf(part, sizeof part, "%.*s", (int)(at - path), path);
		if (leads_nowhere(part))
			return fault_code(fault, FAULT_RETRY, "no-disk",
			        "spool: %s leads to a folder that is not there; is its "
			        "disk mounted?",
			        part);
	}
	return true;
}

static bool is_file(const char *path)
{
	struct stat info;

	return lstat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static void name_with(const char *path, const char *part, char out[NAME_BYTES])
{
	snprintf(out, NAME_BYTES, "%s%s", path, part);
}

void spool_clear_places(const char *path)
{
	static const char *const parts[] = { ".salvage", LOG_KEPT, LOG_KEPT ".draft",
		"-journal", ".lock" };
	char name[NAME_BYTES];
	char found[NAME_BYTES + 16];

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		name_with(path, parts[i], name);
		snprintf(found, sizeof found, "%s.found", name);
		if ((!path_is_no_file(name) && !is_link(name))
		        || rename(name, found) != 0)
			continue;
		log_warn(NULL, "the spool's %s is no file of its own; it is kept as %s",
		        name_of(name), name_of(found));
	}
}

void spool_bring_along(const char *link, const char *path)
{
	static const char *const parts[] = { "-wal", ".head" };
	char near[NAME_BYTES];
	char far[NAME_BYTES];
	char moved[NAME_BYTES + 16];

	if (!is_link(link))
		return;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		name_with(link, parts[i], near);
		name_with(path, parts[i], far);
		snprintf(moved, sizeof moved, "%s.moved", near);
		if (!is_file(near) || access(far, F_OK) == 0)
			continue;
		if (log_copy(near, far) && rename(near, moved) == 0)
			log_warn(NULL, "%s was left beside a link; it was copied to %s",
			        name_of(near), far);
		else
			log_error(NULL,
			        "%s was left beside a link and cannot be copied to %s: "
			        "%s; it holds events",
			        name_of(near), far, strerror(errno));
	}
}

/* SQLite does not follow a link to a log. */
bool spool_has_files(const char *path, struct fault *fault)
{
	static const char log[] = "-wal";
	static const char *const parts[] = { "", log, "-journal", ".head" };
	char name[SPOOL_PATH_BYTES + 16];

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		snprintf(name, sizeof name, "%s%s", path, parts[i]);
		if (leads_nowhere(name) && *parts[i] == '\0')
			return fault_code(fault, FAULT_STOP, "damaged",
			        "spool: %s is a link to what is not there",
			        name_of(name));
		if (path_is_no_file(name) || (parts[i] == log && is_link(name)))
			return fault_code(fault, FAULT_STOP, "damaged",
			        "spool: %s is no file", name_of(name));
	}
	return true;
}

/* A link to a spool that was not there, as spool_set_aside() has named it. */
static bool is_left_link(int folder, const char *name, const char *spool)
{
	static const char digits[] = "0123456789TZ";
	size_t size = strlen(spool);
	struct stat info;

	if (strncmp(name, spool, size) != 0
	        || strncmp(name + size, SET_ASIDE, strlen(SET_ASIDE)) != 0)
		return false;
	name += size + strlen(SET_ASIDE);
	return strcmp(name + strspn(name, digits), ".found") == 0
	       && fstatat(folder, name - size - strlen(SET_ASIDE), &info,
	                  AT_SYMLINK_NOFOLLOW)
	                  == 0
	       && S_ISLNK(info.st_mode);
}

void text_end_whole(char *text, size_t size)
{
	while (size > 0 && !bytes_is_text((struct bytes){ (uint8_t *)text, size }))
		size--;
	text[size] = '\0';
}

static void tell_link(int folder, const char *name, struct spool_loss *out)
{
	char target[64]; /* its beginning, for a person */
	ssize_t size = readlinkat(folder, name, target, sizeof target - 1);

	text_end_whole(target, size > 0 ? (size_t)size : 0);
	*out = (struct spool_loss){ .any = true, .done = true };
	snprintf(out->file, sizeof out->file, "%s", name);
	snprintf(out->reason, sizeof out->reason,
	        "it is a link to %s, which is %s; what lies there is not sent", target,
	        faccessat(folder, name, F_OK, 0) == 0 ? "there again" : "not there");
}

void spool_tell_left(const char *path, struct spool_loss *out)
{
	int fd = folder_open(path);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

	if (folder == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct dirent *at; (at = readdir(folder)) != NULL;)
		if (is_left_link(fd, at->d_name, name_of(path)))
			tell_link(fd, at->d_name, out);
	closedir(folder);
}

/* Other names that begin alike are somebody else's files. */
static bool holds_events(const char *name, const char *spool)
{
	static const char *const endings[] = { "", "-wal", LOG_KEPT, ".head" };
	size_t size = strlen(spool);

	if (strncmp(name, spool, size) != 0)
		return false;
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
		if (strcmp(name + size, endings[i]) == 0)
			return true;
	return strncmp(name + size, SET_ASIDE, strlen(SET_ASIDE)) == 0;
}

static void close_to_others(int folder, const char *name, struct spool_privacy *out)
{
	struct stat info;

	if (fstatat(folder, name, &info, 0) != 0 || !S_ISREG(info.st_mode)
	        || (info.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return;
	if (fchmodat(folder, name, S_IRUSR | S_IWUSR, 0) == 0)
		out->closed++;
	else
		out->open++;
}

/* The head is written anew: what was changed after its last writing is a copy. */
bool spool_keep_private(
        struct spool *spool, struct spool_privacy *out, struct fault *fault)
{
	const char *name = name_of(spool->path);
	int fd = folder_open(spool->path);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

	*out = (struct spool_privacy){ 0 };
	if (folder == NULL) {
		if (fd >= 0)
			close(fd);
		return true; /* a folder that may only be walked through */
	}
	for (const struct dirent *at; (at = readdir(folder)) != NULL;)
		if (holds_events(at->d_name, name))
			close_to_others(fd, at->d_name, out);
	closedir(folder);
	spool->unwitnessed = spool->unwitnessed || out->closed > 0;
	return spool_witness(spool, fault);
}
