//! Compiles what only C can say, and keeps every library out of the link: what is used of libc is found in the
//! process, whichever libc it has.

fn main() {
    println!("cargo::rerun-if-changed=src/variadic.c");
    // Nothing that would need a library's help: no stack protector, no fortified functions, no unwinding.
    cc::Build::new()
        .file("src/variadic.c")
        .std("c11")
        .warnings_into_errors(true)
        .opt_level(2)
        .flag("-ffreestanding")
        .flag("-fvisibility=hidden")
        .flag("-fno-stack-protector")
        .flag("-fno-asynchronous-unwind-tables")
        .flag("-U_FORTIFY_SOURCE")
        .compile("variadic");
    // Each segment costs every program that starts; what relocation protects could not be kept apart from the
    // addresses of libc's functions, which are written later.
    for argument in ["-nostdlib", "-Wl,-Bsymbolic", "-Wl,-z,now", "-Wl,-z,norelro", "-Wl,-z,noseparate-code"]
    {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
}
