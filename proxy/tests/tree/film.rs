//! Films as trees of files, made by ffmpeg: twelve segments of a second in two sizes, in every form that players meet.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// How a tree is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// HLS with MPEG transport streams.
    TransportStream,
    /// HLS with fragmented MP4.
    Fragments,
    /// HLS whose segments are byte ranges of one file.
    ByteRanges,
    /// HLS with encrypted segments, whose key stands beside the master playlist.
    Encrypted,
    /// DASH.
    Dash,
}

pub(crate) const KINDS: [Kind; 5] =
    [Kind::TransportStream, Kind::Fragments, Kind::ByteRanges, Kind::Encrypted, Kind::Dash];

pub(crate) const SEGMENTS: usize = 12;
/// Seconds; a segment is one.
pub(crate) const LENGTH_S: f64 = 12.0;
const FRAMES: usize = 288;

/// A film on this disk.
pub(crate) struct Tree {
    pub(crate) kind: Kind,
    folder: TempDir,
    /// Paths below the film, with the bytes.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

impl Kind {
    /// The film's uuid: one for each kind.
    pub(crate) fn uuid(self) -> String {
        format!("0f8fad5b-d9cb-469f-a165-7086772895{:02}", self as u8)
    }

    /// What a player is given.
    pub(crate) fn manifest(self) -> &'static str {
        if self == Self::Dash { "manifest.mpd" } else { "master.m3u8" }
    }
}

impl Tree {
    pub(crate) fn make(ffmpeg: &Path, kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let to = |name: &str| format!("{}/{name}", folder.path().display());
        let mut command = Command::new(ffmpeg);
        command.args(["-v", "error", "-nostdin"]);
        command.args(["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=24:duration=12"]);
        command.args(["-f", "lavfi", "-i", "sine=duration=12"]);
        command.args(["-filter_complex", "[0:v]split=2[high][large];[large]scale=160:90[low]"]);
        command.args(["-map", "[high]", "-map", "[low]", "-map", "1:a"]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]);
        command.args(["-g", "24", "-keyint_min", "24", "-sc_threshold", "0"]);
        let keys = tempfile::tempdir().expect("a folder");
        match kind {
            Kind::Dash => {
                (0..3).for_each(|stream| fs::create_dir(to(&stream.to_string())).expect("a folder"));
                command.args(["-f", "dash", "-seg_duration", "1"]);
                command.args(["-adaptation_sets", "id=0,streams=v id=1,streams=a"]);
                command.args(["-init_seg_name", "$RepresentationID$/init.mp4"]);
                command.args(["-media_seg_name", "$RepresentationID$/seg-$Number%03d$.m4s"]);
                command.arg(to("manifest.mpd"));
            }
            _ => hls(&mut command, kind, &to, keys.path()),
        }
        let status = command.status().expect("ffmpeg runs");
        assert!(status.success(), "{kind:?}");
        let mut files = Vec::new();
        collect(folder.path(), "", &mut files);
        let enough = if kind == Kind::ByteRanges { 2 + 3 } else { 2 * SEGMENTS };
        assert!(files.len() >= enough && files.iter().any(|(path, _)| path == kind.manifest()), "{kind:?}");
        Self { kind, folder, files }
    }

    /// What [`frames`] found elsewhere is what it finds on this disk, which holds all of them.
    pub(crate) fn assert_frames(&self, ffmpeg: &Path, got: &str, what: &str) {
        let want = self.frames_on_disk(ffmpeg);
        let wrong = got.lines().zip(want.lines()).find(|(got, want)| got != want);
        let counts = (got.lines().count(), want.lines().count());
        assert!(wrong.is_none() && counts.0 == counts.1, "{:?} {what}: {counts:?}, {wrong:?}", self.kind);
    }

    fn frames_on_disk(&self, ffmpeg: &Path) -> String {
        let manifest = self.folder.path().join(self.kind.manifest());
        let output = frames(ffmpeg, &manifest.display().to_string()).output().expect("ffmpeg runs");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{:?}", self.kind);
        let found = String::from_utf8(output.stdout).expect("text");
        for stream in ["0,", "1,"] {
            let pictures = found.lines().filter(|line| line.starts_with(stream)).count();
            assert_eq!(pictures, FRAMES, "{:?}, video {stream}", self.kind);
        }
        found
    }
}

/// Decodes every stream of every size, and prints a digest of each frame and of each piece of sound.
pub(crate) fn frames(ffmpeg: &Path, manifest: &str) -> Command {
    let mut command = Command::new(ffmpeg);
    // Keys are in no list of endings that ffmpeg allows.
    command.args(["-v", "error", "-nostdin", "-allowed_extensions", "ALL", "-i", manifest]);
    command.args(["-map", "0:v", "-map", "0:a", "-f", "framemd5", "-"]);
    command
}

fn hls(command: &mut Command, kind: Kind, to: &dyn Fn(&str) -> String, keys: &Path) {
    command.args(["-map", "1:a", "-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod"]);
    command.args(["-var_stream_map", "v:0,a:0,name:high v:1,a:1,name:low"]);
    command.args(["-master_pl_name", "master.m3u8", "-hls_segment_filename"]);
    match kind {
        Kind::Fragments => command.arg(to("%v/seg-%03d.m4s")).args(["-hls_segment_type", "fmp4"]),
        Kind::ByteRanges => command.arg(to("%v/all.mp4")).args(["-hls_segment_type", "fmp4"]),
        _ => command.arg(to("%v/seg-%03d.ts")),
    };
    if kind == Kind::ByteRanges {
        command.args(["-hls_flags", "single_file"]);
    }
    if kind == Kind::Encrypted {
        let (key, info) = (to("film.key"), keys.join("info"));
        fs::write(&key, b"sixteen bytes in").expect("written");
        fs::write(&info, format!("../film.key\n{key}\n")).expect("written");
        command.arg("-hls_key_info_file").arg(info);
    }
    command.arg(to("%v/index.m3u8"));
}

fn collect(folder: &Path, below: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let inner = if below.is_empty() { name.into_owned() } else { format!("{below}/{name}") };
        if path.is_dir() {
            collect(&path, &inner, files);
        } else {
            files.push((inner, fs::read(&path).expect("a file")));
        }
    }
}
