//! Databases against real files, damaged ones, and a second reader.

mod answers;
mod damage;
mod differential;
mod samples;
mod second_reader;
