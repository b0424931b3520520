//! The `watchgate` program; everything is in `watchgate::cli`.

/// Long runs with many small allocations: less memory kept back than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    watchgate::cli::main()
}
