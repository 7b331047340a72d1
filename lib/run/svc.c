/* SPDX-License-Identifier: MIT */
#include "run/svc.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"

enum {
	FIRST_PAUSE_MS = 100,
	LONGEST_PAUSE_MS = 5000,
	SLICE_MS = 50, /* how soon a stop is noticed while waiting */
};

struct svc {
	const struct svc_program *program;
	void *service;
	struct conf *conf;
	const char *path; /* of the settings */
	unsigned pause_ms;
};

/* One program a process, so the signals' state is the process's. */
static volatile sig_atomic_t stop_signals;
static volatile sig_atomic_t reload_signals;
static struct svc *signalled;

static void on_stop(int signal)
{
	(void)signal;
	if (stop_signals++ > 0)
		_exit(EXIT_OK);
	if (signalled->conf != NULL) {
		uint64_t drain_ms = conf_number(signalled->conf, "drain_ms");

		alarm((unsigned)(drain_ms + 999) / 1000 + 1);
	}
	if (signalled->program->hurry != NULL)
		signalled->program->hurry(signalled->service);
}

static void on_reload(int signal)
{
	(void)signal;
	reload_signals = 1;
	if (signalled->program->hurry != NULL)
		signalled->program->hurry(signalled->service);
}

static void on_alarm(int signal)
{
	(void)signal;
	_exit(EXIT_TRY_AGAIN);
}

static void take_signals(struct svc *svc)
{
	struct sigaction stop = { .sa_handler = on_stop };
	struct sigaction late = { .sa_handler = on_alarm };
	struct sigaction reload = { .sa_handler = on_reload };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	signalled = svc;
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGALRM, &late, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore,
	        NULL); /* a file that may not grow is an error of its write */
	sigaction(SIGHUP, svc->program->reload ? &reload : &ignore, NULL);
}

static void print_help(const struct svc_program *program)
{
	char name[32] = "";

	for (size_t i = 0; program->name[i] != '\0' && i + 1 < sizeof name; i++)
		name[i] = (char)toupper((unsigned char)program->name[i]);
	printf("%s: %s\n\n"
	       "  --conf FILE   settings, lines of `key = value`\n"
	       "  --check       print every setting in force and where it came from\n"
	       "  --settings    print the table of settings as lines for "
	       "docs/settings.md\n"
	       "  --version     print the version\n"
	       "  --help        print this\n\n"
	       "Settings (KENTONGAN_%s_<KEY> in the environment wins over the file):\n",
	        program->binary, program->purpose, name);
	conf_help(program->keys, stdout);
}

struct arguments {
	const char *path;
	bool check;
	bool done; /* help and the like: nothing more to do */
};

static bool parse_arguments(const struct svc_program *program, int argc, char **argv,
        struct arguments *out, struct fault *fault)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			print_help(program);
			out->done = true;
		} else if (strcmp(argv[i], "--version") == 0) {
			printf("%s %s\n", program->binary, KENTONGAN_VERSION);
			out->done = true;
		} else if (strcmp(argv[i], "--settings") == 0) {
			conf_table(program->keys, stdout);
			out->done = true;
		} else if (strcmp(argv[i], "--check") == 0) {
			out->check = true;
		} else if (strcmp(argv[i], "--conf") == 0 && i + 1 < argc) {
			out->path = argv[++i];
		} else {
			return fault_code(fault, FAULT_STOP, "usage",
			        "%.64s is no argument of %s; --help lists them",
			        argv[i], program->binary);
		}
	}
	return true;
}

static void follow_log_level(const struct conf *conf)
{
	log_from(conf_is(conf, "log_level", "info")   ? LOG_INFO
	         : conf_is(conf, "log_level", "warn") ? LOG_WARN
	                                              : LOG_ERROR);
}

static bool svc_start(struct svc *svc, int argc, char **argv, struct fault *fault)
{
	struct arguments arguments = { 0 };
	const struct svc_program *program = svc->program;

	if (!parse_arguments(program, argc, argv, &arguments, fault) || arguments.done)
		return false;
	svc->path = arguments.path;
	if (!conf_read(&svc->conf, program->name, program->keys, arguments.path, fault))
		return false;
	if (arguments.check)
		conf_print(svc->conf, stdout);
	if (program->check != NULL && !program->check(svc->conf, fault))
		return false;
	if (arguments.check)
		return false;
	follow_log_level(svc->conf);
	json_object_seed(0); /* before there are threads */
	take_signals(svc);
	return true;
}

bool svc_begin(struct svc **out, const struct svc_program *program, void *service,
        int argc, char **argv, struct fault *fault)
{
	struct svc *svc = calloc(1, sizeof *svc);

	log_open(program->name, LOG_INFO);
	if (svc == NULL)
		return fault_memory(fault);
	svc->program = program;
	svc->service = service;
	*out = svc;
	return svc_start(svc, argc, argv, fault);
}

static void sleep_ms(unsigned ms)
{
	struct timespec span = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&span, NULL);
}

/* Wait before the same step again: longer each time, never in step with others. */
static void svc_wait(struct svc *svc)
{
	unsigned left;

	svc->pause_ms = svc->pause_ms ? svc->pause_ms * 2 : FIRST_PAUSE_MS;
	if (svc->pause_ms > LONGEST_PAUSE_MS)
		svc->pause_ms = LONGEST_PAUSE_MS;
	left = svc->pause_ms / 2 + (unsigned)random() % (svc->pause_ms / 2 + 1);
	for (; left > 0 && !svc_stopping(svc);
	        left -= left < SLICE_MS ? left : SLICE_MS)
		sleep_ms(left < SLICE_MS ? left : SLICE_MS);
}

bool svc_run(struct svc *svc, struct fault *fault)
{
	while (!svc_stopping(svc)) {
		if (reload_signals) {
			reload_signals = 0;
			svc->program->reload(svc->service);
		}
		if (svc->program->step(svc->service, fault) != STEP_FAULT) {
			svc->pause_ms = 0;
			continue;
		}
		switch (fault->kind) {
		case FAULT_NONE:
		case FAULT_RETRY:
		case FAULT_UNSURE:
			log_fault(NULL, "waiting", fault);
			svc_wait(svc);
			fault_clear(fault);
			break;
		case FAULT_REJECT:
		case FAULT_STOP:
			return false;
		}
	}
	return true;
}

int svc_exit_status(const struct fault *fault)
{
	switch (fault->kind) {
	case FAULT_NONE:
		return EXIT_OK;
	case FAULT_RETRY:
	case FAULT_UNSURE:
		return strcmp(fault->code, "unreachable") == 0 ? EXIT_UNREACHABLE
		                                               : EXIT_TRY_AGAIN;
	case FAULT_REJECT:
		return EXIT_DATA;
	case FAULT_STOP:
		if (strcmp(fault->code, "out-of-memory") == 0
		        || strcmp(fault->code, "internal") == 0
		        || strcmp(fault->code, "damaged") == 0)
			return EXIT_INTERNAL;
		return strcmp(fault->code, "usage") == 0 ? EXIT_USAGE
		                                         : EXIT_CONFIGURATION;
	}
	return EXIT_INTERNAL;
}

int svc_end(struct svc **svc, struct fault *fault)
{
	int status = svc_exit_status(fault);

	if (status != EXIT_OK)
		log_error(NULL, "%s", fault->text);
	if (*svc != NULL) {
		signal(SIGTERM, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		conf_close(&(*svc)->conf);
		free(*svc);
		*svc = NULL;
	}
	return status;
}

_Noreturn void svc_start_again(char **argv)
{
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	execv("/proc/self/exe", argv);
	_exit(EXIT_INTERNAL);
}

const struct conf *svc_conf(const struct svc *svc)
{
	return svc->conf;
}

static void tell_change(const char *name, const char *value, bool taken)
{
	if (!taken)
		log_info(NULL, "%s waits for the next start", name);
	else if (value[0] == '\0')
		log_info(NULL, "%s is what the file says now", name);
	else
		log_info(NULL, "%s is %s now", name, value);
}

bool svc_renew(struct svc *svc, const char *const *names, svc_check *check,
        struct fault *fault)
{
	const struct svc_program *program = svc->program;
	struct conf *fresh;

	if (!conf_read(&fresh, program->name, program->keys, svc->path, fault))
		return false;
	if (check != NULL && !check(fresh, fault)) {
		conf_close(&fresh);
		return false;
	}
	if (!conf_renew(svc->conf, &fresh, names, tell_change, fault))
		return false;
	follow_log_level(svc->conf);
	return true;
}

bool svc_stopping(const struct svc *svc)
{
	(void)svc;
	return stop_signals > 0;
}

bool svc_write_address(const struct svc *svc, const char *address, struct fault *fault)
{
	const char *path = conf_text(svc->conf, "address_file");
	char fresh[4096];
	FILE *file;
	bool ok;

	if (path[0] == '\0')
		return true;
	snprintf(fresh, sizeof fresh, "%s.new", path);
	file = fopen(fresh, "w");
	ok = file != NULL && fprintf(file, "%s\n", address) > 0;
	if (file != NULL)
		ok = fclose(file) == 0 && ok;
	return (ok && rename(fresh, path) == 0)
	       || fault_set(
	               fault, FAULT_STOP, "address_file %s: %s", path, strerror(errno));
}
