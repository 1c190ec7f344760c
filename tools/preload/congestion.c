/*
 * Preloaded into a program, gives each of its TCP and MPTCP sockets the congestion control named by CONGESTION. A network
 * namespace cannot do that: as a default it takes only what the machine permits to everyone.
 *
 * What a program opens after it has given up being root, as a proxy does towards the web, it may have no right to change
 * and keeps the machine's choice.
 *
 * Stand before libraries that change the protocol of sockets, like mptcpize's, in LD_PRELOAD.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static int began_as_root;

__attribute__((constructor)) static void note_start(void) { began_as_root = geteuid() == 0; }

static const int kTypeBits = 0xf; /* the others are SOCK_NONBLOCK and SOCK_CLOEXEC */

__attribute__((visibility("default"))) int socket(int family, int type, int protocol) {
  int (*next)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
  const char* congestion = getenv("CONGESTION");
  int fd = next(family, type, protocol);
  int is_ip = family == AF_INET || family == AF_INET6;
  int is_tcp = protocol == 0 || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
  if (fd < 0 || congestion == NULL || !is_ip || !is_tcp || (type & kTypeBits) != SOCK_STREAM) return fd;
  if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t)strlen(congestion)) == 0) return fd;
  int reason = errno;
  if (reason == EPERM && began_as_root && geteuid() != 0) return fd;
  fprintf(stderr, "the TCP congestion control %s: %s\n", congestion, strerror(reason));
  close(fd);
  errno = reason;
  return -1;
}
