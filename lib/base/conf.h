/* SPDX-License-Identifier: MIT */
#ifndef BASE_CONF_H
#define BASE_CONF_H

/*
 * Settings: one table a program. From it come the parser, --help, --check and
 * docs/settings.md. Files are lines `key = value`; # begins a comment at the start of
 * a line. KENTONGAN_<PROGRAM>_<KEY> in the environment wins over the file, except for
 * secrets and families, which come from files only.
 *
 * Every fault is FAULT_STOP and names the file, the line and what to write instead.
 * Any thread may look at a conf. conf_renew() puts another picture of it in the place
 * of the one before, which stays until the close for those who still look at its texts.
 */

#include <stdint.h>
#include <stdio.h>

#include "base/fault.h"

enum conf_type {
	CONF_TEXT,
	CONF_PATH,
	CONF_MS,     /* milliseconds */
	CONF_COUNT,  /* whole number, 0 or more */
	CONF_SOME,   /* whole number, 1 or more */
	CONF_BYTES,  /* whole number, with K, M, G for powers of 1024 */
	CONF_FLAG,   /* yes or no */
	CONF_CHOICE, /* one of the words in `choices`, divided by | */
	CONF_SECRET, /* as TEXT, never shown and never from the environment */
	CONF_FAMILY, /* every key that begins with name and a dot */
};

struct conf_key {
	enum conf_type type;
	const char *name;
	const char *standard; /* the default; NULL: must be set (a family: none) */
	const char *help;     /* a sentence */
	const char *choices;
};

#define CONF_KEY(type, name, standard, help)                                           \
	{                                                                              \
		CONF_##type, #name, standard, help, NULL                               \
	}
#define CONF_MUST(type, name, help)                                                    \
	{                                                                              \
		CONF_##type, #name, NULL, help, NULL                                   \
	}
#define CONF_ONE_OF(name, standard, choices, help)                                     \
	{                                                                              \
		CONF_CHOICE, #name, standard, help, choices                            \
	}
#define CONF_ANY(name, help)                                                           \
	{                                                                              \
		CONF_FAMILY, #name, NULL, help, NULL                                   \
	}
#define CONF_END                                                                       \
	{                                                                              \
		CONF_TEXT, NULL, NULL, NULL, NULL                                      \
	}

struct conf;

/*
 * Read path (NULL: no file, standards and environment only) by the table, which must
 * outlive the conf. program is the middle of KENTONGAN_<PROGRAM>_<KEY>; NULL leaves
 * the environment out.
 */
MUST_CHECK bool conf_read(struct conf **out, const char *program,
        const struct conf_key *keys, const char *path, struct fault *fault);

/*
 * The same for a command line: options stand above the file, and the environment is
 * left out. The words of `--name value` in `options`, one after the other; a dash in a
 * name is an underscore. FAULT_STOP with code "usage" when an option is at fault.
 */
MUST_CHECK bool conf_read_options(struct conf **out, const struct conf_key *keys,
        const char *path, const char *const *options, size_t count,
        struct fault *fault);
void conf_close(struct conf **conf);

/*
 * Take over the named keys and families from *fresh, which was read by the same table
 * and is the conf's own afterwards, or is closed; *fresh becomes NULL. `told` hears of
 * each setting that differs: taken, or in force only after the next start; the value of
 * a secret and of a family is "".
 */
typedef void conf_listener(const char *name, const char *value, bool taken);
MUST_CHECK bool conf_renew(struct conf *conf, struct conf **fresh,
        const char *const *names, conf_listener *told, struct fault *fault);

/* The picture of this moment: what is read from it belongs together. */
const struct conf *conf_now(const struct conf *conf);

/* Values by key; asking for a key that the table lacks is an assert. */
const char *conf_text(const struct conf *conf, const char *name);
uint64_t conf_number(const struct conf *conf, const char *name);
bool conf_flag(const struct conf *conf, const char *name);
bool conf_is(const struct conf *conf, const char *name, const char *word);

/* The index-th member of a family: false after the last. name is without "family.". */
bool conf_member(const struct conf *conf, const char *family, size_t index,
        const char **out_name, const char **out_value);

/* The value of one member of a family, or NULL. */
const char *conf_member_of(
        const struct conf *conf, const char *family, const char *name);

/*
 * `key = value  # where from` for each setting in force; secrets as (set), members of a
 * family too whose names say that they are one.
 */
void conf_print(const struct conf *conf, FILE *out);

/* The table for people: key, type, default, sentence. */
void conf_help(const struct conf_key *keys, FILE *out);

/* The same as rows of a Markdown table. */
void conf_table(const struct conf_key *keys, FILE *out);

#endif
