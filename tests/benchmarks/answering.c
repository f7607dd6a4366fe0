/* An HTTP/1.1 server that does next to nothing: it answers every request with the same bytes. Prints the port it got.
 * Usage: answering BODY_BYTES. One thread, epoll, keep-alive; requests have no body. Ends when its stdin ends. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 65536
static struct { int matched; size_t owed; } peers[MOST];
static char *answer;
static size_t answer_size;

static void watch(int poll, int fd, int op, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(poll, op, fd, &event);
}

/* Write what is owed; whole answers follow one another, so the place in the answer is known from what is left. */
static int pay(int fd) {
    while (peers[fd].owed > 0) {
        size_t left = peers[fd].owed % answer_size ? peers[fd].owed % answer_size : answer_size;
        ssize_t sent = send(fd, answer + (answer_size - left), left, MSG_NOSIGNAL);
        if (sent < 0) return 0;
        peers[fd].owed -= sent;
    }
    return 1;
}

/* Count the blank lines that end requests, also where one is split over two reads. */
static void take(int fd, const char *bytes, ssize_t size) {
    static const char end[] = "\r\n\r\n";
    int matched = peers[fd].matched;
    for (ssize_t i = 0; i < size; i++) {
        matched = bytes[i] == end[matched] ? matched + 1 : bytes[i] == '\r';
        if (matched == 4) {
            peers[fd].owed += answer_size;
            matched = 0;
        }
    }
    peers[fd].matched = matched;
}

int main(int argc, char **argv) {
    size_t body = argc > 1 ? strtoul(argv[1], NULL, 10) : 11;
    answer = malloc(body + 256);
    answer_size = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", body);
    memset(answer + answer_size, 'x', body);
    answer_size += body;

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (void *)&address, length) || listen(listener, 1024)) return 1;
    getsockname(listener, (void *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    int poll = epoll_create1(0);
    watch(poll, listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(poll, STDIN_FILENO, EPOLL_CTL_ADD, EPOLLIN);
    static char bytes[65536];
    struct epoll_event ready[256];
    for (;;) {
        int count = epoll_wait(poll, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == STDIN_FILENO) return 0;
            if (fd == listener) {
                int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (peer < 0) continue;
                if (peer >= MOST) { close(peer); continue; }
                setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                memset(&peers[peer], 0, sizeof peers[peer]);
                watch(poll, peer, EPOLL_CTL_ADD, EPOLLIN);
                continue;
            }
            if (ready[i].events & EPOLLIN) {
                ssize_t size = recv(fd, bytes, sizeof bytes, 0);
                if (size <= 0) { close(fd); continue; }
                take(fd, bytes, size);
            } else if (ready[i].events & (EPOLLERR | EPOLLHUP)) { close(fd); continue; }
            watch(poll, fd, EPOLL_CTL_MOD, pay(fd) ? EPOLLIN : EPOLLIN | EPOLLOUT);
        }
    }
}
