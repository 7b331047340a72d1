/* SPDX-License-Identifier: MIT */
/* sysfs: /sys/class/net in the kernel's "Documentation/ABI/testing/sysfs-class-net". */
#include "machine.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES = 32 };

static bool read_word(const char *card, const char *what, char out[WORD_BYTES])
{
	char path[PATH_MAX];
	FILE *file;
	bool ok;

	snprintf(path, sizeof path, "/sys/class/net/%s/%s", card, what);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	ok = fgets(out, WORD_BYTES, file) != NULL;
	fclose(file);
	out[strcspn(out, "\n")] = '\0';
	return ok;
}

/* Built in, and with an address that it was made with. */
static bool is_for_life(const char *card)
{
	char path[PATH_MAX];
	char device[PATH_MAX];
	char given[WORD_BYTES];

	snprintf(path, sizeof path, "/sys/class/net/%s/device", card);
	return realpath(path, device) != NULL && strstr(device, "/usb") == NULL
	       && read_word(card, "addr_assign_type", given) && strcmp(given, "0") == 0;
}

static void add_cards(char *out, size_t room)
{
	char address[WORD_BYTES];
	DIR *cards = opendir("/sys/class/net");
	struct dirent *card;
	size_t size = 0;

	while (cards != NULL && (card = readdir(cards)) != NULL)
		if (card->d_name[0] != '.' && is_for_life(card->d_name)
		        && read_word(card->d_name, "address", address)
		        && size + strlen(address) + 2 < room)
			size += (size_t)snprintf(out + size, room - size, "%s%s",
			        size > 0 ? " " : "", address);
	if (cards != NULL)
		closedir(cards);
}

void machine_words(const struct conf *conf, char *out, size_t room)
{
	snprintf(out, room, "%s", conf_text(conf, "machine"));
	if (out[0] == '\0')
		add_cards(out, room);
}
