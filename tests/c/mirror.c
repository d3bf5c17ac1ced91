/* A stand-in for any program: writes how it was called below the working directory (argv, environ, and one mark per
 * run), and ends with MIRROR_STATUS. */
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

static void write_strings(const char *path, char **strings) {
    FILE *file = fopen(path, "w");
    for (; file != NULL && *strings != NULL; strings++) {
        fputs(*strings, file);
        fputc('\0', file);
    }
    if (file != NULL) {
        fclose(file);
    }
}

int main(int count, char **arguments) {
    (void)count;
    FILE *runs = fopen("runs", "a");
    if (runs != NULL) {
        fputc('.', runs);
        fclose(runs);
    }
    write_strings("argv", arguments);
    write_strings("environ", environ);
    return atoi(getenv("MIRROR_STATUS") ? getenv("MIRROR_STATUS") : "0");
}
