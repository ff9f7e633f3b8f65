//! Ctrl-C: what is half-done disappears, what is finished stays.

use std::path::Path;

use crate::cache::Cache;

/// On SIGINT or SIGTERM the unfinished stage's files are removed and the process ends with 130.
pub fn on_interrupt(cache: &Cache) {
    let cache = cache.clone();
    let handler = move || {
        cache.sweep();
        eprintln!(
            "\ninterrupted: finished stages are kept, the same command goes on with the stage \
             that was running"
        );
        std::process::exit(130);
    };
    handle(handler);
}

/// On SIGINT or SIGTERM a folder that is only for the time being is removed.
pub fn removes(folder: &Path) {
    let folder = folder.to_path_buf();
    handle(move || {
        drop(std::fs::remove_dir_all(&folder));
        eprintln!("\ninterrupted: nothing is written");
        std::process::exit(130);
    });
}

fn handle(handler: impl FnMut() + Send + 'static) {
    if let Err(e) = ctrlc::set_handler(handler) {
        tracing::warn!("Ctrl-C will not clean up: {e}");
    }
}
