/* Starts FILE again and again and waits for it; prints the seconds that one start takes.
 *
 * usage: spawn_cost COUNT FILE */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (double)moment.tv_sec + (double)moment.tv_nsec / 1e9;
}

int main(int count, char **words) {
    if (count != 3) {
        return 2;
    }
    int rounds = atoi(words[1]);
    double start = now();
    for (int round = 0; round < rounds; round++) {
        int status = 0;
        pid_t child = -1;
        if (posix_spawn(&child, words[2], NULL, NULL, words + 2, environ) != 0 || waitpid(child, &status, 0) != child ||
            status != 0) {
            return 1;
        }
    }
    printf("%.9f\n", (now() - start) / rounds);
    return 0;
}
