/* SPDX-License-Identifier: MIT */
#include "port/spool_head.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/identity.h"

enum {
	SLOT_BYTES = 4096,
	SLOTS = 2,
	STAMPS = 2,
	SLACK_US = 100000,
	ASK_US = 1000000, /* the kernel writes a time anew that was asked for */
};

static const char magic[8] = "kntgnhd2";

/* As it stands on disk, in the machine's own byte order: the file never travels. */
struct slot {
	char magic[8];
	uint64_t counter;
	uint64_t count;
	struct head_entry entries[HEAD_STREAMS];
	uint8_t sum[DIGEST_BYTES]; /* SHA-256 of all above, the entries in use only */
	/* With a sum of its own, so that releases without it read and write the rest.
	 */
	int64_t written_us;
	uint8_t written_sum[DIGEST_BYTES]; /* SHA-256 of sum and written_us */
};

_Static_assert(sizeof(struct slot) <= SLOT_BYTES, "a slot fits its place");

struct head_file {
	int fd;
	struct slot last;
	bool has_last;
	bool touched;
	int64_t asked_us;  /* monotonic: when a slot's time was found right; 0: never */
	int64_t offset_us; /* of the wall clock, then */
};

static void sum_of(const struct slot *slot, uint8_t sum[DIGEST_BYTES])
{
	struct bytes used = { (const uint8_t *)slot,
		offsetof(struct slot, entries) + slot->count * sizeof *slot->entries };

	digest_of(&used, 1, sum);
}

static bool slot_is_good(const struct slot *slot)
{
	uint8_t sum[DIGEST_BYTES];

	if (memcmp(slot->magic, magic, sizeof magic) != 0 || slot->count > HEAD_STREAMS)
		return false;
	sum_of(slot, sum);
	return memcmp(slot->sum, sum, sizeof sum) == 0;
}

static void sum_of_time(const struct slot *slot, uint8_t sum[DIGEST_BYTES])
{
	struct bytes pieces[] = { { slot->sum, sizeof slot->sum },
		{ (const uint8_t *)&slot->written_us, sizeof slot->written_us } };

	digest_of(pieces, 2, sum);
}

static bool has_time(const struct slot *slot)
{
	uint8_t sum[DIGEST_BYTES];

	sum_of_time(slot, sum);
	return slot->written_us != 0 && memcmp(slot->written_sum, sum, sizeof sum) == 0;
}

/*
 * Whether the file system says that the file was changed after this moment. A copy may
 * keep every time but this one, which only the kernel sets.
 */
static bool is_changed_after(int fd, int64_t wall_us)
{
	struct statx info;

	return statx(fd, "", AT_EMPTY_PATH, STATX_CTIME, &info) == 0
	       && (info.stx_mask & STATX_CTIME) != 0
	       && info.stx_ctime.tv_sec * 1000000 + info.stx_ctime.tv_nsec / 1000
	                  > wall_us + SLACK_US;
}

static void read_slots(struct head_file *head)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot slot;

		if (pread(head->fd, &slot, sizeof slot, i * SLOT_BYTES)
		                == (ssize_t)sizeof slot
		        && slot_is_good(&slot)
		        && (!head->has_last || slot.counter > head->last.counter)) {
			head->last = slot;
			head->has_last = true;
		}
	}
}

static bool head_fault(const char *what, struct fault *fault)
{
	if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
		return fault_code(fault, FAULT_RETRY, "disk-full",
		        "spool head: no room on the disk");
	return fault_code(fault, FAULT_STOP, "internal", "spool head: %s: %s", what,
	        strerror(errno));
}

/* A disk may take a part only. */
static bool write_whole(int fd, const void *data, size_t size, off_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t count = pwrite(fd, (const uint8_t *)data + done, size - done,
		        offset + (off_t)done);

		if (count < 0 && errno != EINTR)
			return false;
		done += count > 0 ? (size_t)count : 0;
	}
	return true;
}

/* Written whole once, so that later writes change blocks that exist. */
static bool make_room(struct head_file *head, struct fault *fault)
{
	static const uint8_t zeros[SLOTS * SLOT_BYTES];

	if (lseek(head->fd, 0, SEEK_END) >= (off_t)sizeof zeros)
		return true;
	return (write_whole(head->fd, zeros, sizeof zeros, 0) && fsync(head->fd) == 0)
	       || head_fault("write", fault);
}

bool head_open(struct head_file **out, const char *path, struct fault *fault)
{
	struct head_file *head = calloc(1, sizeof *head);

	if (head == NULL)
		return fault_memory(fault);
	head->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (head->fd < 0) {
		head_fault(path, fault);
		free(head);
		return false;
	}
	read_slots(head);
	head->touched = head->has_last && has_time(&head->last)
	                && is_changed_after(head->fd, head->last.written_us);
	if (!head->has_last && !make_room(head, fault)) {
		head_close(&head);
		return false;
	}
	*out = head;
	return true;
}

void head_close(struct head_file **head)
{
	if (*head == NULL)
		return;
	close((*head)->fd);
	free(*head);
	*head = NULL;
}

bool head_read(const struct head_file *head, struct head_entry entries[HEAD_STREAMS],
        size_t *count)
{
	*count = head->has_last ? head->last.count : 0;
	memcpy(entries, head->last.entries, *count * sizeof *entries);
	return head->has_last;
}

bool head_was_touched(const struct head_file *head)
{
	return head->touched;
}

/* Neither has the program stood still since, nor was a clock set since it was asked. */
static bool is_right_still(const struct head_file *head, int64_t began_us)
{
	int64_t now_us = clock_monotonic_us();
	int64_t shift_us = head->last.written_us - began_us - head->offset_us;

	return head->asked_us != 0 && now_us - head->asked_us < ASK_US
	       && now_us - began_us < SLACK_US / 2 && llabs(shift_us) < SLACK_US / 2;
}

static bool is_right(struct head_file *head, int64_t began_us)
{
	if (is_right_still(head, began_us))
		return true;
	if (is_changed_after(head->fd, head->last.written_us))
		return false;
	head->asked_us = began_us;
	head->offset_us = head->last.written_us - began_us;
	return true;
}

/*
 * The slot says when it was written. Where the file system says later at once, since
 * the program stood still between the two or its clock is another, the time is taken
 * anew, and then left out: what a later opening takes for a stranger's hand must not be
 * ours.
 */
static bool put_slot(struct head_file *head)
{
	struct slot *slot = &head->last;

	for (int stamps = 0;; stamps++) {
		int64_t began_us = clock_monotonic_us();

		slot->written_us = stamps < STAMPS ? clock_wall_us() : 0;
		sum_of_time(slot, slot->written_sum);
		if (!write_whole(head->fd, slot, sizeof *slot,
		            (off_t)(slot->counter % SLOTS) * SLOT_BYTES))
			return false;
		if (slot->written_us == 0 || is_right(head, began_us))
			return true;
	}
}

bool head_write(struct head_file *head, const struct head_entry *entries, size_t count,
        struct fault *fault)
{
	struct slot *slot = &head->last;

	assert(count <= HEAD_STREAMS);
	memcpy(slot->magic, magic, sizeof magic);
	slot->counter++;
	slot->count = count;
	memset(slot->entries, 0, sizeof slot->entries);
	memcpy(slot->entries, entries, count * sizeof *entries);
	sum_of(slot, slot->sum);
	head->has_last = true;
	if (put_slot(head) && fdatasync(head->fd) == 0)
		return true;
	slot->counter--; /* the slot that is spoilt now, not the good one, comes next */
	return head_fault("write", fault);
}

void head_name(
        const char *incarnation, const char *topic, uint8_t name[HEAD_NAME_BYTES])
{
	struct bytes text = bytes_of(topic);
	uint8_t whole[DIGEST_BYTES];

	memset(name, 0, HEAD_NAME_BYTES);
	if (!identity_parse(bytes_of(incarnation), name))
		return;
	digest_of(&text, 1, whole);
	memcpy(name + 16, whole, 8);
}
