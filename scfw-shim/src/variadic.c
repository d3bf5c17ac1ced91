/* What stable Rust cannot say: functions with a variable number of arguments, and arrays on the stack whose size is
 * only known when they are needed. */
#include <stdarg.h>
#include <stddef.h>

/* Ours, as any caller would have them. */
int execve(const char *path, char *const argv[], char *const envp[]);
int execv(const char *path, char *const argv[]);
int execvp(const char *file, char *const argv[]);

/* Only the GNU C library has it. */
extern const char *gnu_get_libc_version(void) __attribute__((weak, visibility("default")));

int scfw_is_gnu(void) { return gnu_get_libc_version != NULL; }

int scfw_with_pointers(size_t count, int (*use)(void *context, const char **pointers), void *context) {
    const char *pointers[count];
    return use(context, pointers);
}

static size_t count_arguments(const char *first, va_list *arguments) {
    size_t count = 0;
    for (const char *argument = first; argument != NULL; argument = va_arg(*arguments, const char *)) {
        count++;
    }
    return count;
}

/* Leaves `arguments` behind the null pointer that ends them. */
static void copy_arguments(const char **argv, const char *first, va_list *arguments) {
    const char *argument = first;
    while ((*argv++ = argument) != NULL) {
        argument = va_arg(*arguments, const char *);
    }
}

/* The arguments as an array `argv`, declared in the caller: it lives as long as the stack it stands on. */
#define COLLECT(argv, first)                                                                                           \
    va_list arguments;                                                                                                 \
    va_start(arguments, first);                                                                                        \
    const char *argv[count_arguments(first, &arguments) + 1];                                                          \
    va_end(arguments);                                                                                                 \
    va_start(arguments, first);                                                                                        \
    copy_arguments(argv, first, &arguments)

int scfw_execl(const char *path, const char *first, ...) {
    COLLECT(argv, first);
    va_end(arguments);
    return execv(path, (char *const *)argv);
}

int scfw_execlp(const char *file, const char *first, ...) {
    COLLECT(argv, first);
    va_end(arguments);
    return execvp(file, (char *const *)argv);
}

int scfw_execle(const char *path, const char *first, ...) {
    COLLECT(argv, first);
    char *const *envp = va_arg(arguments, char *const *);
    va_end(arguments);
    return execve(path, (char *const *)argv, envp);
}
