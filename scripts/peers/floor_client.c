/* The least that a WebSocket client does: a read, a write, and one wait for many of them.

`floor_client HOST PORT CONNECTIONS SIZE` says `ready`. For each line of its input, a number of
seconds, it loads that long and prints how many messages came back, in how many seconds, at what
cost of CPU time. Each connection that can be read is read once, and the frame that was masked at
the start is written to it again. Nothing is compared but the number of bytes, nothing is timed. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { MOST_EVENTS = 512, READ_BYTES = 65536, HEAD_BYTES = 2, MASK_BYTES = 4, WAIT_MS = 1000 };
static const double DRAIN_S = 1;

static char buffer[READ_BYTES];

static void stop(const char *why) {
    perror(why);
    exit(1);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* Connect and switch to WebSocket. */
static int opened(const struct sockaddr_in *address) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: floor\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char switching[] = "HTTP/1.1 101 ";
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address))
        stop("connect");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
        stop("TCP_NODELAY");
    if (send(fd, request, sizeof request - 1, 0) != (ssize_t)(sizeof request - 1))
        stop("handshake");
    size_t got = 0;
    do {
        ssize_t more = recv(fd, buffer + got, READ_BYTES - 1 - got, 0);
        if (more <= 0)
            stop("handshake");
        got += (size_t)more;
        buffer[got] = '\0';
    } while (!strstr(buffer, "\r\n\r\n"));
    if (strncmp(buffer, switching, sizeof switching - 1))
        stop("the server did not switch to WebSocket");
    return fd;
}

/* Write a client's frame, masked, with a text of so many bytes; return its size. */
static size_t masked(unsigned char *frame, size_t text) {
    static const unsigned char mask[MASK_BYTES] = {0x37, 0xfa, 0x21, 0x3d};
    frame[0] = 0x81;
    frame[1] = (unsigned char)(0x80 | text);
    memcpy(frame + HEAD_BYTES, mask, MASK_BYTES);
    for (size_t i = 0; i < text; i++)
        frame[HEAD_BYTES + MASK_BYTES + i] = (unsigned char)('x' ^ mask[i % MASK_BYTES]);
    return HEAD_BYTES + MASK_BYTES + text;
}

static void send_frame(int fd, const unsigned char *frame, size_t size) {
    if (send(fd, frame, size, 0) != (ssize_t)size)
        stop("send");
}

/* Read a message of each connection that has one, and answer it where a frame is given. */
static long turn(int watch, size_t size, const unsigned char *frame, size_t frame_size) {
    static struct epoll_event events[MOST_EVENTS];
    int ready = epoll_wait(watch, events, MOST_EVENTS, WAIT_MS);
    if (ready < 0)
        stop("epoll_wait");
    for (int i = 0; i < ready; i++) {
        if (recv(events[i].data.fd, buffer, READ_BYTES, 0) != (ssize_t)size)
            stop("not one whole message");
        if (frame)
            send_frame(events[i].data.fd, frame, frame_size);
    }
    return ready;
}

static void load(int watch, const int *fds, int connections, size_t size, double slice_s) {
    static unsigned char frame[128 + HEAD_BYTES + MASK_BYTES];
    size_t frame_size = masked(frame, size - HEAD_BYTES);
    double began_s = now_s(), before_s = cpu_s(), end_s = began_s + slice_s, ended_s;
    long came = 0;
    for (int i = 0; i < connections; i++)
        send_frame(fds[i], frame, frame_size);
    do {
        came += turn(watch, size, frame, frame_size);
        ended_s = now_s();
    } while (ended_s < end_s);
    double spent_s = cpu_s() - before_s;
    /* What is out comes back. */
    for (long out = connections; out > 0;) {
        long back = turn(watch, size, NULL, 0);
        if (!back && now_s() > ended_s + DRAIN_S)
            stop("a message did not come back");
        out -= back;
    }
    printf("%ld %.6f %.6f\n", came, ended_s - began_s, spent_s);
    fflush(stdout);
}

int main(int count, char **values) {
    if (count != 5)
        return 2;
    int connections = atoi(values[3]);
    size_t size = (size_t)atoi(values[4]);
    in_port_t port = htons((in_port_t)atoi(values[2]));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};
    /* A longer text has another head. */
    if (connections < 1 || size <= HEAD_BYTES || size > 125 + HEAD_BYTES ||
        inet_pton(AF_INET, values[1], &address.sin_addr) != 1)
        return 2;
    int *fds = calloc((size_t)connections, sizeof *fds), watch = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        fds[i] = opened(&address);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
        if (epoll_ctl(watch, EPOLL_CTL_ADD, fds[i], &event))
            stop("epoll_ctl");
    }
    puts("ready");
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin))
        load(watch, fds, connections, size, atof(line));
    return 0;
}
