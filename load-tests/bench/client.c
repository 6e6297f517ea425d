/*
 * A load client that costs almost nothing, so that the server is what is measured: one thread,
 * epoll, requests prepared beforehand, keep-alive, bodies thrown away by recv(MSG_TRUNC).
 *
 *   bench-client --port P --requests FILE [options]
 *
 *   --requests FILE    heads to send in turn, each with a length of 4 bytes, little endian, before it
 *   --connections N    default 1
 *   --seconds S        issues requests for this long, then waits for those under way
 *   --count N          issues this many requests instead, from the file's first on
 *   --body-bytes N     body sent after every head (default 0); random bytes, the same each time
 *   --expect-bytes N   Content-Length that every answer must have
 *   --read-rate B      most bytes a second that each connection reads (default: all there is)
 *   --allow-errors     counts answers other than 2xx instead of ending
 *
 * Prints one line of JSON. Exit status 1: an answer other than 2xx, a wrong length or a broken
 * connection; the reason is on standard error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
  HEAD_BYTES_MAX = 16384,
  CONNECTIONS_MAX = 4096,
  DISCARD_BYTES_MAX = 1 << 20,
  EVENTS_MAX = 256,
  /* Log-linear histogram of nanoseconds: 64 steps per power of two, so a value is off by < 1.6 %. */
  STEP_BITS = 6,
  STEPS = 1 << STEP_BITS,
  BUCKETS = (64 - STEP_BITS) * STEPS,
  PACE_MS = 10,
};

typedef struct {
  const char *head;
  uint32_t size;
} request_t;

typedef struct {
  uint64_t counts[BUCKETS];
  uint64_t total, max;
} histogram_t;

typedef enum { IDLE, SENDING, HEAD, BODY, CLOSED } state_t;

typedef struct {
  int fd;
  state_t state;
  const request_t *request;
  size_t sent;               /* of head and body together */
  char buffer[HEAD_BYTES_MAX];
  size_t buffered;
  uint64_t body_left;
  uint64_t started_ns;
  int failed_status;         /* of an answer other than 2xx, else 0 */
  int close_after;
  int wants_write;           /* as registered with epoll */
  int paused;                /* not registered for reading: read its share of this period */
  uint64_t allowance;
} connection_t;

static struct {
  int port, connections, allow_errors;
  double seconds;
  uint64_t count, body_bytes, read_rate;
  int64_t expect_bytes;
  const char *path;
} options = {.connections = 1, .expect_bytes = -1};

static request_t *requests;
static size_t request_count;
static char *body;
static int epoll_fd;
static connection_t *connections;
static histogram_t latency, first_byte;
static uint64_t issued, finished, bytes, failures, reconnects;
static uint64_t begin_ns, end_ns;
static char discard[DISCARD_BYTES_MAX];

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what, const char *detail) {
  fprintf(stderr, "bench-client: %s: %s\n", what, detail);
  exit(1);
}

static size_t bucket_of(uint64_t ns) {
  if (ns < STEPS) return ns;
  int shift = 63 - __builtin_clzll(ns) - STEP_BITS;
  return (size_t)(shift + 1) * STEPS + ((ns >> shift) - STEPS);
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_top(size_t bucket) {
  if (bucket < STEPS) return bucket;
  int shift = (int)(bucket / STEPS) - 1;
  return ((uint64_t)(bucket % STEPS + STEPS + 1) << shift) - 1;
}

static void record(histogram_t *h, uint64_t ns) {
  h->counts[bucket_of(ns)]++;
  h->total++;
  if (ns > h->max) h->max = ns;
}

static double quantile_us(const histogram_t *h, double share) {
  uint64_t rank = (uint64_t)(share * (double)h->total), seen = 0;
  if (rank >= h->total) rank = h->total ? h->total - 1 : 0;
  for (size_t i = 0; i < BUCKETS; i++) {
    seen += h->counts[i];
    if (seen > rank) {
      uint64_t top = bucket_top(i);
      return (double)(top < h->max ? top : h->max) / 1000.0;
    }
  }
  return 0;
}

static void load_requests(void) {
  FILE *file = fopen(options.path, "rb");
  if (!file) fail(options.path, strerror(errno));
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *data = malloc((size_t)size + 1);
  if (!data || fread(data, 1, (size_t)size, file) != (size_t)size) fail(options.path, "cannot be read");
  fclose(file);
  size_t room = 0;
  for (long at = 0; at + 4 <= size;) {
    uint32_t length;
    memcpy(&length, data + at, 4);
    if (at + 4 + (long)length > size) fail(options.path, "ends within a request");
    if (request_count == room) {
      room = room ? room * 2 : 1024;
      requests = realloc(requests, room * sizeof *requests);
      if (!requests) fail("memory", strerror(errno));
    }
    requests[request_count++] = (request_t){data + at + 4, length};
    at += 4 + (long)length;
  }
  if (request_count == 0) fail(options.path, "has no request");
}

static void watch(connection_t *c, int operation) {
  struct epoll_event event = {.data.ptr = c};
  event.events = (c->paused ? 0 : EPOLLIN) | (c->wants_write ? EPOLLOUT : 0);
  if (epoll_ctl(epoll_fd, operation, c->fd, &event) != 0) fail("epoll_ctl", strerror(errno));
}

static void open_connection(connection_t *c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0) fail("socket", strerror(errno));
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect", strerror(errno));
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  c->state = IDLE;
  c->wants_write = 0;
  c->paused = 0;
  c->close_after = 0;
  watch(c, EPOLL_CTL_ADD);
}

static void send_more(connection_t *c) {
  size_t total = c->request->size + options.body_bytes;
  while (c->sent < total) {
    struct iovec parts[2];
    int part_count = 0;
    size_t body_sent = 0;
    if (c->sent < c->request->size) {
      parts[part_count].iov_base = (char *)c->request->head + c->sent;
      parts[part_count++].iov_len = c->request->size - c->sent;
    } else {
      body_sent = c->sent - c->request->size;
    }
    if (options.body_bytes > body_sent) {
      parts[part_count].iov_base = body + body_sent;
      parts[part_count++].iov_len = options.body_bytes - body_sent;
    }
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)part_count};
    ssize_t n = sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN) break;
      /* The server may have refused before the whole body came: its answer says why. */
      if (errno == EPIPE || errno == ECONNRESET) { c->sent = total; break; }
      fail("send", strerror(errno));
    }
    c->sent += (size_t)n;
  }
  if (c->state == SENDING && c->sent == total) c->state = HEAD;
  int wants_write = c->sent < total;
  if (wants_write != c->wants_write) {
    c->wants_write = wants_write;
    watch(c, EPOLL_CTL_MOD);
  }
}

static int may_issue(uint64_t now) {
  if (options.count > 0) return issued < options.count;
  return (double)(now - begin_ns) < options.seconds * 1e9;
}

static void issue(connection_t *c, uint64_t now) {
  if (!may_issue(now)) { c->state = IDLE; return; }
  c->request = &requests[issued++ % request_count];
  c->sent = 0;
  c->buffered = 0;
  c->failed_status = 0;
  c->started_ns = now;
  c->state = SENDING;
  send_more(c);
}

static void finish(connection_t *c) {
  uint64_t now = now_ns();
  finished++;
  end_ns = now;
  if (c->failed_status == 0) record(&latency, now - c->started_ns);
  else failures++;
  if (c->close_after || c->sent < c->request->size + options.body_bytes) {
    close(c->fd);
    reconnects++;
    open_connection(c);
  }
  issue(c, now);
}

/* Value of a header in a head that ends with a NUL; NULL when absent. */
static const char *header(const char *head, const char *name) {
  size_t size = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
      line += size + 1;
      while (*line == ' ') line++;
      return line;
    }
  }
  return NULL;
}

static void parse_head(connection_t *c, char *end) {
  record(&first_byte, now_ns() - c->started_ns);
  size_t head_size = (size_t)(end - c->buffer) + 4, extra = c->buffered - head_size;
  char kept = end[2];
  end[2] = '\0';
  int status = c->buffered > 12 ? atoi(c->buffer + 9) : 0;
  const char *length = header(c->buffer, "content-length");
  const char *connection = header(c->buffer, "connection");
  int is_head = strncmp(c->request->head, "HEAD ", 5) == 0;
  c->close_after = connection != NULL && strncasecmp(connection, "close", 5) == 0;
  if (status < 200 || status > 299) {
    c->failed_status = status;
    if (!options.allow_errors) {
      end[2] = kept;
      fprintf(stderr, "%.*s\n%.*s\n", (int)c->request->size, c->request->head, (int)c->buffered, c->buffer);
      fail("answer", "a status other than 2xx, see above");
    }
  }
  if (length == NULL && status != 204) fail("answer", "no Content-Length");
  uint64_t size = length == NULL ? 0 : strtoull(length, NULL, 10);
  if (options.expect_bytes >= 0 && c->failed_status == 0 && size != (uint64_t)options.expect_bytes) {
    fail("answer of another length", c->buffer);
  }
  c->body_left = is_head ? 0 : size;
  if (extra > c->body_left) fail("answer", "longer than its Content-Length");
  c->body_left -= extra;
  bytes += extra;
  c->state = BODY;
}

/* Reads what is there; returns when the socket is empty or its share of the period is used up. */
static void receive(connection_t *c) {
  for (;;) {
    ssize_t n;
    if (c->state == BODY) {
      if (c->body_left == 0) { finish(c); return; }
      size_t want = c->body_left < DISCARD_BYTES_MAX ? c->body_left : DISCARD_BYTES_MAX;
      if (options.read_rate > 0) {
        if (c->allowance == 0) {
          c->paused = 1;
          watch(c, EPOLL_CTL_MOD);
          return;
        }
        if (want > c->allowance) want = c->allowance;
      }
      n = recv(c->fd, discard, want, MSG_TRUNC | MSG_DONTWAIT);
      if (n > 0) {
        c->body_left -= (uint64_t)n;
        bytes += (uint64_t)n;
        if (options.read_rate > 0) c->allowance -= (uint64_t)n;
        /* One turn, so that the other connections are served: epoll comes back at once. */
        if (c->body_left == 0) finish(c);
        return;
      }
    } else {
      if (c->buffered == HEAD_BYTES_MAX - 1) fail("answer", "its head is too long");
      n = recv(c->fd, c->buffer + c->buffered, HEAD_BYTES_MAX - 1 - c->buffered, MSG_DONTWAIT);
      if (n > 0) {
        if (c->state == IDLE) fail("connection", "an answer that nobody asked for");
        c->buffered += (size_t)n;
        c->buffer[c->buffered] = '\0';
        char *end = strstr(c->buffer, "\r\n\r\n");
        if (end) parse_head(c, end);
        continue;
      }
    }
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0 && errno == EINTR) continue;
    if (c->state == IDLE) { close(c->fd); c->state = CLOSED; return; }
    fail("connection ended within an answer", n == 0 ? "closed" : strerror(errno));
  }
}

static void refill(void) {
  static uint64_t last_ns;
  uint64_t now = now_ns();
  if (last_ns == 0) last_ns = now;
  if (now - last_ns < PACE_MS * 1000000u) return;
  uint64_t share = options.read_rate * (now - last_ns) / 1000000000u;
  last_ns = now;
  for (int i = 0; i < options.connections; i++) {
    connection_t *c = &connections[i];
    if (c->state == CLOSED) continue;
    c->allowance = share;
    if (c->paused) {
      c->paused = 0;
      watch(c, EPOLL_CTL_MOD);
    }
  }
}

static void run(void) {
  struct epoll_event events[EVENTS_MAX];
  begin_ns = end_ns = now_ns();
  for (int i = 0; i < options.connections; i++) issue(&connections[i], now_ns());
  while (finished < issued) {
    int n = epoll_wait(epoll_fd, events, EVENTS_MAX, options.read_rate > 0 ? PACE_MS : -1);
    if (n < 0 && errno != EINTR) fail("epoll_wait", strerror(errno));
    for (int i = 0; i < n; i++) {
      connection_t *c = events[i].data.ptr;
      if ((events[i].events & EPOLLOUT) && c->wants_write) send_more(c);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
    }
    if (options.read_rate > 0) refill();
  }
}

static void fill_body(void) {
  body = malloc(options.body_bytes + 8);
  if (!body) fail("memory", strerror(errno));
  uint64_t x = 88172645463325252u;
  for (uint64_t i = 0; i < options.body_bytes; i += 8) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    memcpy(body + i, &x, 8);
  }
}

static void parse_options(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i];
    if (strcmp(name, "--allow-errors") == 0) { options.allow_errors = 1; continue; }
    if (i + 1 >= argc) fail("option without a value", name);
    const char *value = argv[++i];
    if (strcmp(name, "--port") == 0) options.port = atoi(value);
    else if (strcmp(name, "--requests") == 0) options.path = value;
    else if (strcmp(name, "--connections") == 0) options.connections = atoi(value);
    else if (strcmp(name, "--seconds") == 0) options.seconds = atof(value);
    else if (strcmp(name, "--count") == 0) options.count = strtoull(value, NULL, 10);
    else if (strcmp(name, "--body-bytes") == 0) options.body_bytes = strtoull(value, NULL, 10);
    else if (strcmp(name, "--expect-bytes") == 0) options.expect_bytes = strtoll(value, NULL, 10);
    else if (strcmp(name, "--read-rate") == 0) options.read_rate = strtoull(value, NULL, 10);
    else fail("unknown option", name);
  }
  if (options.path == NULL || options.port <= 0) fail("usage", "--port and --requests are needed");
  if (options.count == 0 && options.seconds <= 0) fail("usage", "--seconds or --count is needed");
  if (options.connections < 1 || options.connections > CONNECTIONS_MAX) fail("usage", "--connections 1..4096");
}

int main(int argc, char **argv) {
  parse_options(argc, argv);
  load_requests();
  fill_body();
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  connections = calloc((size_t)options.connections, sizeof *connections);
  if (!connections) fail("memory", strerror(errno));
  for (int i = 0; i < options.connections; i++) open_connection(&connections[i]);
  run();
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("{\"operations\":%llu,\"failures\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"reconnects\":%llu,"
         "\"p50Us\":%.1f,\"p99Us\":%.1f,\"maxUs\":%.1f,\"firstByteP50Us\":%.1f,\"firstByteP99Us\":%.1f,"
         "\"cpuSeconds\":%.6f}\n",
         (unsigned long long)(finished - failures), (unsigned long long)failures,
         (unsigned long long)bytes, (double)(end_ns - begin_ns) / 1e9, (unsigned long long)reconnects,
         quantile_us(&latency, 0.5), quantile_us(&latency, 0.99), (double)latency.max / 1000.0,
         quantile_us(&first_byte, 0.5), quantile_us(&first_byte, 0.99), cpu);
  return 0;
}
