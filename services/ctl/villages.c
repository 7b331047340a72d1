/* SPDX-License-Identifier: MIT */
/*
 * The register is a small table of text without quotes: code, name, kind, district
 * code, district name. A name alone is no key: ten names stand twice in Jember, and
 * some are those of another district.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "ctl.h"

enum { COLUMNS = 5 };

/* Names are compared without case, spaces, hyphens and apostrophes of any kind. */
static void fold(const char *text, char out[128])
{
	size_t size = 0;

	for (; *text != '\0' && size < 127; text++) {
		if (strchr(" -'`", *text) != NULL)
			continue;
		if (strncmp(text, "\xE2\x80\x99", 3) == 0) {
			text += 2;
			continue;
		}
		out[size++] = *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text;
	}
	out[size] = '\0';
}

static bool split(char *line, const char *cells[COLUMNS])
{
	for (int i = 0; i < COLUMNS; i++) {
		cells[i] = strsep(&line, ",\r\n");
		if (cells[i] == NULL)
			return false;
	}
	return true;
}

static void print_village(
        const struct ctl *ctl, const char *const cells[COLUMNS], bool first)
{
	struct buffer out = { 0 };
	static const char *const names[COLUMNS] = { "village_code", "name", "kind",
		"district_code", "district_name" };

	if (!ctl->json) {
		printf("%s  %s %s, kecamatan %s\n", cells[0], cells[2], cells[1],
		        cells[4]);
		return;
	}
	for (int i = 0; i < COLUMNS; i++) {
		buffer_format(&out, "%s\"%s\": ", i > 0 ? ", " : "", names[i]);
		buffer_append_json(&out, bytes_of(cells[i]));
	}
	buffer_append_byte(&out, 0);
	printf("%s{%s}", first ? "" : ", ", (char *)out.data);
	buffer_clear(&out);
}

static size_t find_in(const struct ctl *ctl, FILE *file, const char *wanted)
{
	char name[128];
	char folded[128];
	char *line = NULL;
	size_t room = 0;
	size_t found = 0;

	fold(wanted, name);
	while (getline(&line, &room, file) >= 0) {
		const char *cells[COLUMNS];

		if (!split(line, cells))
			continue;
		fold(cells[1], folded);
		if (strcmp(folded, name) == 0 || strcmp(cells[0], wanted) == 0)
			print_village(ctl, cells, found++ == 0);
	}
	free(line);
	return found;
}

bool ctl_villages_find(struct ctl *ctl, struct fault *fault)
{
	const char *path = conf_text(ctl->conf, "villages");
	const char *wanted;
	FILE *file;
	size_t found;

	if (!ctl_one_argument(ctl, "the name of a village", &wanted, fault))
		return false;
	file = fopen(path, "r");
	if (file == NULL)
		return fault_set(fault, FAULT_STOP, "%s: %s", path, strerror(errno));
	if (ctl->json)
		printf("[");
	found = find_in(ctl, file, wanted);
	if (ctl->json)
		printf("]\n");
	fclose(file);
	return found > 0
	       || fault_set(fault, FAULT_REJECT,
	               "no village of that name; in Jember none is written so");
}
