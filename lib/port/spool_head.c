/* SPDX-License-Identifier: MIT */
#include "port/spool_head.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event/identity.h"

enum { SLOT_BYTES = 4096, SLOTS = 2 };

static const char magic[8] = "kntgnhd2";

/* As it stands on disk, in the machine's own byte order: the file never travels. */
struct slot {
	char magic[8];
	uint64_t counter;
	uint64_t count;
	struct head_entry entries[HEAD_STREAMS];
	uint8_t sum[DIGEST_BYTES]; /* SHA-256 of all above, the entries in use only */
};

_Static_assert(sizeof(struct slot) <= SLOT_BYTES, "a slot fits its place");

struct head_file {
	int fd;
	struct slot last;
	bool has_last;
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
	if (write_whole(head->fd, slot, sizeof *slot,
	            (off_t)(slot->counter % SLOTS) * SLOT_BYTES)
	        && fdatasync(head->fd) == 0)
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
