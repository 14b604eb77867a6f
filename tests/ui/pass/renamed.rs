extern crate gort as renamed;

mod reexport {
    pub(crate) use renamed::*;
}

#[renamed::main(crate = renamed)]
async fn main() {
    in_quotes();
    through_a_module();
}

#[renamed::main(crate = "renamed", flavor = "local")]
async fn in_quotes() {}

#[reexport::main(crate = crate::reexport, flavor = "local")]
async fn through_a_module() {}
