/* httpd [-p PORT] [DIRECTORY]: a server for HTTP 1.0 (RFC 1945): GET and HEAD of the files in a directory, /disk if none is given. */

#include "system.h"

#define REQUEST 2048

static const char *directory = "/disk";

static void answer(int fd, int status, const char *text, const char *type)
{
    print_on(fd, "HTTP/1.0 %d %s\r\nServer: guestkit\r\nContent-Type: %s\r\n\r\n", status, text, type);
}

static void refuse(int fd, int status, const char *text)
{
    answer(fd, status, text, "text/plain");
    print_on(fd, "%s\n", text);
}

/* The head of a request; 0 if it is none. */
static int read_request(int fd, char *request)
{
    u32 size = 0;

    for (;;) {
        int n = read(fd, request + size, REQUEST - 1 - size);
        if (n <= 0)
            return 0;
        size += n;
        request[size] = 0;
        for (u32 i = 0; i + 1 < size; i++)
            if (request[i] == '\n' && (request[i + 1] == '\n' || (request[i + 1] == '\r' && request[i + 2] == '\n')))
                return 1;
        if (size == REQUEST - 1)
            return 0;
    }
}

static const char *type_of(const char *path)
{
    u32 length = strlen(path);

    if (length > 5 && strcmp(path + length - 5, ".html") == 0)
        return "text/html";
    if (length > 4 && strcmp(path + length - 4, ".txt") == 0)
        return "text/plain";
    return "application/octet-stream";
}

static void serve(int fd)
{
    static char request[REQUEST], buffer[16384];
    char path[NAME_SIZE], *name, *end;
    int head, file, n;
    u32 length;

    if (!read_request(fd, request))
        return;
    head = strncmp(request, "HEAD ", 5) == 0;
    if (!head && strncmp(request, "GET ", 4)) {
        refuse(fd, 501, "Not Implemented");
        return;
    }
    name = request + (head ? 5 : 4);
    for (end = name; *end && *end != ' ' && *end != '?' && *end != '\r' && *end != '\n'; end++)
        ;
    *end = 0;
    copy_string(path, directory, sizeof path);
    length = strlen(path);
    if (*name != '/' || length + strlen(name) + 11 > sizeof path) {
        refuse(fd, 400, "Bad Request");
        return;
    }
    copy_string(path + length, name, sizeof path - length);
    if (end[-1] == '/')
        copy_string(path + strlen(path), "index.html", sizeof path - strlen(path));
    file = open(path);
    if (file < 0) {
        refuse(fd, 404, "Not Found");
        return;
    }
    answer(fd, 200, "OK", type_of(path));
    while (!head && (n = read(file, buffer, sizeof buffer)) > 0)
        if (write_all(fd, buffer, n))
            break;
    close(file);
}

int main(int argc, char **argv)
{
    u32 port = 80;
    int listener, fd, at = 1;

    if (argc > 2 && strcmp(argv[1], "-p") == 0) {
        port = parse_number(argv[2]);
        at = 3;
    }
    if (argc > at)
        directory = argv[at];
    listener = listen(port);
    if (listener < 0)
        fail("httpd: port %u: %s\n", port, error_text(listener));
    print("httpd: %s on port %u\n", directory, port);
    while ((fd = accept(listener)) >= 0 || fd == -EINTR) {
        if (fd < 0)
            continue;
        serve(fd);
        close(fd);
    }
    fail("httpd: %s\n", error_text(fd));
}
