//! temp
mod parity;
fn main() -> color_eyre::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let t = std::time::Instant::now();
    let p = std::path::PathBuf::from(&a[1]);
    let sha = lethe_model::store::sha256(&p, &mut |_, _, _| {})?;
    println!("sha {:?}", t.elapsed());
    let r = parity::run(std::path::Path::new("tests/fixtures/gemma-3-270m.json"), &p, &sha, "auto");
    println!("all {:?}", t.elapsed());
    r
}
