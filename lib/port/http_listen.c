/* SPDX-License-Identifier: MIT */
/* Where a listener listens: an address and port, or a socket file. */
#include "port/http_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX "unix:" /* before a socket file's path */

enum { BACKLOG = 511 };

bool http_is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr)
		               >> 24
		       == 127;
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(
		        &((const struct sockaddr_in6 *)address)->sin6_addr);
	return false;
}

bool http_listen_fault(struct fault *fault, const char *listen, const char *why)
{
	return fault_set(fault, FAULT_STOP, "listen on %s: %s", listen, why);
}

/* What is another's, or not there yet, may be ours in a moment; all else is a setting.
 */
static bool system_fault(struct fault *fault, const char *listen)
{
	if (errno == EADDRINUSE || errno == EADDRNOTAVAIL)
		return fault_code(fault, FAULT_RETRY, "listen", "listen on %s: %s",
		        listen, strerror(errno));
	return http_listen_fault(fault, listen, strerror(errno));
}

static bool resolve(const char *listen, struct addrinfo **out, struct fault *fault)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST };
	const char *colon = strrchr(listen, ':');
	char host[128];
	int result;

	if (colon == NULL || strspn(colon + 1, "0123456789") != strlen(colon + 1)
	        || strtoul(colon + 1, NULL, 10) > 65535)
		return http_listen_fault(
		        fault, listen, "expected ADDRESS:PORT with a port up to 65535");
	snprintf(host, sizeof host, "%.*s", (int)(colon - listen), listen);
	if (host[0] == '[') {
		memmove(host, host + 1, strlen(host));
		host[strcspn(host, "]")] = '\0';
	}
	result = getaddrinfo(host, colon + 1, &hints, out);
	return result == 0 || http_listen_fault(fault, listen, gai_strerror(result));
}

static bool is_socket(const char *path)
{
	struct stat info;

	return lstat(path, &info) == 0 && S_ISSOCK(info.st_mode);
}

/*
 * A socket file: a proxy on this machine talks to it, and says who asks. Its group may
 * too. One that a program left behind which has ended is in the way.
 */
static bool open_socket_file(const char *listen_on, int *out, struct fault *fault)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = listen_on + strlen(UNIX);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && strlen(path) < sizeof address.sun_path;

	if (ok) {
		strcpy(address.sun_path, path);
		if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0
		        && errno == ECONNREFUSED && is_socket(path))
			unlink(path);
		close(fd);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ok = fd >= 0
		     && bind(fd, (struct sockaddr *)&address, sizeof address) == 0
		     && chmod(path, 0660) == 0 && listen(fd, BACKLOG) == 0;
	} else {
		errno = fd >= 0 ? ENAMETOOLONG : errno;
	}
	if (!ok) {
		system_fault(fault, listen_on);
		if (fd >= 0)
			close(fd);
		return false;
	}
	*out = fd;
	return true;
}

static bool is_socket_file(const char *listen_on)
{
	return strncmp(listen_on, UNIX, strlen(UNIX)) == 0;
}

bool http_check_listen(const char *listen, bool *out_is_local, struct fault *fault)
{
	struct addrinfo *info;

	*out_is_local = true;
	if (is_socket_file(listen))
		return strlen(listen + strlen(UNIX))
		               < sizeof((struct sockaddr_un *)0)->sun_path
		       || http_listen_fault(fault, listen, strerror(ENAMETOOLONG));
	if (!resolve(listen, &info, fault))
		return false;
	*out_is_local = http_is_loopback(info->ai_addr);
	freeaddrinfo(info);
	return true;
}

bool http_open_socket(const char *listen_on, int *out, struct fault *fault)
{
	struct addrinfo *info;
	int yes = 1;
	int fd;

	if (is_socket_file(listen_on))
		return open_socket_file(listen_on, out, fault);
	if (!resolve(listen_on, &info, fault))
		return false;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (fd < 0 || bind(fd, info->ai_addr, info->ai_addrlen) != 0
	        || listen(fd, BACKLOG) != 0) {
		system_fault(fault, listen_on);
		if (fd >= 0)
			close(fd);
		freeaddrinfo(info);
		return false;
	}
	freeaddrinfo(info);
	*out = fd;
	return true;
}

void http_note_address(struct http *http, int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;
	char host[64] = "";
	char port[16] = "";

	if (is_socket_file(http->settings.listen)) {
		snprintf(http->address, sizeof http->address, "%s",
		        http->settings.listen);
		http->is_local = true;
		return;
	}
	getsockname(fd, (struct sockaddr *)&address, &size);
	getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port,
	        sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(http->address, sizeof http->address,
	        address.ss_family == AF_INET6 ? "%s://[%s]:%s" : "%s://%s:%s",
	        http->certificate.size > 0 ? "https" : "http", host, port);
	http->is_local = http_is_loopback((const struct sockaddr *)&address);
}
