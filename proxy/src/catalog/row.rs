//! What a catalog's row may say, and how it becomes an object key.
//!
//! A row is text that somebody else wrote: it is taken as it stands, percent signs and blanks included, or it is
//! refused. Nothing is decoded and nothing is normalised, but for slashes before it, and one behind a folder.

use watchgate_config::{Wrong, object_key};

/// Longest object key in bytes (Amazon S3 User Guide, "Naming Amazon S3 objects").
const KEY_BYTES_MAX: usize = 1024;

/// What the rows of a catalog name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A film's object.
    Object,
    /// The folder of a film's tree: the object template has a path.
    Folder,
}

impl Shape {
    /// The row without what is taken off it: file systems and web frameworks write `/films/1.mp4` for what a bucket
    /// calls `films/1.mp4`.
    ///
    /// # Errors
    /// It breaks a rule of [`object_key`].
    pub(super) fn read(self, text: &str) -> Result<&str, Wrong> {
        let row = text.trim_start_matches('/');
        let row = match self {
            Self::Object => row,
            Self::Folder => row.strip_suffix('/').unwrap_or(row),
        };
        object_key(row).map(|()| row)
    }

    /// The key of the file at `path` of a film's tree. An empty path asks for the row itself: trees and films of one
    /// file may stand in one catalog. None: there can be no such object.
    pub(super) fn key(self, row: &str, path: &str) -> Option<String> {
        match self {
            _ if path.is_empty() => Some(row.to_owned()),
            Self::Object => None,
            Self::Folder if row.len() + 1 + path.len() > KEY_BYTES_MAX => None,
            Self::Folder => {
                let mut key = String::with_capacity(row.len() + 1 + path.len());
                key.push_str(row);
                key.push('/');
                key.push_str(path);
                Some(key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_as_they_stand_or_refused() {
        let check = |shape: Shape, text: &str, row: Result<&str, &str>| {
            assert_eq!(shape.read(text).map_err(|wrong| wrong.why), row.map_err(str::to_owned), "{text:?}");
        };
        for shape in [Shape::Object, Shape::Folder] {
            for plain in ["films/1.mp4", "%2e%2e/a", "a b", " ", "фильм.mp4", "it's \"it\"", "a\\..\\b", "~"]
            {
                check(shape, plain, Ok(plain));
            }
            check(shape, "/movies/x.mp4", Ok("movies/x.mp4"));
            check(shape, "///x.mp4", Ok("x.mp4"));
            check(shape, "", Err("must not have an empty segment"));
            check(shape, "//", Err("must not have an empty segment"));
            check(shape, "../../etc/passwd", Err("must not have a segment \"..\""));
            check(shape, "/../x", Err("must not have a segment \"..\""));
            check(shape, "a//b", Err("must not have an empty segment"));
            check(shape, "a\0b", Err("must not have a control character, such as '\\0'"));
            check(shape, &"a".repeat(1024), Ok(&"a".repeat(1024)));
            check(shape, &"a".repeat(2000), Err("must be at most 1024 bytes long, not 2000"));
        }
        check(Shape::Object, "films/1/", Err("must not end with a slash"));
        check(Shape::Folder, "films/1/", Ok("films/1"));
        check(Shape::Folder, "films/1//", Err("must not end with a slash"));
    }

    #[test]
    fn a_folder_stands_before_the_path() {
        let check = |shape: Shape, row: &str, path: &str, key: Option<&str>| {
            assert_eq!(shape.key(row, path).as_deref(), key);
        };
        check(Shape::Object, "films/1.mp4", "", Some("films/1.mp4"));
        check(Shape::Object, "films/1.mp4", "master.m3u8", None);
        check(Shape::Folder, "films/1", "hd/master.m3u8", Some("films/1/hd/master.m3u8"));
        check(Shape::Folder, "films/1.mp4", "", Some("films/1.mp4"));
        let folder = "a".repeat(1000);
        check(Shape::Folder, &folder, &"b".repeat(23), Some(&format!("{folder}/{}", "b".repeat(23))));
        check(Shape::Folder, &folder, &"b".repeat(24), None);
    }
}
