/* SPDX-License-Identifier: MIT */
/* A batch that takes longer than the database may: docs/decisions/0036. */
#include "flow/deliver_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	PATIENCE = 3, /* with one record alone that takes too long */
	COMPANY = 20, /* then it is tried among others */
};

bool deliver_is_slow(struct deliver *deliver)
{
	const struct slow *slow = &deliver->slow;
	const struct partition *own = slow->any ? deliver_find_partition(
	                                      deliver, slow->topic, slow->partition)
	                                        : NULL;

	return own != NULL && own->next <= slow->offset;
}

/* How many records of the batch are new, and the last of them. */
static size_t count_new(struct deliver *deliver, const struct topic_record **last)
{
	size_t count = 0;

	for (size_t i = 0; i < deliver->gathered; i++) {
		const struct topic_record *record = &deliver->records[i];
		const struct partition *own = deliver_find_partition(
		        deliver, record->topic, record->partition);

		if (own == NULL || record->offset < own->next)
			continue;
		count++;
		*last = record;
	}
	return count;
}

static void note_place(struct slow *slow, const struct topic_record *record)
{
	slow->any = true;
	snprintf(slow->topic, sizeof slow->topic, "%s", record->topic);
	slow->partition = record->partition;
	slow->offset = record->offset;
}

void deliver_slow_down(struct deliver *deliver, struct fault *fault)
{
	struct slow *slow = &deliver->slow;
	const struct topic_record *last = NULL;
	size_t count = count_new(deliver, &last);
	char what[200];

	if (count == 0)
		return;
	if (count > 1 && slow->alone < PATIENCE) {
		deliver->record_limit = (count + 1) / 2;
		slow->alone = 0;
		note_place(slow, last);
		snprintf(what, sizeof what,
		        "for %zu records; it is tried again with half of them", count);
	} else {
		if (slow->alone < PATIENCE) {
			slow->alone++;
			note_place(slow, last);
		}
		slow->proven = false;
		deliver->record_limit = slow->alone < PATIENCE ? 1 : COMPANY;
		snprintf(what, sizeof what,
		        "for one record, %.100s/%d, offset %" PRId64
		        "; it is set aside where others of its topic pass",
		        slow->topic, (int)slow->partition, slow->offset);
	}
	if (deliver->record_limit > deliver->record_room)
		deliver->record_limit = deliver->record_room;
	fault_code(fault, fault->kind, "57014",
	        "database: SQLSTATE 57014: the mapping takes longer than %g s %s",
	        (double)conf_number(deliver->conf, "statement_ms") / 1000, what);
}

bool deliver_holds_slow(struct deliver *deliver)
{
	const struct partition *own = deliver_find_partition(
	        deliver, deliver->slow.topic, deliver->slow.partition);

	return own != NULL && own->touched && own->read > deliver->slow.offset;
}

bool deliver_is_too_slow(const struct batch *batch)
{
	for (size_t i = 0; i < batch->lane_count; i++)
		for (size_t j = 0; j < batch->lanes[i].item_count; j++)
			if (strcmp(batch_refusal(&batch->lanes[i].items[j])->sqlstate,
			            "57014")
			        == 0)
				return true;
	return false;
}

bool deliver_needs_company(const struct deliver *deliver)
{
	return deliver->slow.alone >= PATIENCE;
}
