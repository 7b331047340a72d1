/* SPDX-License-Identifier: MIT */
/*
 * The bound that the gateway is measured against: an epoll server that reads a request
 * by its Content-Length, appends the bodies of a group to a file written before, syncs
 * once, and answers 201. It neither parses nor checks. bare_server FILE prints its
 * port.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 1024, EVENTS = 256, ROOM = 8192, FILE_BYTES = 64 << 20 };

struct client {
	int fd;
	size_t size;
	bool due; /* its body is in the group */
	char data[ROOM];
};

static struct client clients[CLIENTS];

static int open_file(const char *path)
{
	static const char zeros[1 << 16];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (size_t at = 0; at < FILE_BYTES; at += sizeof zeros)
		assert(write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros);
	assert(fd >= 0 && fsync(fd) == 0);
	return fd;
}

static int open_listener(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert(bind(fd, (struct sockaddr *)&address, size) == 0
	        && listen(fd, 511) == 0);
	getsockname(fd, (struct sockaddr *)&address, &size);
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void admit(int listener, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN };
	int yes = 1;
	int fd = accept(listener, NULL, NULL);

	assert(fd >= 0 && fd < CLIENTS);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	clients[fd].fd = fd;
	clients[fd].size = 0;
	event.data.fd = fd;
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The body when the request is whole, else NULL. */
static const char *whole(const struct client *client, size_t *size)
{
	const char *end = memmem(client->data, client->size, "\r\n\r\n", 4);
	const char *length;

	if (end == NULL)
		return NULL;
	length = strcasestr(client->data, "content-length:");
	*size = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
	return client->size >= (size_t)(end + 4 - client->data) + *size ? end + 4
	                                                                : NULL;
}

static void answer(struct client *client)
{
	static const char text[] =
	        "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";

	if (write(client->fd, text, sizeof text - 1) < 0)
		client->size = 0;
	client->size = 0;
	client->due = false;
}

static bool receive(struct client *client, int file, off_t *at)
{
	size_t size;
	const char *body;
	ssize_t got =
	        read(client->fd, client->data + client->size, ROOM - 1 - client->size);

	if (got <= 0) {
		close(client->fd);
		return false;
	}
	client->size += (size_t)got;
	client->data[client->size] = '\0';
	body = whole(client, &size);
	if (body == NULL)
		return false;
	if (*at + (off_t)size > FILE_BYTES)
		*at = 0;
	assert(pwrite(file, body, size, *at) == (ssize_t)size);
	*at += (off_t)size;
	client->due = true;
	return true;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int file = open_file(argc > 1 ? argv[1] : "bare.dat");
	int listener = open_listener();
	int epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
	off_t at = 0;

	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);
		bool any = false;

		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == listener)
				admit(listener, epoll);
			else
				any |= receive(&clients[events[i].data.fd], file, &at);
		}
		if (any)
			assert(fdatasync(file) == 0);
		for (int i = 0; i < count; i++)
			if (events[i].data.fd != listener
			        && clients[events[i].data.fd].due)
				answer(&clients[events[i].data.fd]);
	}
}
