use super::about; #[test] fn t() { println!("{}", about("x: 1")); }
