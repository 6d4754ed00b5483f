//! Runs one Starlark file with starlark-rust: a peer of the benchmark.
use starlark::environment::{GlobalsBuilder, LibraryExtension, Module};
use starlark::eval::Evaluator;
use starlark::syntax::{AstModule, Dialect};

fn main() -> starlark::Result<()> {
    let path = std::env::args().nth(1).expect("usage: peer FILE");
    let ast = AstModule::parse_file(std::path::Path::new(&path), &Dialect::Extended)?;
    let globals = GlobalsBuilder::extended_by(&[
        LibraryExtension::StructType,
        LibraryExtension::Json,
        LibraryExtension::Print,
    ])
    .build();
    Module::with_temp_heap(|module| {
        let mut evaluator = Evaluator::new(&module);
        evaluator.eval_module(ast, &globals).map(|_| ())
    })
}
