/* SPDX-License-Identifier: MIT */
/*
 * A disk that does not obey, for a program that is started with LD_PRELOAD of this
 * library: its reads, writes and syncs below the folder SICK_DISK_FOLDER fail as the
 * file SICK_DISK_ORDERS says, which the test changes while the program runs. The file
 * holds struct orders; a count below zero never ends.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct orders {
	_Atomic int32_t syncs;  /* so many fail ... */
	int32_t sync_errno;     /* ... with this */
	_Atomic int32_t writes; /* so many fail */
	int32_t write_errno;
	_Atomic int32_t shorts;  /* so many write half of what was asked */
	_Atomic int32_t reads;   /* so many fail with EIO */
	_Atomic int32_t stuck;   /* syncs wait until it is 0 again */
	_Atomic int32_t waiting; /* syncs that do */
};

static struct orders *orders;
static char folder[4096];

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("SICK_DISK_ORDERS");
	const char *place = getenv("SICK_DISK_FOLDER");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd >= 0 ? mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE,
	                    MAP_SHARED, fd, 0)
	                    : MAP_FAILED;

	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED || place == NULL)
		return;
	snprintf(folder, sizeof folder, "%s/", place);
	orders = map;
}

static bool is_meant(int fd)
{
	char name[64];
	char path[4096];
	ssize_t size;

	if (orders == NULL)
		return false;
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	size = readlink(name, path, sizeof path - 1);
	if (size < 0)
		return false;
	path[size] = '\0';
	return strncmp(path, folder, strlen(folder)) == 0;
}

/* Whether one more is to be spoilt; it is counted. */
static bool take(_Atomic int32_t *count)
{
	int32_t left = atomic_load(count);

	while (left > 0 && !atomic_compare_exchange_weak(count, &left, left - 1))
		continue;
	return left != 0;
}

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static void wait_while_stuck(void)
{
	static const struct timespec moment = { .tv_nsec = 1000000 };

	atomic_fetch_add(&orders->waiting, 1);
	while (atomic_load(&orders->stuck) != 0)
		nanosleep(&moment, NULL);
	atomic_fetch_sub(&orders->waiting, 1);
}

static int spoil_sync(const char *name, int fd)
{
	int (*real)(int);

	*(void **)&real = next(name);
	if (orders != NULL && atomic_load(&orders->stuck) != 0 && is_meant(fd))
		wait_while_stuck();
	if (orders != NULL && atomic_load(&orders->syncs) != 0 && is_meant(fd)
	        && take(&orders->syncs)) {
		errno = orders->sync_errno;
		return -1;
	}
	return real(fd);
}

int fsync(int fd)
{
	return spoil_sync("fsync", fd);
}

int fdatasync(int fd)
{
	return spoil_sync("fdatasync", fd);
}

/* The size that is really to be written; -1: none, see errno. */
static ssize_t spoil_write(int fd, size_t size)
{
	if (orders == NULL
	        || (atomic_load(&orders->writes) == 0
	                && atomic_load(&orders->shorts) == 0)
	        || !is_meant(fd))
		return (ssize_t)size;
	if (take(&orders->writes)) {
		errno = orders->write_errno;
		return -1;
	}
	return (ssize_t)(size > 1 && take(&orders->shorts) ? size / 2 : size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	ssize_t (*real)(int, const void *, size_t, off_t);
	ssize_t wanted = spoil_write(fd, size);

	*(void **)&real = next("pwrite");
	return wanted < 0 ? -1 : real(fd, data, (size_t)wanted, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	ssize_t (*real)(int, const void *, size_t, off64_t);
	ssize_t wanted = spoil_write(fd, size);

	*(void **)&real = next("pwrite64");
	return wanted < 0 ? -1 : real(fd, data, (size_t)wanted, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
	ssize_t (*real)(int, const void *, size_t);
	ssize_t wanted = spoil_write(fd, size);

	*(void **)&real = next("write");
	return wanted < 0 ? -1 : real(fd, data, (size_t)wanted);
}

static bool spoil_read(int fd)
{
	if (orders == NULL || atomic_load(&orders->reads) == 0 || !is_meant(fd)
	        || !take(&orders->reads))
		return false;
	errno = EIO;
	return true;
}

ssize_t pread(int fd, void *out, size_t size, off_t offset)
{
	ssize_t (*real)(int, void *, size_t, off_t);

	*(void **)&real = next("pread");
	return spoil_read(fd) ? -1 : real(fd, out, size, offset);
}

ssize_t pread64(int fd, void *out, size_t size, off64_t offset)
{
	ssize_t (*real)(int, void *, size_t, off64_t);

	*(void **)&real = next("pread64");
	return spoil_read(fd) ? -1 : real(fd, out, size, offset);
}
