/* Calls the exec functions in a row, in children of vfork and by posix_spawn, with malloc and its kin counted: they are
 * this program's own. Prints what they have cost.
 *
 * usage: allocations COUNT FILE ARG... */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static volatile size_t allocations;
static char heap[1 << 20];
static size_t used;

/* Nothing is freed: there is little to allocate. */
void *malloc(size_t size) {
    size_t start = (used + 15) & ~(size_t)15;
    allocations++;
    used = start + size;
    return used <= sizeof heap ? heap + start : NULL;
}

void *calloc(size_t count, size_t size) {
    return malloc(count * size);
}

void *realloc(void *old, size_t size) {
    char *new = malloc(size);
    if (old != NULL && new != NULL) {
        memmove(new, old, size < (size_t)(new - (char *)old) ? size : (size_t)(new - (char *)old));
    }
    return new;
}

void free(void *old) {
    (void)old;
}

/* Pages of this process, from the kernel. */
static long pages(void) {
    char text[64] = {0};
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fgets(text, sizeof text, file) == NULL) {
        return -1;
    }
    fclose(file);
    return atol(text);
}

static int failures;

static void child_of_vfork(const char *file, char **argv) {
    int status = 0;
    pid_t child = vfork();
    if (child == 0) {
        execve(file, argv, environ);
        _exit(99);
    }
    failures += child < 0 || waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 0;
}

static void child_of_spawn(const char *file, char **argv) {
    int status = 0;
    pid_t child = -1;
    failures += posix_spawn(&child, file, NULL, NULL, argv, environ) != 0 || waitpid(child, &status, 0) != child ||
                WEXITSTATUS(status) != 0;
}

int main(int count, char **words) {
    if (count < 3) {
        return 2;
    }
    int rounds = atoi(words[1]);
    /* What is set up once is not counted. */
    child_of_vfork(words[2], words + 2);
    child_of_spawn(words[2], words + 2);
    long before = pages();
    size_t allocated = allocations;
    for (int round = 0; round < rounds; round++) {
        child_of_vfork(words[2], words + 2);
    }
    child_of_spawn(words[2], words + 2);
    allocated = allocations - allocated;
    long after = pages();
    printf("%zu allocations, %ld pages more, %d failures\n", allocated, after - before, failures);
    return 0;
}
