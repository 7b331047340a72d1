/* SPDX-License-Identifier: MIT */
#include "flow/straight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void straight_forget(struct straight *straight)
{
	free(straight->copy);
	free(straight->guard);
	free(straight->wanted);
	buffer_clear(&straight->rows);
	*straight = (struct straight){ 0 };
}

/* "0,3,4": the cells that the COPY has, in the order of the batch. */
static bool note_wanted(struct straight *straight, const char *list)
{
	while (*list != '\0') {
		char *end;
		unsigned long cell = strtoul(list, &end, 10);

		if (end == list || cell >= straight->cell_count)
			return false;
		straight->wanted[cell] = true;
		straight->wanted_count++;
		list = *end == ',' ? end + 1 : end;
	}
	return straight->wanted_count > 0;
}

static bool note_way(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct straight *straight = context;

	(void)count;
	straight->copy = strdup(texts[0]);
	straight->guard = strdup(texts[3]);
	straight->wanted = calloc(straight->cell_count, sizeof *straight->wanted);
	if (straight->copy == NULL || straight->guard == NULL
	        || straight->wanted == NULL)
		return fault_memory(fault);
	straight->conflicts = texts[2][0] == 't';
	return note_wanted(straight, texts[1])
	       || fault_set(fault, FAULT_STOP,
	               "kentongan.straight() names no cells of the batch");
}

bool straight_learn(struct straight *straight, struct table *table, const char *mapping,
        size_t cell_count, struct fault *fault)
{
	char sql[256];
	bool ok;

	straight_forget(straight);
	straight->cell_count = cell_count;
	snprintf(sql, sizeof sql,
	        "SELECT copy, cells, conflicts, guard FROM "
	        "kentongan.straight('%.160s')",
	        mapping);
	ok = table_query(table, sql, note_way, straight, fault);
	if (!ok)
		straight_forget(straight);
	return ok || strcmp(fault->code, "42883") == 0; /* not there yet */
}
