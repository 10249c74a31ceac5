//! What the real products' own tests and clients expect, asked of the router in process. A test's name begins with the
//! numbers of the cases in the reference that it holds us to.

mod ca;
mod support;
