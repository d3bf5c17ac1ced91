/* Starts FILE in a child that shares its memory, as one of vfork does, on a stack of its own of STACK KiB, with an
 * environment of VARIABLES variables and the preload library's, TIMES times one after the other. Shows how the last
 * child ended, and by how many pages the memory of this process has grown since the first.
 *
 * usage: small_stack STACK VARIABLES TIMES FILE ARGV0 [ARG...] */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
extern int execveat(int, const char *, char *const[], char *const[], int) __attribute__((weak));

struct call {
    const char *file;
    char **argv, **envp;
    int descriptor;
};

static int start(void *context) {
    const struct call *call = context;
#if defined(ENTRY_execve)
    execve(call->file, call->argv, call->envp);
#elif defined(ENTRY_execvpe)
    execvpe(call->file, call->argv, call->envp);
#elif defined(ENTRY_fexecve)
    fexecve(call->descriptor, call->argv, call->envp);
#elif defined(ENTRY_execveat)
    execveat(call->descriptor, "", call->argv, call->envp, AT_EMPTY_PATH);
#endif
    _exit(errno);
}

static long pages(void) {
    long size = -1;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld", &size) != 1) {
        abort();
    }
    fclose(file);
    return size;
}

int main(int count, char **words) {
    if (count < 6) {
        return 2;
    }
    size_t stack = strtoul(words[1], NULL, 10) * 1024;
    size_t variables = strtoul(words[2], NULL, 10), own = 0;
    int times = atoi(words[3]), status = -1;
    while (environ[own] != NULL) {
        own++;
    }
    struct call call = {words[4], words + 5, calloc(own + variables + 1, sizeof(char *)), open(words[4], O_RDONLY)};
    memcpy(call.envp, environ, own * sizeof(char *));
    for (size_t i = 0; i < variables; i++) {
        char text[32];
        snprintf(text, sizeof text, "VARIABLE_%zu=x", i);
        call.envp[own + i] = strdup(text);
    }
    /* What grows over the stack dies of it. */
    char *low = mmap(NULL, stack + 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (low == MAP_FAILED || mprotect(low + 65536, stack, PROT_READ | PROT_WRITE) != 0) {
        abort();
    }
    long before = pages(), after = before;
    for (int i = 0; i < times; i++) {
        int child = clone(start, low + 65536 + stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &call);
        if (child < 0 || waitpid(child, &status, 0) != child) {
            abort();
        }
        if (i == 0) {
            before = pages();
        }
        after = pages();
    }
    status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    printf("status %d, grown by %ld\n", status, after - before);
    return 0;
}
