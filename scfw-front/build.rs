//! Keeps libc and the start-up code of C out of the link where the program has its own.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if env::var_os("CARGO_FEATURE_FREESTANDING").is_some()
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
    {
        println!("cargo::rustc-cfg=freestanding");
        // A static program without a loader has nobody to move it, so it stays where it is linked.
        for argument in ["-nostdlib", "-nostartfiles", "-static", "-no-pie", "-Wl,--build-id=none"] {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
    println!("cargo::rustc-check-cfg=cfg(freestanding)");
}
