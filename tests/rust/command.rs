//! Starts `npm install PACKAGE` in each way in which the standard library does, and prints the exit statuses.

use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() {
    let package = std::env::args().nth(1).expect("a package");
    let path = std::env::var_os("PATH").expect("PATH");
    let ways: [fn(&mut Command); 5] = [
        |_| {},
        |command| {
            command.current_dir(".");
        },
        |command| {
            command.env_remove("LD_PRELOAD").env_remove("SCFW_SHIM_HOOK");
        },
        |command| {
            command.arg0("another name");
        },
        |command| {
            // Keeps the standard library from using posix_spawn.
            unsafe { command.pre_exec(|| Ok(())) };
        },
    ];
    for way in ways {
        let mut command = Command::new("npm");
        command.args(["install", &package]);
        way(&mut command);
        println!("{:?}", command.status().expect("npm starts").code());
    }
    let relative = std::env::split_paths(&path).find(|folder| folder.join("npm").exists()).expect("npm");
    let status = Command::new("./npm").args(["install", &package]).current_dir(relative).status();
    println!("{:?}", status.expect("npm starts").code());
    panic!("{}", Command::new("npm").args(["install", &package]).exec());
}
