//! Serves the two feeds from copies of the real ones, for trials and benchmarks without a network:
//!
//! ```text
//! cargo run --release -p scfw-world --example serve -- --osv DIRECTORY --datadog DIRECTORY
//! ```
//!
//! The directories are laid out as the feeds are: `<osv>/{npm,PyPI}/all.zip` and
//! `<datadog>/samples/{npm,pypi}/manifest.json`. Without them the feeds know one malicious package, passports-js.
//! `--packages NUMBER` fills the registry with `package-0`, `package-1` and so on, each with versions 1.0.0 to 1.59.0.
//! Prints a line for the shell and serves until it is killed.

use std::io;
use std::path::PathBuf;
use std::thread;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, World};

#[expect(clippy::print_stdout, reason = "its one line of output is for the shell")]
fn main() -> io::Result<()> {
    let world = World::start()?;
    let mut arguments = std::env::args().skip(1);
    if !std::env::args().any(|argument| matches!(argument.as_str(), "--osv" | "--datadog")) {
        // For a trial without any data: one package that is known to be malicious.
        world.malicious(Ecosystem::Npm, "passports-js", None);
    }
    while let Some(option) = arguments.next() {
        if option == "--packages" {
            let number =
                arguments.next().and_then(|number| number.parse().ok()).ok_or_else(|| usage(&option))?;
            publish(&world, number);
            continue;
        }
        let directory = arguments.next().map(PathBuf::from).ok_or_else(|| usage(&option))?;
        for ecosystem in Ecosystem::ALL {
            match option.as_str() {
                "--osv" => {
                    world.load_osv_zip(&directory.join(ecosystem.osv_name()).join("all.zip"))?;
                }
                "--datadog" => {
                    let samples = directory.join("samples").join(ecosystem.purl_type());
                    world.load_datadog_manifest(ecosystem, &samples.join("manifest.json"))?;
                }
                _ => return Err(usage(&option)),
            }
        }
    }
    println!(
        "export SCFW_OSV_API_URL={} SCFW_OSV_BULK_URL={} SCFW_DD_DATASET_URL={} SERVED_REGISTRY={}",
        world.osv_url(),
        world.osv_bulk_url(),
        world.datadog_url(),
        world.registry_url()
    );
    loop {
        thread::park();
    }
}

/// About as many versions as packages have that others depend on.
fn publish(world: &World, number: u32) {
    for package in 0..number {
        for version in 0..60 {
            world.add_npm(NpmPackage::new(format!("package-{package}"), format!("1.{version}.0")));
        }
    }
}

fn usage(option: &str) -> io::Error {
    let message =
        format!("{option}: the options are --osv DIRECTORY, --datadog DIRECTORY and --packages NUMBER");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
