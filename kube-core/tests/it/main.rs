//! The object model from outside: a body on its way through the pipeline that serves it.

mod pipeline;
