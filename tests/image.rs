//! The image archives: the same files give the same bytes whoever packs them, and what is in them is what an empty image
//! needs. How they run is the business of the tests on a node.
#![expect(
    clippy::disallowed_methods,
    reason = "the script is the test's child, not a child of kubesup"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Packs a program and a folder, from a place and with an umask of its own; gives the digest.
fn pack(place: &Path, umask: &str) -> String {
    let package = place.join("package");
    fs::create_dir_all(package.join("hooks")).expect("a folder");
    fs::write(place.join("program"), "#!/bin/sh\n").expect("a file");
    fs::write(package.join("default.toml"), "a = 1\n").expect("a file");
    fs::write(package.join("hooks/run"), "#!/bin/sh\n").expect("a file");
    fs::set_permissions(package.join("hooks/run"), Permissions::from_mode(0o700)).expect("a mode");
    let script = format!("umask {umask}; exec \"$@\"");
    let output = Command::new("/bin/sh")
        .args(["-c", &script, "sh"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("image/archive.sh"))
        .args([
            "out/image.tar",
            "docker.io/library/thing:1",
            "amd64",
            "/bin/thing",
            "bin/thing=program:0755",
            "demo=package",
        ])
        .current_dir(place)
        .output()
        .expect("bash");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

fn unpack(archive: &Path, into: &Path) {
    fs::create_dir_all(into).expect("a folder");
    let status = Command::new("tar")
        .arg("-C")
        .arg(into)
        .arg("-xf")
        .arg(archive)
        .status()
        .expect("tar");
    assert!(status.success());
}

fn blob(layout: &Path, digest: &Value) -> std::path::PathBuf {
    let digest = digest.as_str().expect("a digest");
    layout
        .join("blobs/sha256")
        .join(digest.strip_prefix("sha256:").expect("sha256"))
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn two_builds_in_other_places_give_the_same_archive() {
    let (first, second) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let digest = pack(first.path(), "022");
    // Other times, another umask, another owner of what is executable: none of it counts.
    fs::create_dir_all(second.path().join("package")).expect("a folder");
    fs::set_permissions(second.path().join("package"), Permissions::from_mode(0o700))
        .expect("a mode");
    assert_eq!(pack(second.path(), "077"), digest);
    let bytes = |place: &Path| fs::read(place.join("out/image.tar")).expect("an archive");
    assert!(
        bytes(first.path()) == bytes(second.path()),
        "the archives differ"
    );
}

#[test]
fn the_archive_is_an_image_for_nobody_with_the_files_and_no_more() {
    let place = tempfile::tempdir().expect("a folder");
    let digest = pack(place.path(), "022");
    let layout = place.path().join("layout");
    unpack(&place.path().join("out/image.tar"), &layout);
    let index = read(&layout.join("index.json"));
    assert_eq!(index["manifests"][0]["digest"], json!(digest));
    let manifest = read(&blob(&layout, &index["manifests"][0]["digest"]));
    let config = read(&blob(&layout, &manifest["config"]["digest"]));
    assert_eq!(config["config"]["User"], "65534:65534");
    assert_eq!(config["config"]["Entrypoint"], json!(["/bin/thing"]));
    let root = place.path().join("root");
    unpack(&blob(&layout, &manifest["layers"][0]["digest"]), &root);
    let mode = |path: &str| {
        let metadata = fs::metadata(root.join(path)).expect(path);
        metadata.permissions().mode() & 0o7777
    };
    assert_eq!(mode("bin/thing"), 0o755);
    assert_eq!(mode("demo/default.toml"), 0o644);
    assert_eq!(mode("demo/hooks"), 0o755);
    assert_eq!(mode("demo/hooks/run"), 0o755, "who executes is kept");
    assert_eq!(fs::read_dir(&root).expect("a root").count(), 2);
}

#[test]
fn a_file_that_is_missing_is_named() {
    let place = tempfile::tempdir().expect("a folder");
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("image/archive.sh"))
        .args([
            "image.tar",
            "thing:1",
            "amd64",
            "/bin/thing",
            "bin/thing=nowhere:0755",
        ])
        .current_dir(place.path())
        .output()
        .expect("bash");
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8(output.stderr).expect("text"),
        "cannot pack thing:1: nowhere is not there\n"
    );
    assert!(!place.path().join("image.tar").exists());
}

#[test]
fn the_bill_of_materials_lists_each_crate_with_license_and_checksum() {
    let version = Command::new("rustc").arg("-vV").output().expect("rustc");
    let version = String::from_utf8(version.stdout).expect("text");
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("a host");
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("image/sbom.sh"))
        .arg(host)
        .output()
        .expect("bash");
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["bomFormat"], "CycloneDX");
    assert_eq!(document["metadata"]["component"]["name"], "kubesup");
    let components = document["components"].as_array().expect("components");
    let names: Vec<&str> = components
        .iter()
        .map(|component| component["name"].as_str().expect("a name"))
        .collect();
    for linked in ["kube", "tokio", "handlebars", "rustls"] {
        assert!(names.contains(&linked), "{linked}: {names:?}");
    }
    for absent in ["insta", "proptest", "stateright", "clap_derive"] {
        assert!(!names.contains(&absent), "{absent} is not in the binary");
    }
    for component in components {
        assert!(
            component["licenses"][0]["expression"].is_string(),
            "{component}"
        );
        let checksum = component["hashes"][0]["content"]
            .as_str()
            .expect("a checksum");
        assert_eq!(checksum.len(), 64, "{component}");
    }
}
