/* SPDX-License-Identifier: MIT */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { LOOK_MS = 200, PATH_BYTES = 4096 };

struct room {
	const struct conf *conf;
	char ballast[PATH_BYTES + 16];
	uint64_t ballast_bytes; /* 0: none is kept, or none can be made */
	int64_t looked_us;      /* monotonic; 0: never */
	bool spent;             /* the ballast is given back */
	atomic_bool refused;    /* a write, although there is room by free bytes */
	_Atomic enum room_stage stage;
};

const char *room_stage_name(enum room_stage stage)
{
	static const char *const names[] = { "ok", "low", "scarce", "full", "full" };

	return names[stage];
}

enum room_stage room_stage(const struct room *room)
{
	return atomic_load(&room->stage);
}

enum room_stage room_told(const struct room *room)
{
	enum room_stage stage = room_stage(room);

	return atomic_load(&room->refused) && stage < ROOM_FULL ? ROOM_FULL : stage;
}

static void note_stage(struct room *room, enum room_stage stage, uint64_t free_bytes)
{
	enum room_stage before = atomic_exchange(&room->stage, stage);

	if (stage > before)
		log_warn(NULL, "disk %s: %llu bytes are free", room_stage_name(stage),
		        (unsigned long long)free_bytes);
	else if (stage < before)
		log_info(NULL, "disk %s again: %llu bytes are free",
		        room_stage_name(stage), (unsigned long long)free_bytes);
}

/* 0, or the system's number of what is in the way. */
static int write_ballast(const struct room *room)
{
	off_t size = (off_t)room->ballast_bytes;
	int fd = open(room->ballast, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat info;
	int error = 0;

	if (fd < 0)
		return errno;
	if (fstat(fd, &info) != 0 || info.st_size != size
	        || info.st_blocks * 512 < size)
		error = posix_fallocate(fd, 0, size);
	close(fd);
	if (error != 0)
		unlink(room->ballast);
	return error;
}

/* False: there is no room for it now. One that can never be made is done without. */
static bool make_ballast(struct room *room, const struct statvfs *disk)
{
	bool fits = room->ballast_bytes / disk->f_frsize < disk->f_blocks;
	int error = room->ballast_bytes == 0 ? 0 : fits ? write_ballast(room) : EFBIG;

	if (error == 0)
		return true;
	if (fits && (error == ENOSPC || error == EDQUOT))
		return false;
	log_warn(NULL, "no ballast, %s: %s; a full disk will be harder to leave",
	        room->ballast, strerror(error));
	room->ballast_bytes = 0;
	return true;
}

static bool has_room(const struct room *room, uint64_t free_bytes)
{
	return free_bytes
	       > conf_number(room->conf, "disk_full_bytes") + room->ballast_bytes;
}

/* A limit that free bytes do not show is gone when a write succeeds: it is tried. */
static enum room_stage stage_of(const struct room *room, uint64_t free_bytes)
{
	if (room->spent && !(room->refused && has_room(room, free_bytes)))
		return ROOM_NONE;
	if (free_bytes < conf_number(room->conf, "disk_full_bytes"))
		return ROOM_FULL;
	if (free_bytes < conf_number(room->conf, "disk_scarce_bytes"))
		return ROOM_SCARCE;
	return free_bytes < conf_number(room->conf, "disk_low_bytes") ? ROOM_LOW
	                                                              : ROOM_OK;
}

static void look(struct room *room)
{
	struct statvfs disk;
	uint64_t free_bytes;

	if (statvfs(conf_text(room->conf, "spool"), &disk) != 0)
		return;
	free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	if (room->spent && !room->refused && has_room(room, free_bytes))
		room->spent = !make_ballast(room, &disk);
	note_stage(room, stage_of(room, free_bytes), free_bytes);
}

bool room_look(struct room *room)
{
	int64_t now_us = clock_monotonic_us();

	if (room->looked_us != 0 && now_us - room->looked_us < LOOK_MS * 1000)
		return false;
	room->looked_us = now_us;
	look(room);
	return true;
}

void room_note_refused(struct room *room)
{
	struct statvfs disk;
	uint64_t free_bytes = 0;

	if (statvfs(conf_text(room->conf, "spool"), &disk) == 0)
		free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	if (has_room(room, free_bytes) && !atomic_exchange(&room->refused, true))
		log_warn(NULL,
		        "disk full: a write was refused, though %llu bytes are free; a "
		        "quota, or a limit on the size of files",
		        (unsigned long long)free_bytes);
	if (!room->spent)
		unlink(room->ballast);
	room->spent = true;
	look(room);
}

void room_note_stored(struct room *room)
{
	if (room->refused && atomic_exchange(&room->refused, false))
		log_info(NULL, "disk: writes are taken again");
}

bool room_open(struct room **out, const struct conf *conf, struct fault *fault)
{
	struct room *room = calloc(1, sizeof *room);
	struct statvfs disk;
	char real[PATH_MAX]; /* the spool may be a link to another disk */

	if (room == NULL)
		return fault_memory(fault);
	room->conf = conf;
	room->ballast_bytes = conf_number(conf, "ballast_bytes");
	snprintf(room->ballast, sizeof room->ballast, "%s.ballast",
	        realpath(conf_text(conf, "spool"), real) != NULL
	                ? real
	                : conf_text(conf, "spool"));
	room->spent = statvfs(conf_text(conf, "spool"), &disk) == 0
	              && !make_ballast(room, &disk);
	room_look(room);
	*out = room;
	return true;
}

void room_close(struct room **room)
{
	free(*room);
	*room = NULL;
}
